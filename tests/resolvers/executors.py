"""Executors for tests of the loop: one that is driven by hand, one with threads; and a listener."""

from __future__ import annotations

import queue
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sematic.resolvers.call import call, cast_result
from sematic.resolvers.executor import Ended, Event, Started
from sematic.resolvers.loop import StateChanged
from sematic.resolvers.step import Failed, Failure, Outcome, Returned, State, Step

_LEGAL = {
    None: {State.CREATED},
    State.CREATED: {State.SCHEDULED, State.RESOLVED, State.CANCELED, State.NESTED_FAILED},
    State.SCHEDULED: set(State) - {State.CREATED, State.NESTED_FAILED},
    State.RAN: {State.RESOLVED, State.FAILED, State.NESTED_FAILED, State.CANCELED},
    State.RETRYING: {State.SCHEDULED, State.CANCELED},
}


class Recorder:
    """A listener that keeps what it hears, and hears only what may follow."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}
        self.states: dict[str, State] = {}
        self.lines: list[str] = []

    def __call__(self, change: StateChanged) -> None:
        step = change.step
        before = self.states.get(step.id)
        assert change.state in _LEGAL[before], (before, change)
        assert (step.state, step.reason) == (change.state, change.reason)
        self.steps[step.id] = step
        self.states[step.id] = change.state
        self.lines.append(f"{step.name} {change.state.value} {change.reason}".strip())

    def of(self, name: str) -> list[str]:
        """The states of the steps of a name, in order, with reasons."""
        return [line.removeprefix(f"{name} ") for line in self.lines if line.startswith(f"{name} ")]

    def final(self) -> dict[str, str]:
        """The last state of each step, by name."""
        return {step.name: self.states[step.id].value for step in self.steps.values()}

    def count(self) -> Counter[State]:
        return Counter(self.states.values())


class ByHand:
    """Steps begin and end when a test says so: it gives the events, or they run when asked for."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.events: deque[Event] = deque()
        self.outcomes = deque(outcomes)
        self.started: list[tuple[Step, Mapping[str, Any]]] = []
        self.canceled: list[Step] = []
        self.waits: list[float] = []
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def start(self, step: Step, arguments: Mapping[str, Any]) -> None:
        self.started.append((step, arguments))
        self.events.append(Started(step.id, "a test"))
        outcome = self.outcomes.popleft() if self.outcomes else call(step.function, arguments)
        self.events.append(Ended(step.id, outcome))

    def next(self, timeout: float | None) -> Event | None:
        if self.events:
            return self.events.popleft()
        assert timeout is not None
        self.waits.append(timeout)
        self.now += timeout
        return None

    def gather(self, step: Step, value: Any) -> Returned | Failed:
        return cast_result(step.function, value)

    def cancel(self, steps: Sequence[Step]) -> None:
        self.canceled += steps


class Threads:
    """Steps run in threads, inline ones in one of their own; it sees to what must never happen."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.most = 0
        self.inline = 0
        self.failed = False
        self.canceled: set[str] = set()
        self._running = 0
        self._lock = threading.Lock()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(8)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def start(self, step: Step, arguments: Mapping[str, Any]) -> None:
        assert not self.failed, f"{step} was started after a failure"
        with self._lock:
            if step.inline:
                self.inline += 1
                assert self.inline == 1, "two inline steps at a time"
            else:
                self._running += 1
                self.most = max(self.most, self._running)
                assert self.limit is None or self._running <= self.limit
        self._pool.submit(self._run, step, arguments)

    def next(self, timeout: float | None) -> Event | None:
        try:
            event = self._events.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(event, Ended) and isinstance(event.outcome, Failed):
            self.failed = True
        return event

    def gather(self, step: Step, value: Any) -> Returned | Failed:
        outcome = cast_result(step.function, value)
        self.failed = self.failed or isinstance(outcome, Failed)
        return outcome

    def cancel(self, steps: Sequence[Step]) -> None:
        self.canceled |= {step.id for step in steps}

    def _run(self, step: Step, arguments: Mapping[str, Any]) -> None:
        self._events.put(Started(step.id, threading.current_thread().name))
        try:
            outcome = call(step.function, arguments)
        except BaseException as error:
            outcome = Failed(Failure.of(error))
        with self._lock:
            if step.inline:
                self.inline -= 1
            else:
                self._running -= 1
        self._events.put(Ended(step.id, outcome))
