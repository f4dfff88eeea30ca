"""The short form: the small workload once, and a failure where a bound is broken."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bounds import BOUNDS, FORBIDDEN, Bound
from benchmarks.measuring import told
from benchmarks.peers.crane import Crane
from benchmarks.peers.peer import Peer
from benchmarks.peers.sematic_command import CommandSession, SematicCommand
from benchmarks.pushes import Bench, Pusher, bench
from benchmarks.results import OURS, Sample
from benchmarks.scenarios import SCENARIOS
from benchmarks.schedule import Turnout
from benchmarks.workloads import make
from benchmarks.workloads.recipe import recipe


def quick(cache: Path | None) -> int:
    """The exit code: 1 where a bound is broken. Seconds are shown, and break none."""
    workload = make(recipe("small"), cache)
    peers: list[Peer] = [SematicCommand(), Crane()]
    with (
        tempfile.TemporaryDirectory(prefix="sematic-") as scratch,
        bench(workload, peers, Path(scratch)) as made,
    ):
        broken = list(_broken(made))
    for each in broken:
        print(f"broken: {each} (benchmarks/bounds.py)")
    return 1 if broken else 0


def _broken(made: Bench) -> Iterator[str]:
    for scenario in SCENARIOS:
        if not (bound := BOUNDS.get(scenario.name)):
            continue
        for sample in told(made.measure(scenario, Turnout(1))):
            if sample.peer == OURS:
                yield from excess(sample, bound)
        if bound.modules:
            scenario.turns[0].change(made.tree, 0)
            names = _imported(made.pushers[0])
            yield from excess_modules(scenario.name, names, bound)


def excess(sample: Sample, bound: Bound) -> Iterator[str]:
    """What a push took too much of."""
    measured = {
        "bytes sent": (sample.sent, bound.sent),
        "requests": (sample.requests, bound.requests),
        "new layers": (sample.layers, bound.layers),
        "bytes of memory": (sample.rss, bound.memory),
    }
    for name, (value, most) in measured.items():
        if value > most:
            yield f"{sample.scenario}: {value} {name}, at most {most}"


def excess_modules(scenario: str, names: set[str], bound: Bound) -> Iterator[str]:
    if found := sorted({name.partition(".")[0] for name in names}.intersection(FORBIDDEN)):
        yield f"{scenario}: {', '.join(found)} imported"
    if len(names) > bound.modules:
        yield f"{scenario}: {len(names)} modules imported, at most {bound.modules}"


def _imported(pusher: Pusher) -> set[str]:
    """The modules of one more push."""
    assert isinstance(pusher.session, CommandSession)
    names = {each.module for each in pusher.session.imports(pusher.repository)}
    print(f"  {len(names)} modules imported", flush=True)
    return names
