"""Where a push spends its time, by looking every few milliseconds.

    python -m benchmarks.sampler FD ARGUMENTS ...

is ``sematic-oci ARGUMENTS`` in a process that looks at all of its threads. Writes JSON to the file
descriptor: for every stack that was seen, how long, in which thread.
"""

from __future__ import annotations

import json
import linecache
import os
import sys
import threading
import time
from collections import defaultdict
from types import FrameType

_INTERVAL = 0.002


class Sampler:
    """Looks until it is stopped; a stack is ``file:function:line``s, the innermost first."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[bool, tuple[str, ...]], float] = defaultdict(float)
        self._stopped = threading.Event()
        self._main = threading.main_thread().ident
        self._thread = threading.Thread(target=self._look, daemon=True)

    def start(self) -> None:
        sys.setswitchinterval(_INTERVAL / 4)  # who looks waits no longer for who works
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        last = time.perf_counter()
        while not self._stopped.wait(_INTERVAL):
            now = time.perf_counter()
            for thread, frame in sys._current_frames().items():
                if thread != self._thread.ident:
                    self.seconds[thread == self._main, _stack(frame)] += now - last
            last = now


def _stack(frame: FrameType | None) -> tuple[str, ...]:
    found = []
    while frame:
        code = frame.f_code
        found.append(f"{code.co_filename}:{code.co_name}:{frame.f_lineno or 0}")
        frame = frame.f_back
    return tuple(found)


def main() -> int:
    out, arguments = int(sys.argv[1]), sys.argv[2:]
    sampler = Sampler()
    sampler.start()
    began = time.perf_counter()
    from sematic.oci import cli

    code = cli.main(arguments)
    seconds = time.perf_counter() - began
    sampler.stop()
    stacks = [
        {"main": main, "seconds": seconds, "stack": [_with_text(place) for place in stack]}
        for (main, stack), seconds in sampler.seconds.items()
    ]
    with open(out, "w") as file:
        json.dump({"seconds": seconds, "stacks": stacks}, file)
    return code


def _with_text(place: str) -> list[str]:
    """File, function, line number, and what is written there."""
    file, function, line = place.rsplit(":", 2)
    return [file, function, line, linecache.getline(file, int(line)).strip()]


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # as the command does where threads are left
