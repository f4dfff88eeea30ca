"""What looking at a source tree takes: ``find_tree``, and ``find -printf`` beside it.

    python -m benchmarks.scan PROJECT CACHE

is one look in a process of its own, which says what it took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.measure import Usage, command_environment, run_timed
from benchmarks.results import Sample, now
from benchmarks.warm import measured
from benchmarks.workloads import Workload

SCENARIO = "scan"
_CHECKOUT = Path(__file__).parents[1]


def measure(workload: Workload, scratch: Path, rounds: int) -> Iterator[Sample]:
    """The project of a workload, with and without anything remembered of it."""
    run = now()
    for number in range(1, rounds + 1):
        cache = scratch / f"scan-{number}"
        taken = {
            "find_tree, first": _look(workload.project, cache),
            "find_tree, again": _look(workload.project, cache),
            "find -printf": run_timed(("find", workload.project, "-printf", r"%p %s %T@ %C@ %i\n")),
        }
        for name, usage in taken.items():
            load = os.getloadavg()[0]
            where = (run, workload.recipe.name, SCENARIO, name, number)
            yield Sample(*where, **asdict(usage), load=load)


def _look(project: Path, cache: Path) -> Usage:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scan", project, cache],
        cwd=_CHECKOUT,
        env=command_environment(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return Usage(**json.loads(done.stdout))


def main(project: str, cache: str) -> None:
    os.environ["SEMATIC_CACHE_DIR"] = cache
    from sematic.oci.cache import Cache
    from sematic.oci.tree.walk import find_tree

    memo = Cache()
    print(json.dumps(asdict(measured(lambda: find_tree(project, memo=memo)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
