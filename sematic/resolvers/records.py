"""What is known of runs from outside of their drivers.

A record is written by the run's driver, seldom more than once a second, and read by everybody
who follows or steers the run. It holds no values: those lie in the run's store.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

ON_REQUEST = "on request"
"""Why a run was canceled that somebody canceled from outside."""

ENDED = frozenset({"RESOLVED", "FAILED", "NESTED_FAILED", "CANCELED"})


@dataclass(slots=True)
class StepRecord:
    """One step.

    :param function: ``module:qualname``.
    :param parent: the id of the step that returned it, "" for the root.
    :param state: see :class:`sematic.resolvers.step.State`.
    :param reason: why it waits or has failed, for people.
    :param pod: the pod that runs or ran it last, "" if it was run by the driver itself.
    :param attempts: how often it was begun.
    :param times: when it was in which state first (seconds since 1970).
    :param log: the name in the store that its log is bound to, "" if there is none.
    """

    id: str
    name: str
    function: str
    parent: str = ""
    state: str = "CREATED"
    reason: str = ""
    pod: str = ""
    attempts: int = 0
    times: dict[str, float] = field(default_factory=dict)
    log: str = ""


@dataclass(slots=True)
class RunRecord:
    """One run.

    :param id: the root step's.
    :param image: what its pods run, by digest.
    :param store: the URL of its store.
    :param driver: where its driver runs: a pod's name, or ``HOST, process N``.
    :param pods: the kind of place where its pods are (``kubernetes``, ``local``, ``podman``).
    :param traceback: of the step that failed.
    """

    id: str
    name: str
    image: str
    store: str
    pods: str
    state: str = "CREATED"
    reason: str = ""
    traceback: str = ""
    driver: str = ""
    created: float = 0.0
    updated: float = 0.0
    tags: tuple[str, ...] = ()
    steps: dict[str, StepRecord] = field(default_factory=dict)

    @property
    def is_ended(self) -> bool:
        return self.state in ENDED

    @property
    def has_driver_pod(self) -> bool:
        """Whether it is driven from a pod, not by the process that has launched it."""
        return ", process " not in self.driver

    def end_steps(self, reason: str, now: float) -> None:
        """Steps that have not ended will not be heard of again."""
        for step in self.steps.values():
            if step.state not in ENDED:
                step.state, step.reason = "CANCELED", reason
                step.times["CANCELED"] = now

    def to_bytes(self) -> bytes:
        """As compressed JSON: some 60 bytes a step."""
        document = _plain(self)
        document["steps"] = {id: _plain(step) for id, step in self.steps.items()}
        return gzip.compress(json.dumps(document).encode(), 6, mtime=0)

    def copy(self) -> RunRecord:
        """What does not change any more."""
        steps = {id: StepRecord(**_plain(step)) for id, step in self.steps.items()}
        for step in steps.values():
            step.times = dict(step.times)
        return replace(self, steps=steps)

    @classmethod
    def from_bytes(cls, data: bytes) -> RunRecord:
        """:raises ValueError: it is no record, or that of a version that knows other things."""
        try:
            document = json.loads(gzip.decompress(data))
            steps = {
                id: StepRecord(**_known(StepRecord, step))
                for id, step in document.pop("steps").items()
            }
            known = {**document, "tags": tuple(document["tags"]), "steps": steps}
            return cls(**_known(cls, known))
        except (ValueError, OSError, EOFError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no record of a run: {error}") from None


def _plain(record: RunRecord | StepRecord) -> dict[str, Any]:
    """A record's fields; :func:`dataclasses.asdict` takes ten times as long."""
    names = _FIELDS[type(record)]
    return {name: getattr(record, name) for name in names}


def _known(kind: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    """What this version knows of a record; what a newer one has added is left out."""
    names = _FIELDS[kind]
    return {name: value for name, value in document.items() if name in names}


_FIELDS = {kind: tuple(entry.name for entry in fields(kind)) for kind in (RunRecord, StepRecord)}


class Records(Protocol):
    """Where the records of runs are."""

    def write(self, record: RunRecord) -> None:
        """Replace a run's record.

        :raises Steered: somebody canceled the run meanwhile.
        """

    def read(self, run_id: str) -> RunRecord | None:
        """A run's record, by its id or the beginning of it; None if there is none.

        :raises RecordsError: several begin so; the message names them.
        """

    def watch(self, run_id: str) -> Iterator[RunRecord]:
        """A run's record, again and again as it changes, until the run has ended."""

    def list(self) -> list[RunRecord]:
        """All there are, newest first."""

    def cancel(self, run_id: str) -> None:
        """Have the run's record say CANCELED, whatever its driver writes afterwards."""

    def remove(self, run_id: str) -> None:
        """Forget a run that has ended."""


class Steered(Exception):
    """A run was canceled by somebody else."""


class RecordsError(Exception):
    """The records of runs cannot be read or written."""


def abandon(records: Records, run_id: str, reason: str) -> None:
    """Have the record of a run say that it failed without its driver, unless it has ended."""
    record = records.read(run_id)
    if record is None or record.is_ended:
        return
    record.state, record.reason, record.updated = "FAILED", reason, time.time()
    record.end_steps(reason, record.updated)
    with suppress(Steered):
        records.write(record)
