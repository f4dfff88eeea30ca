"""Places where runs are: their pods, and the records of them."""

from __future__ import annotations

from typing import Protocol

from sematic.resolvers.pods.pods import Pods
from sematic.resolvers.records import Records, RunRecord


class Place(Protocol):
    """A place where runs are: a namespace of a cluster, or this machine."""

    @property
    def kind(self) -> str:
        """``kubernetes``, ``podman`` or ``local``."""

    @property
    def records(self) -> Records:
        """The records of the runs that are here."""

    def pods(self, run: RunRecord, *, drives: bool = False) -> Pods:
        """The pods of a run whose record has been written.

        :param drives: this process is the run's driver: if it dies, so do they.
        :raises PodsError: the place cannot be reached.
        """

    def driver_loss(self, run: RunRecord) -> str:
        """Why the driver of a run that has not ended is no more, as far as its record says.

        :return: in some words for people; "" if it is there, or if that cannot be known.
        :raises PodsError: the place cannot be reached.
        """

    def stop(self, run_id: str) -> None:
        """End all pods of a run, its driver's too, at once.

        :raises PodsError: the place cannot be reached.
        """
