"""What is due for which step, and when."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from sematic.resolvers.step import Step


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often a step is tried again when its place failed it.

    :param times: 0 for never.
    :param first: seconds until the first time; they double with each.
    """

    times: int = 3
    first: float = 1.0

    def delay(self, before: int) -> float | None:
        """The seconds to wait after so many setbacks before this one; None to give up."""
        return self.first * 2**before if before < self.times else None


PATIENT = Backoff()


class Timers:
    """Ids of steps, by when something is due for them."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str]] = []
        self._count = itertools.count()

    @property
    def first(self) -> float:
        """When the next is due; infinite if none is."""
        return self._heap[0][0] if self._heap else math.inf

    def add(self, when: float, step: Step) -> None:
        heapq.heappush(self._heap, (when, next(self._count), step.id))

    def due(self, now: float) -> Iterator[str]:
        """Those that are due, which are taken out."""
        while self._heap and self._heap[0][0] <= now:
            yield heapq.heappop(self._heap)[2]
