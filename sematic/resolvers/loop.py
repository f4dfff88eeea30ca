"""The loop that every resolver shares: which step may start, and what its outcome means.

It costs O(events): each step knows how many others it still waits for, and who waits for it.
Nothing walks all steps, but for the end of a run that failed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias
from uuid import uuid4

from sematic.errors import PipelineError, RunCanceled
from sematic.future import Future, copied
from sematic.resolvers.cache_key import cache_key
from sematic.resolvers.executor import Cache, Ended, Event, Executor, Started, Waiting
from sematic.resolvers.graph import grow, settle, take, wire
from sematic.resolvers.step import Failed, Failure, Outcome, Returned, State, Step
from sematic.resolvers.timers import PATIENT, Backoff, Timers

_LONGEST_WAIT = 1.0  # seconds until a cancel() from another thread is seen


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A step has another state, another reason for it, or has begun to run (a place is known)."""

    step: Step
    state: State
    reason: str = ""


Listener: TypeAlias = Callable[[StateChanged], None]


def ignore(change: StateChanged) -> None:
    """The listener that is not interested."""


class Loop:
    """Resolves one future, with an executor.

    :param listener: is told of every change of a step, in order.
    :param max_parallelism: of steps that are not inline, at a time; None for no limit.
    :param cache: for funcs with ``cache=True``.
    :param backoff: for failures that are the infrastructure's.
    :param clock: seconds, for timeouts and waits.
    """

    def __init__(
        self,
        root: Future[Any],
        executor: Executor,
        *,
        listener: Listener = ignore,
        max_parallelism: int | None = None,
        cache: Cache | None = None,
        backoff: Backoff = PATIENT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_parallelism is not None and max_parallelism < 1:
            raise ValueError(f"max_parallelism is 1 or more, not {max_parallelism}")
        self._future = root
        self._executor = executor
        self._listener = listener
        self._limit = max_parallelism
        self._cache = cache
        self._backoff = backoff
        self._clock = clock
        self._open: dict[str, Step] = {}
        self._ids: set[str] = set()
        self._ready: deque[Step] = deque()
        self._ready_inline: deque[Step] = deque()
        self._running = 0
        self._inline: Step | None = None
        self._retries = Timers()
        self._deadlines = Timers()
        self._canceled = ""

    def run(self) -> Any:
        """Until the root has its value; its handle.

        :raises PipelineError: a step failed; what still ran was stopped.
        :raises RunCanceled: :meth:`cancel` was called.
        """
        try:
            root = self._plant()
            while not root.state.is_terminal:
                if self._canceled:
                    raise RunCanceled(
                        f"run {root.id} was cancelled: {self._canceled}", run_id=root.id
                    )
                self._start_ready()
                if not root.state.is_terminal:
                    event = self._executor.next(self._patience())
                    self._look_at_the_clock()
                    if event is not None:
                        self._take(event)
            return root.needs.handle
        except BaseException as error:
            self._stop(_reason_to_stop(error))
            raise

    def cancel(self, reason: str = "on request") -> None:
        """Stop the run soon. May be called from another thread."""
        self._canceled = reason

    # Steps

    def _plant(self) -> Step:
        root = self._step(self._future, None)
        root.needs.uses = 1  # the caller's
        arguments = self._future.arguments
        wire(root, arguments, self._grow(arguments, root))
        self._queue_if_ready(root)
        return root

    def _grow(self, structure: Any, parent: Step) -> dict[str, Step]:
        """The steps of a structure and of all that it needs; those that need nothing may start."""
        scope = grow(structure, lambda future: self._step(future, parent))
        for step in scope.values():
            self._queue_if_ready(step)
        return scope

    def _step(self, future: Future[Any], parent: Step | None) -> Step:
        step = Step(future.id, future, parent)
        if step.id in self._ids:  # used in several expansions: it runs in each
            step.id = uuid4().hex
        self._ids.add(step.id)
        self._open[step.id] = step
        self._move(step, State.CREATED)
        return step

    # Starting

    def _queue_if_ready(self, step: Step) -> None:
        if not step.needs.missing:
            (self._ready_inline if step.inline else self._ready).append(step)

    def _start_ready(self) -> None:
        while self._ready_inline and self._inline is None:
            step = self._ready_inline.popleft()
            if not self._recalled(step):
                self._inline = step
                self._start(step)
        while self._ready and (self._limit is None or self._running < self._limit):
            step = self._ready.popleft()
            if not self._recalled(step):
                self._running += 1
                self._start(step)

    def _start(self, step: Step) -> None:
        self._move(step, State.SCHEDULED)
        self._executor.start(step, copied(self._arguments(step)))

    def _arguments(self, step: Step) -> Mapping[str, Any]:
        """The arguments of a step with handles in them; the same for every attempt."""
        if step.needs.arguments is None:
            step.needs.arguments = take(step, dict(step.future.arguments))
        return step.needs.arguments

    def _recalled(self, step: Step) -> bool:
        """Whether the cache had the result of a step, which is resolved then."""
        if self._cache is None or not step.function.cache or step.attempt > 1:
            return False
        key = cache_key(step.function, self._arguments(step))
        if key is None:
            return False
        found = self._cache.recall(key)
        if found is None:
            step.needs.cache_key = key
            return False
        self._resolve(step, found.handle, "cached")
        return True

    # Events

    def _take(self, event: Event) -> None:
        step = self._open.get(event.step_id)
        if step is None or step.state is not State.SCHEDULED:
            return
        if isinstance(event, Started):
            step.started, step.place = True, event.place
            if step.timeout_seconds is not None:
                step.needs.deadline = self._clock() + step.timeout_seconds
                self._deadlines.add(step.needs.deadline, step)
            self._move(step, State.SCHEDULED)
        elif isinstance(event, Waiting):
            self._move(step, State.SCHEDULED, event.reason)
        elif isinstance(event, Ended):
            self._release(step)
            self._end(step, event.outcome)

    def _release(self, step: Step) -> None:
        """The place of a step that runs no longer."""
        if step is self._inline:
            self._inline = None
        else:
            self._running -= 1

    def _end(self, step: Step, outcome: Outcome) -> None:
        if isinstance(outcome, Returned):
            self._resolve(step, outcome.handle)
        elif isinstance(outcome, Failed):
            self._retry_or_fail(step, outcome.failure)
        else:
            step.needs.arguments = None
            step.needs.structure = outcome.value
            self._move(step, State.RAN)
            wire(step, outcome.value, self._grow(outcome.value, step))
            if not step.needs.missing:
                self._resolve(step, self._gathered(step))

    def _resolve(self, step: Step, handle: Any, reason: str = "") -> None:
        """A step has its value; so may steps that expanded to it, and those that need it start."""
        resolved = deque([(step, handle, reason)])
        while resolved:
            step, handle, reason = resolved.popleft()
            step.needs.handle = handle
            self._move(step, State.RESOLVED, reason)
            if self._cache is not None and step.needs.cache_key:
                self._cache.remember(step.needs.cache_key, handle)
            for taker in settle(step):
                if taker.state is State.RAN:
                    resolved.append((taker, self._gathered(taker), ""))
                else:
                    self._queue_if_ready(taker)

    def _gathered(self, step: Step) -> Any:
        """The handle of a step that has expanded, now that all its parts have theirs."""
        structure, step.needs.structure = step.needs.structure, None
        outcome = self._executor.gather(step, take(step, structure))
        if isinstance(outcome, Failed):
            self._fail(step, outcome.failure)
        return outcome.handle

    # Failing

    def _retry_or_fail(self, step: Step, failure: Failure) -> None:
        delay = self._delay(step, failure)
        if delay is None:
            self._fail(step, failure)
        step.attempt += 1
        step.started, step.place = False, ""
        step.needs.deadline = None
        self._move(step, State.RETRYING, failure.message)
        self._retries.add(self._clock() + delay, step)

    def _delay(self, step: Step, failure: Failure) -> float | None:
        """After how many seconds a failed step runs again; None for never."""
        if failure.infrastructure:
            step.needs.setbacks += 1
            return self._backoff.delay(step.needs.setbacks - 1)
        retry = step.function.retry
        if retry is None or step.needs.retries >= retry.retries or not failure.is_covered_by(retry):
            return None
        step.needs.retries += 1
        return 0.0

    def _fail(self, step: Step, failure: Failure) -> NoReturn:
        error = PipelineError(
            _failure_text(step, failure),
            step=step.name,
            step_id=step.id,
            function=step.function.reference,
            place=step.place,
            kind=failure.kind,
            traceback=failure.traceback,
        )
        self._move(step, State.FAILED, failure.message)
        parent = step.parent
        while parent is not None:
            self._move(parent, State.NESTED_FAILED, f"step {step.name!r} failed")
            parent = parent.parent
        raise error from failure.exception

    def _stop(self, reason: str) -> None:
        """Nothing of the run goes on."""
        running = [step for step in self._open.values() if step.state is State.SCHEDULED]
        try:
            if running:
                self._executor.cancel(running)
        finally:
            for step in list(self._open.values()):
                self._move(step, State.CANCELED, reason)

    # Time

    def _patience(self) -> float:
        """Seconds that an event may be waited for."""
        due = min(self._retries.first, self._deadlines.first, self._clock() + _LONGEST_WAIT)
        return max(0.0, due - self._clock())

    def _look_at_the_clock(self) -> None:
        now = self._clock()
        for step_id in self._retries.due(now):
            self._queue_if_ready(self._open[step_id])
        for step_id in self._deadlines.due(now):
            step = self._open.get(step_id)
            if step is None or step.needs.deadline is None or step.needs.deadline > now:
                continue
            if step.state is State.SCHEDULED:
                self._executor.cancel([step])
            self._fail(step, _too_late(step))

    def _move(self, step: Step, state: State, reason: str = "") -> None:
        step.state, step.reason = state, reason
        if state.is_terminal:
            self._open.pop(step.id, None)
            step.needs.arguments = step.needs.structure = None
        self._listener(StateChanged(step, state, reason))


def _too_late(step: Step) -> Failure:
    return Failure("timeout", f"it was not done within timeout_mins={step.function.timeout_mins}")


def _failure_text(step: Step, failure: Failure) -> str:
    parent = f" of {step.parent.name!r}" if step.parent is not None else ""
    place = f" in {step.place}" if step.place else ""
    tries = f" (attempt {step.attempt})" if step.attempt > 1 else ""
    which = f"step {step.name!r} ({step.function.reference}){parent}"
    return f"{which} failed{place}{tries}: {failure.message}"


def _reason_to_stop(error: BaseException) -> str:
    if isinstance(error, PipelineError):
        return f"step {error.step!r} failed"
    if isinstance(error, RunCanceled):
        return "cancelled"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return f"the driver failed: {error!r}"
