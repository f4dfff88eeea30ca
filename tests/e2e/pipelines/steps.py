"""Funcs of every kind, well-behaved and not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import sematic
from sematic import RetrySettings


class Odd(Exception):
    """Raised by a step."""


@sematic.func(inline=False)
def add(a: int, b: int) -> int:
    print(f"{a} and {b} in process {os.getpid()}")
    return a + b


@sematic.func
def add_here(a: int, b: int) -> int:
    return a + b


@sematic.func(inline=False)
def total(numbers: list[int], more: dict[str, int]) -> int:
    return sum(numbers) + sum(more.values())


@sematic.func(inline=False)
def pair(number: int) -> tuple[int, str]:
    return number, "x" * number


@sematic.func(inline=False)
def nested(number: int) -> int:
    """Expands in a pod, to steps here and in pods."""
    first = pair(number)
    return total([add(first[0], 1), add_here(number, 2), 3], {"four": add(1, 3)})


@sematic.func(inline=False)
def about_itself(text: str) -> dict[str, str]:
    return {
        "text": text,
        "folder": os.getcwd(),
        "home": str(Path.home()),
        "user": str(os.getuid()),
        "python": sys.executable,
        "prefix": sys.prefix,
        "path": os.pathsep.join(sys.path),
        **{name: os.environ.get(name, "") for name in ("MODE", "PYTHONPATH", "VIRTUAL_ENV")},
    }


# What goes wrong


@sematic.func(inline=False)
def raises(number: int) -> int:
    raise Odd(f"no good: {number}")


@sematic.func(inline=False)
def leaves() -> int:
    sys.exit(0)


@sematic.func(inline=False)
def vanishes() -> int:
    os._exit(0)


@sematic.func(inline=False)
def exits() -> int:
    os._exit(7)


@sematic.func(inline=False)
def crashes() -> int:
    os.kill(os.getpid(), signal.SIGSEGV)
    return 1


@sematic.func(inline=False)
def gives_a_lock() -> Any:
    return threading.Lock()


@sematic.func(inline=False)
def imports(name: str) -> str:
    return str(__import__(name))


@sematic.func(inline=False, timeout_mins=0.01)
def never_ends() -> int:
    time.sleep(600)
    return 1


@sematic.func(inline=False)
def sleeps() -> int:
    time.sleep(600)
    return 1


@sematic.func(inline=False)
def large(size: int) -> bytes:
    return os.urandom(size)


@sematic.func(inline=False)
def greedy(megabytes: int) -> int:
    return len(b"x" * (megabytes << 20))


# What leaves marks in a folder


@sematic.func(inline=False, retry=RetrySettings((Odd,), 2))
def fails_twice(folder: str) -> int:
    mark = Path(folder, f"{time.monotonic_ns()}.attempt")
    mark.touch()
    attempts = len(list(Path(folder).glob("*.attempt")))
    if attempts < 3:
        raise Odd(f"attempt {attempts}")
    return attempts


@sematic.func(inline=False, cache=True)
def remembered(folder: str, number: int) -> int:
    Path(folder, f"{time.monotonic_ns()}.call").touch()
    return number


@sematic.func(inline=False)
def takes_a_while(folder: str, number: int) -> int:
    """How many others ran at the same time, at most."""
    own = Path(folder, f"{number}.running")
    own.touch()
    most = 0
    for _ in range(20):
        most = max(most, len(list(Path(folder).glob("*.running"))))
        time.sleep(0.02)
    own.unlink()
    return most


@sematic.func(inline=False)
def most(numbers: list[int]) -> int:
    return max(numbers)


@sematic.func(inline=False)
def hangs(folder: str) -> int:
    """Runs, and so does a process that it has started, until somebody ends them."""
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    print("hanging")
    Path(folder, "hanging").touch()
    time.sleep(600)
    return 1


@sematic.func
def hangs_within(folder: str) -> int:
    return hangs(folder)


@sematic.func(inline=False)
def waits(folder: str) -> int:
    """Says that it waits, and ends when a file is there."""
    print(f"it is {time.time()}")
    while not Path(folder, "go").exists():
        time.sleep(0.05)
    return 1
