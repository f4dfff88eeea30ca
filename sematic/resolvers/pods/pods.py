"""What the driver knows of the places where pods run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from sematic.resources import ResourceRequirements

Kind = Literal["driver", "worker"]
Phase = Literal["pending", "running", "succeeded", "failed"]

Cause = Literal[
    "exit",
    "oom",
    "image",
    "unschedulable",
    "evicted",
    "preempted",
    "node-lost",
    "deleted",
    "timeout",
]
"""Why a pod waits or has failed: its own exit code, too much memory, an image that cannot be
pulled, no node that takes it, taken from its node for want of resources or for a more important
pod, a node that is gone, deleted by somebody, its time is over."""

INFRASTRUCTURE = frozenset({"evicted", "preempted", "node-lost", "deleted"})
"""Causes that are not the step's own doing: another try may well succeed."""


def worker_name(step_id: str, attempt: int) -> str:
    """The name of the pod that runs a step for the nth time, from 1."""
    return f"sematic-worker-{step_id}" + (f"-{attempt}" if attempt > 1 else "")


@dataclass(frozen=True, slots=True)
class PodSpec:
    """A pod to be run.

    :param name: of the pod; unique, and a DNS label (RFC 1123) of at most 63 characters.
    :param run_id: the run it belongs to.
    :param step_id: the step that it runs; the root's for a driver.
    :param image: with its digest.
    :param arguments: for the image's entrypoint.
    :param env: variables beside those of the image.
    :param timeout: seconds after which it is ended.
    """

    name: str
    run_id: str
    step_id: str
    image: str
    arguments: tuple[str, ...]
    kind: Kind = "worker"
    env: Mapping[str, str] = field(default_factory=dict)
    resources: ResourceRequirements | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class PodEvent:
    """A pod is in another phase than before, or waits for something else.

    :param message: for people, in a line: what it waits for, or why it failed.
    :param exit_code: of its process, None where it has none.
    """

    name: str
    phase: Phase
    cause: Cause | None = None
    message: str = ""
    exit_code: int | None = None

    @property
    def is_end(self) -> bool:
        return self.phase in ("succeeded", "failed")


class Pods(Protocol):
    """A place where the pods of one run are. Threads may share it."""

    def submit(self, pod: PodSpec) -> None:
        """Have a pod run; returns once that is accepted.

        :raises PodsError: it is refused, or the place cannot be reached for long.
        """

    def next(self, timeout: float | None = None) -> PodEvent | None:
        """The next event of a pod; None after so many seconds without any.

        Of every pod that was submitted one event :attr:`~PodEvent.is_end`, the last of it.

        :raises PodsError: the place cannot be reached, and that will not pass.
        """

    def delete(self, names: Sequence[str]) -> None:
        """End pods and remove what is left of them. Those that are gone already do not matter."""

    def logs(self, name: str, *, follow: bool = False) -> Iterator[bytes]:
        """What a pod has written, stdout and stderr together; to its end, if followed.

        Ends without an error where there is no such pod any more.
        """

    def close(self) -> None:
        """Let go of connections; pods stay as they are."""


class PodsError(Exception):
    """A place for pods cannot be reached, or does not let us do what must be done."""
