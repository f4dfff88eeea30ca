"""The processes of a run, wherever they come from: known by a variable of their environment.

Nothing is written down that could be wrong later, as a process id that another process has by now.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

_SECONDS = 5.0
_CLOCK_SECONDS = 60.0  # that a clock may be put back by
_PIDFD_SEND_SIGNAL, _PIDFD_OPEN = 424, 434


def end_processes(variable: str, value: str) -> None:
    """Kill all processes that were started with a variable, but for this one. Returns when they
    are gone.

    Whoever starts another meanwhile is killed as well, and so is what was started.
    """
    mark = f"{variable}={value}".encode()
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        found = list(_marked(mark))
        if not found:
            return
        try:
            for process in found:
                with suppress(OSError):
                    _kill(process)
            for process in found:
                wait_for_end(process, deadline - time.monotonic())
        finally:
            for process in found:
                os.close(process)


def open_process(id: int) -> int:
    """A descriptor of a process (pidfd_open(2)): what it stands for cannot change.

    :raises ProcessLookupError: there is none.
    """
    if hasattr(os, "pidfd_open"):
        return os.pidfd_open(id)
    return _call(_PIDFD_OPEN, id, 0)


def _kill(process: int) -> None:
    if hasattr(signal, "pidfd_send_signal"):
        signal.pidfd_send_signal(process, signal.SIGKILL)
    else:
        _call(_PIDFD_SEND_SIGNAL, process, signal.SIGKILL, None, 0)


def _call(number: int, *arguments: int | None) -> int:
    """A system call that an interpreter does not know which was built for older kernels."""
    import ctypes

    result = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return int(result)


def wait_for_end(process: int, seconds: float | None = None) -> None:
    """Wait for the end of a process, by its descriptor."""
    poll = select.poll()
    poll.register(process, select.POLLIN)
    poll.poll(None if seconds is None else max(0.0, seconds) * 1000)


def has_process(variable: str, value: str, argument: str) -> bool:
    """Whether a process that was started with a variable and with an argument is there."""
    mark = f"{variable}={value}".encode()
    return any(
        _has(name, mark) and argument.encode() in _bytes(name, "cmdline").split(b"\0")
        for name in os.listdir("/proc")
        if name.isdigit()
    )


def is_older(process: int, moment: float) -> bool:
    """Whether a process is there since before a moment (seconds since 1970).

    One that has the same id by chance is not, unless it began within a minute of it.
    """
    state, *fields = _bytes(str(process), "stat").rpartition(b")")[2].split() or [b"Z"]
    if state == b"Z":
        return False
    seconds = int(fields[18]) / os.sysconf("SC_CLK_TCK")  # proc_pid_stat(5), "starttime"
    started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
    return started < moment + _CLOCK_SECONDS


def _marked(mark: bytes) -> Iterator[int]:
    """Descriptors of the processes that have a variable."""
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid() or not _has(name, mark):
            continue
        with suppress(OSError):
            process = open_process(int(name))
            if _has(name, mark):  # still, now that the id cannot become another's
                yield process
            else:
                os.close(process)


def _has(name: str, mark: bytes) -> bool:
    return mark in _bytes(name, "environ").split(b"\0")


def _bytes(name: str, part: str) -> bytes:
    """A file of a process, empty if it is gone or another user's."""
    with suppress(OSError), open(f"/proc/{name}/{part}", "rb") as file:
        return file.read()
    return b""
