"""An interpreter that has imported ``sematic.oci`` and pushes when it is told.

    python -m benchmarks.warm

reads what to push as lines of JSON and answers with what each took.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks.measure import Usage
from sematic.oci import Cache, push, read_settings


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(asdict(_push(**json.loads(line)))), flush=True)


def _push(*, project: str, python: str, base: str, repository: str, cache: str) -> Usage:
    os.environ["SEMATIC_CACHE_DIR"] = cache

    def work() -> None:
        settings = read_settings(Path(project), python=python, base=base, repository=repository)
        push(project, settings, cache=Cache())

    return measured(work)


def measured(work: Callable[[], object]) -> Usage:
    """What work takes in this process."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory begins anew
    began, cpu = time.perf_counter(), _cpu()
    work()
    return Usage(time.perf_counter() - began, _cpu() - cpu, _peak())


def _cpu() -> float:
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
