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
from collections.abc import Callable
from contextlib import ExitStack
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
from benchmarks.measure import Meter, run_timed
from benchmarks.peers import PEERS
from benchmarks.peers.peer import Session, Setting, Step
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
        run_timed(
            (
                *("skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false"),
                *(f"oci:{base_folder()}:worker", f"docker://{base}"),
            )
        )
        with ExitStack() as stack:
            sessions: dict[str, Session] = {}
            for number, peer in enumerate(PEERS):
                scratch = folder / f"scratch-{number}"
                scratch.mkdir()
                setting = Setting(project, environment, base, scratch)
                sessions[peer.name] = stack.enter_context(peer.open(setting))
            scenarios: dict[tuple[str, Step], Callable[[int], None]] = {
                ("cold", "cold"): lambda number: None,
                ("no change", "again"): lambda number: None,
                ("one file edited", "again"): lambda number: edit(project, number),
            }
            if not options.python:
                upgraded: tuple[str, Step] = ("one distribution upgraded", "upgraded")
                scenarios[upgraded] = lambda n: upgrade(environment, n)
            for (scenario, step), change in scenarios.items():
                print(scenario)
                _measure(step, change, sessions, to, options.rounds)


def _measure(
    step: Step,
    change: Callable[[int], None],
    sessions: dict[str, Session],
    to: Registry,
    rounds: int,
) -> None:
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for number in range(1, rounds + 1):
        change(number)
        for index, (name, session) in enumerate(sessions.items()):
            if step == "cold":
                session.forget()
            meter = Meter()
            last = number if step == "cold" else rounds
            session.push(meter, f"{to.host}/bench/{index}-{last}", step)
            times[name].append(meter.usage.wall)
    for name, seconds in times.items():
        print(f"  {name:24} {statistics.median(seconds):7.2f} s")


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
