"""A step: one future of a run while it is resolved; its states, and what came of running it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Any, TypeAlias, Union

from sematic.function import Function
from sematic.future import Future
from sematic.resources import ResourceRequirements, RetrySettings

_LONGEST = 1000  # characters of a message; the traceback has the rest
_OURS = ("sematic.function", "sematic.resolvers")  # frames that users need not see


@unique
class State(str, Enum):
    """Where a step stands."""

    CREATED = "CREATED"
    """It waits for its arguments, or for its turn."""
    SCHEDULED = "SCHEDULED"
    """It runs, or has been handed to where it will run."""
    RAN = "RAN"
    """It has returned futures, and waits for them."""
    RESOLVED = "RESOLVED"
    """It has its value."""
    FAILED = "FAILED"
    NESTED_FAILED = "NESTED_FAILED"
    """A step that it has expanded to failed."""
    RETRYING = "RETRYING"
    """It failed and will run again."""
    CANCELED = "CANCELED"
    """It was stopped, or never started, because the run was cancelled or another step failed."""

    @property
    def is_terminal(self) -> bool:
        """Whether it will stay so."""
        return self in _TERMINAL


_TERMINAL = frozenset({State.RESOLVED, State.FAILED, State.NESTED_FAILED, State.CANCELED})


@dataclass(frozen=True)
class Failure:
    """Why a step has no result.

    :param kind: one of ``exception``, ``oom``, ``exit``, ``image``, ``unschedulable-timeout``,
        ``evicted``, ``preempted``, ``node-lost``, ``deleted``, ``timeout``, ``store``,
        ``unpicklable``, ``canceled``, ``no-result``, or another word without spaces.
    :param message: what happened, in one to three lines.
    :param traceback: as text, "" if there is none.
    :param exception: what was raised, where it can be loaded here.
    :param exception_types: its class and that one's parents, as ``module.qualname``.
    :param infrastructure: nobody's code is to blame, and another attempt may do better.
    """

    kind: str
    message: str
    traceback: str = ""
    exception: BaseException | None = None
    exception_types: tuple[str, ...] = ()
    infrastructure: bool = False

    @classmethod
    def of(cls, exception: BaseException, kind: str = "exception") -> Failure:
        """A failure by an exception, with its traceback from the user's first frame on."""
        frames = exception.__traceback__
        while frames is not None and _is_ours(frames.tb_frame.f_globals.get("__name__")):
            frames = frames.tb_next
        text = "".join(traceback.format_exception(type(exception), exception, frames))
        types = tuple(f"{one.__module__}.{one.__qualname__}" for one in type(exception).__mro__)
        return cls(kind, _brief(exception), text, exception, types)

    def is_covered_by(self, retry: RetrySettings) -> bool:
        """Whether it is one of the exceptions that a func is to be run again for."""
        if self.exception is not None:
            return isinstance(self.exception, retry.exceptions)
        return not set(retry.names()).isdisjoint(self.exception_types)


def _brief(exception: BaseException) -> str:
    """What Python says last of an exception, in three lines at most."""
    text = "".join(traceback.format_exception_only(type(exception), exception)).strip()
    lines = text[:_LONGEST].splitlines()[:3]
    brief = "\n".join(lines)
    return brief if brief == text else f"{brief} ..."


def _is_ours(module: object) -> bool:
    return isinstance(module, str) and module.startswith(_OURS)


@dataclass(frozen=True, slots=True)
class Returned:
    """The step has a value.

    :param handle: what stands for it: the value itself, or where it lies.
    """

    handle: Any


@dataclass(frozen=True, slots=True)
class Expanded:
    """The step returned futures, alone or in lists, tuples and dicts.

    :param value: the future, or the structure that holds them.
    """

    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The step has no value and will not get one by itself."""

    failure: Failure


Outcome: TypeAlias = Union[Returned, Expanded, Failed]


@dataclass(slots=True, eq=False)
class Needs:
    """What the loop knows of a step's neighbours, and nobody else looks at.

    :param inputs: the steps whose handles it takes, by the id of the future that stands for each.
    :param missing: how many of them have none yet.
    :param takers: steps that wait for its handle.
    :param uses: how many steps will still take it; the last one lets it go.
    :param arguments: what it was started with, for another attempt.
    :param structure: what it expanded to.
    """

    inputs: Mapping[str, Step] = field(default_factory=dict)
    missing: int = 0
    takers: list[Step] = field(default_factory=list)
    uses: int = 0
    handle: Any = None
    arguments: Mapping[str, Any] | None = None
    structure: Any = None
    cache_key: str = ""
    deadline: float | None = None
    retries: int = 0
    setbacks: int = 0


@dataclass(slots=True, eq=False)
class Step:
    """One future of a run. The loop alone changes it.

    :param id: its future's, but for a future that is used in several expansions.
    :param parent: the step that it was expanded from, or for which it makes an argument of the
        root; None for the root.
    :param reason: why it is in this state, or what it waits for.
    :param started: whether it has begun to run; ``SCHEDULED`` alone means handed over.
    :param place: where it runs, once that is known.
    :param attempt: which run of it this is, from 1.
    """

    id: str
    future: Future[Any]
    parent: Step | None
    state: State = State.CREATED
    reason: str = ""
    started: bool = False
    place: str = ""
    attempt: int = 1
    needs: Needs = field(default_factory=Needs)

    @property
    def name(self) -> str:
        return self.future.name

    @property
    def function(self) -> Function[..., Any]:
        return self.future.function

    @property
    def tags(self) -> tuple[str, ...]:
        return self.future.tags

    @property
    def inline(self) -> bool:
        return self.future.inline

    @property
    def resource_requirements(self) -> ResourceRequirements | None:
        return self.future.resource_requirements

    @property
    def timeout_seconds(self) -> float | None:
        minutes = self.function.timeout_mins
        return None if minutes is None else minutes * 60

    @property
    def handle(self) -> Any:
        """What stands for its value: there when it is ``RESOLVED``, until the last has taken it."""
        return self.needs.handle

    @property
    def root(self) -> Step:
        step = self
        while step.parent is not None:
            step = step.parent
        return step

    def __repr__(self) -> str:
        return f"<Step {self.name} {self.id[:8]} {self.state.value}>"
