"""Where steps run, as the loop sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, Union

from sematic.resolvers.step import Failed, Outcome, Returned, Step


@dataclass(frozen=True, slots=True)
class Started:
    """A step has begun to run.

    :param place: where, for people: ``pod sematic-worker-...``; "" for this process.
    """

    step_id: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A step cannot begin yet, and why."""

    step_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A step has ended, in one way or another. There is one for each start."""

    step_id: str
    outcome: Outcome


Event: TypeAlias = Union[Started, Waiting, Ended]


class Executor(Protocol):
    """Runs steps, and tells what becomes of them. Used by one thread."""

    def start(self, step: Step, arguments: Mapping[str, Any]) -> None:
        """Have a step run; returns at once.

        :param arguments: as its future has them, with handles in place of futures. Of steps that
            are ``inline`` there is never more than one at a time.
        """

    def next(self, timeout: float | None) -> Event | None:
        """The next event; waits for it.

        :param timeout: for so many seconds, None for as long as it takes.
        :returns: None if there was none in that time.
        """

    def gather(self, step: Step, value: Any) -> Returned | Failed:
        """One handle for what a step expanded to.

        :param value: a handle, or lists, tuples and dicts that hold handles where there were
            futures; to be cast to the func's return type.
        """

    def cancel(self, steps: Sequence[Step]) -> None:
        """Stop steps that were started. No event is owed for them afterwards."""


class Cache(Protocol):
    """Handles of results of former runs, for funcs with ``cache=True``."""

    def recall(self, key: str) -> Returned | None:
        """The result that is kept under a key, None if there is none."""

    def remember(self, key: str, handle: Any) -> None:
        """Keep a result."""
