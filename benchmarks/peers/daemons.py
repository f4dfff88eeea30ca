"""What daemons take while a command waits for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.measure import Meter, Usage
from tests.peers.daemon import Daemon

_TICKS = os.sysconf("SC_CLK_TCK")
_GONE = (FileNotFoundError, ProcessLookupError)


@contextmanager
def counted(meter: Meter, daemon: Daemon) -> Iterator[None]:
    """Add the CPU time of all the daemon's processes, and the peak memory of the largest."""
    for pid in daemon.processes():
        with suppress(*_GONE):
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak of memory begins anew
    before = _seconds(daemon)
    yield
    peak = max(_peak(pid) for pid in daemon.processes())
    meter.add(Usage(cpu=_seconds(daemon) - before, rss=peak))


def _seconds(daemon: Daemon) -> float:
    """Of user and system time, those of processes included that have ended (proc(5))."""
    ticks = 0
    for pid in daemon.processes():
        with suppress(*_GONE):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS


def _peak(pid: int) -> int:
    with suppress(*_GONE):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
