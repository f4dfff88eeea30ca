"""Measure pushes to a registry on loopback: sematic-oci and a peer in turn, as ratios.

    python -m benchmarks                 a project of 300 files, an environment of about 1.2 GB
    python -m benchmarks --small         the same with an environment of about 100 MB, one round
    python -m benchmarks --python VENV   with an environment that is there already (not changed,
                                         so without the upgrade)
    python -m benchmarks runs            what driving a run costs instead

Each figure is the wall time of whole commands, the median of the rounds; bytes are the most that
came new into the registry's storage in a round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import runs
from benchmarks.material import (
    LARGE_ENVIRONMENT,
    SMALL_ENVIRONMENT,
    edit,
    make_environment,
    make_project,
    upgrade,
)
from benchmarks.peers import CraneAppend, Pusher, Sematic, run
from tests.peers.install import base_folder
from tests.peers.registry import Registry, registry

FILES = 300


def main() -> None:
    options = _options()
    if options.what == "runs":
        runs.main()
        return
    with tempfile.TemporaryDirectory(prefix="sematic-") as name, registry(Path(name, "r")) as to:
        folder = Path(name)
        project = make_project(folder / "project", FILES)
        if options.python:
            environment = options.python
        else:
            wanted = SMALL_ENVIRONMENT if options.small else LARGE_ENVIRONMENT
            environment = make_environment(folder / "environment", wanted)
        base = f"{to.host}/base/worker:latest"
        run(
            *("skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false"),
            *(f"oci:{base_folder()}:worker", f"docker://{base}"),
        )
        pushers: list[Pusher] = [
            Sematic(project, environment, base, folder / "caches"),
            CraneAppend(project, environment, base, folder),
        ]
        count = sum(1 for path in environment.rglob("*") if path.is_file())
        print(f"{FILES} source files, {count} files of environment, {options.rounds} rounds\n")
        scenarios: dict[str, Callable[[int], None]] = {
            "cold": lambda number: None,
            "no change": lambda number: None,
            "one file edited": lambda number: edit(project, number),
        }
        if not options.python:
            scenarios["one distribution upgraded"] = lambda n: upgrade(environment, n)
        for scenario, change in scenarios.items():
            _measure(scenario, change, pushers, to, options.rounds)


def _measure(
    scenario: str,
    change: Callable[[int], None],
    pushers: list[Pusher],
    to: Registry,
    rounds: int,
) -> None:
    times: dict[str, list[float]] = {pusher.name: [] for pusher in pushers}
    sent: dict[str, list[int]] = {pusher.name: [] for pusher in pushers}
    cold = scenario == "cold"
    for number in range(1, rounds + 1):
        change(number)
        for index, pusher in enumerate(pushers):
            repository = f"{to.host}/bench/{index}-{number if cold else rounds}"
            before, began = _stored(to), time.perf_counter()
            pusher.push(repository, cold=cold, upgraded="upgraded" in scenario)
            times[pusher.name].append(time.perf_counter() - began)
            sent[pusher.name].append(_stored(to) - before)
    print(scenario)
    own = times[pushers[0].name]
    for pusher in pushers:
        ratios = [a / b for a, b in zip(own, times[pusher.name], strict=True)]
        print(
            f"  {pusher.name:20} {statistics.median(times[pusher.name]):7.2f} s"
            f"  {max(sent[pusher.name]) / 1000:10.1f} kB"
            f"  sematic-oci takes {statistics.median(ratios):5.2f} of its time"
        )


def _stored(to: Registry) -> int:
    """Bytes in the registry's storage."""
    blobs = to.root.glob("data/docker/registry/v2/blobs/*/*/*/data")
    return sum(path.stat().st_size for path in blobs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["push", "runs"], default="push")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--python", type=Path, metavar="VENV")
    parser.add_argument("--rounds", type=int)
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.small else 5)
    return options


main()
