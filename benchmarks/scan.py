"""What looking at a source tree takes: ``find_tree``, a bare loop beside it, and ``find -printf``.

    python -m benchmarks.scan PROJECT [CACHE]

is one look in a process of its own, which says what it took: without a cache, the loop's, which is
the least that Python needs for the files.
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
            "bare loop": _look(workload.project),
            "find -printf": run_timed(("find", workload.project, "-printf", r"%p %s %T@ %C@ %i\n")),
        }
        for name, usage in taken.items():
            load = os.getloadavg()[0]
            where = (run, workload.recipe.name, SCENARIO, name, number)
            yield Sample(*where, **asdict(usage), load=load)


def _look(project: Path, *cache: Path) -> Usage:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scan", project, *cache],
        cwd=_CHECKOUT,
        env=command_environment(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return Usage(**json.loads(done.stdout))


def bare_loop(project: str) -> int:
    """List every folder and look at every file; how many there are."""
    folders, files = [project], 0
    for folder in folders:
        names = []
        with os.scandir(folder) as listing:
            for item in listing:
                if item.is_dir(follow_symlinks=False):
                    folders.append(item.path)
                else:
                    names.append(item.name)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        for name in names:
            os.lstat(name, dir_fd=descriptor)
        os.close(descriptor)
        files += len(names)
    return files


def main(project: str, cache: str = "") -> None:
    if not cache:
        print(json.dumps(asdict(measured(lambda: bare_loop(project)))))
        return
    os.environ["SEMATIC_CACHE_DIR"] = cache
    from sematic.oci.cache import Cache
    from sematic.oci.looking import look_file, looking
    from sematic.oci.tree.walk import find_tree

    memo = Cache()

    def look() -> None:
        with looking(look_file(memo.folder, project, "tree")) as beside:
            find_tree(project, memo=memo, beside=beside)

    print(json.dumps(asdict(measured(look))))


if __name__ == "__main__":
    main(*sys.argv[1:])
