"""What the scheduling loop costs: CPU time per step, with an executor that runs nothing.

python -m benchmarks.loop [STEPS]
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import sematic
from sematic.resolvers.executor import Ended, Event, Started
from sematic.resolvers.loop import Loop
from sematic.resolvers.step import Expanded, Failed, Returned, Step


@sematic.func(inline=False)
def work(number: int) -> int:
    return number


@sematic.func(inline=False)
def join(numbers: list[int]) -> int:
    return len(numbers)


@sematic.func
def wide(count: int) -> int:
    """All at once, then one that takes them all."""
    return join([work(number) for number in range(count)])


@sematic.func
def chain(count: int) -> int:
    """One after another."""
    future: Any = 0
    for _ in range(count):
        future = work(future)
    return future  # type: ignore[no-any-return]


@sematic.func
def nested(count: int) -> int:
    """Each expands to the next."""
    return nested(count - 1) if count else 0


class Nowhere:
    """Work is done at once and gives 1; what expands does so."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()

    def start(self, step: Step, arguments: Mapping[str, Any]) -> None:
        self._events.append(Started(step.id, "nowhere"))
        function = step.function
        expands = function not in (work, join)
        value = Expanded(function.run(arguments)) if expands else Returned(1)
        self._events.append(Ended(step.id, value))

    def next(self, timeout: float | None) -> Event | None:
        return self._events.popleft()

    def gather(self, step: Step, value: Any) -> Returned | Failed:
        return Returned(value)

    def cancel(self, steps: Sequence[Step]) -> None:
        pass


def main(count: int) -> None:
    for shape in (wide, chain, nested):
        Loop(shape(100), Nowhere(), max_parallelism=200).run()
        loop = Loop(shape(count), Nowhere(), max_parallelism=200)
        began = time.process_time()
        loop.run()
        seconds = time.process_time() - began
        tracemalloc.start()
        Loop(shape(count), Nowhere(), max_parallelism=200).run()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(
            f"{shape.__name__:<7} {count} steps: {1e6 * seconds / count:.0f} us of CPU and "
            f"{peak / count:.0f} bytes at most, per step"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
