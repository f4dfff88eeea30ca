"""Steps run in this process and this thread, in the order in which they are started."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from sematic.resolvers.call import call, cast_result
from sematic.resolvers.executor import Ended, Event, Started
from sematic.resolvers.step import Failed, Returned, Step


class InProcess:
    """The executor whose handles are the values themselves. A func runs within :meth:`next`."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Step, Mapping[str, Any]]] = deque()
        self._told: str | None = None

    def start(self, step: Step, arguments: Mapping[str, Any]) -> None:
        self._waiting.append((step, arguments))

    def next(self, timeout: float | None) -> Event | None:
        if not self._waiting:
            time.sleep(timeout or 0.0)  # until a retry is due: nobody else starts anything
            return None
        step, arguments = self._waiting[0]
        if self._told != step.id:
            self._told = step.id
            return Started(step.id)
        self._waiting.popleft()
        self._told = None
        return Ended(step.id, call(step.function, arguments))

    def gather(self, step: Step, value: Any) -> Returned | Failed:
        return cast_result(step.function, value)

    def cancel(self, steps: Sequence[Step]) -> None:
        canceled = {step.id for step in steps}
        self._waiting = deque(pair for pair in self._waiting if pair[0].id not in canceled)
