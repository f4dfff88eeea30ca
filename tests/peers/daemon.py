"""A daemon for a while, of which nothing is left: no process, no mount, and no file elsewhere."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 60
# Where daemons write under fixed names is memory of their own.
_BEFORE = 'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /opt && exec "$@"'


class DaemonError(Exception):
    """A daemon did not start; the message holds the end of its log."""


@dataclass(frozen=True)
class Daemon:
    """A running daemon. `process` is that which holds it and all that it starts."""

    process: subprocess.Popen[bytes]

    def processes(self) -> list[int]:
        """The ids of its processes: the daemon's own, and those that it has started."""
        return _descendants(self.process.pid)


@contextmanager
def daemon(
    command: Sequence[str | Path], *, socket: Path, log: Path, env: Mapping[str, str]
) -> Iterator[Daemon]:
    """A command from when its socket is there until the end, in namespaces of its own.

    It dies with the thread that started it, even if that is killed.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "--"),
                *("unshare", "--fork", "--kill-child", "--pid", "--mount-proc"),
                *("--mount", "--propagation", "private", "--", "sh", "-c", _BEFORE, "sh", *command),
            ],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        _wait(process, socket, log)
        yield Daemon(process)
    finally:
        process.kill()
        process.wait(_SECONDS)


def _wait(process: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise DaemonError(f"{socket} is not there:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in os.scandir(f"/proc/{pid}/task"):
        for child in Path(task.path, "children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found
