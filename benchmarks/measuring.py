"""All that was asked for, measured: workload by workload, scenario by scenario."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from benchmarks import first_import, launches, pulls, scan
from benchmarks.options import Options
from benchmarks.peers import PEERS, PULLERS
from benchmarks.peers.peer import Peer, Tool
from benchmarks.pushes import Bench, bench
from benchmarks.results import Results, Sample, machine
from benchmarks.scenarios import SCENARIOS
from benchmarks.table import bytes_text
from benchmarks.workloads import Workload, cache_folder, make
from benchmarks.workloads.recipe import recipe

Experiment = Callable[[Bench], Iterable[Sample]]
_ROUNDS, _LONG_ROUNDS = 5, 3


def measured(options: Options) -> Iterator[Results]:
    """The results of one scenario after the other."""
    cache = options.cache or cache_folder()
    present = [peer for peer in PEERS if peer.name in options.peers and not peer.absent()]
    about = _about(present)
    for name, why in about.absent.items():
        print(f"absent: {name}: {why}", flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    if launches.SCENARIO in options.scenarios:
        with tempfile.TemporaryDirectory(prefix="run-", dir=cache) as scratch:
            launched = launches.measure(Path(scratch), options.rounds or _ROUNDS)
            yield about.merged(Results(samples=told(launched)))
    for name in options.workloads:
        workload = make(recipe(name, with_torch=options.with_torch), cache)
        about.workloads = {workload.recipe.name: workload.facts()}
        with tempfile.TemporaryDirectory(prefix="run-", dir=cache) as folder:
            for samples in _of_workload(workload, present, Path(folder), options, about):
                yield about.merged(Results(samples=told(samples)))


def _about(present: Iterable[Peer]) -> Results:
    tools: list[Tool] = [*present, *(puller for puller in PULLERS if not puller.absent())]
    everything: tuple[Tool, ...] = (*PEERS, *PULLERS)
    absent = {each.name: why for each in everything if (why := each.absent())}
    return Results(
        machine=machine(),
        versions={each.name: each.version() for each in tools},
        absent={**absent, **launches.absent()},
        uncounted={each.name: each.uncounted for each in tools if each.uncounted},
    )


def _of_workload(
    workload: Workload, peers: list[Peer], scratch: Path, options: Options, about: Results
) -> Iterator[Iterable[Sample]]:
    """The samples of each scenario in turn."""
    if scan.SCENARIO in options.scenarios:
        yield scan.measure(workload, scratch, options.rounds or _ROUNDS)
    experiments = list(_experiments(options))
    if workload.recipe.scan_only or not experiments:
        return
    with bench(workload, peers, scratch) as made:
        for experiment in experiments:
            yield experiment(made)
            about.absent |= made.failed


def _experiments(options: Options) -> Iterator[Experiment]:
    for scenario in SCENARIOS:
        if scenario.name in options.scenarios:
            rounds = options.rounds or (_LONG_ROUNDS if scenario.is_long else _ROUNDS)
            yield partial(Bench.measure, scenario=scenario, rounds=rounds)
    rounds = options.rounds or _ROUNDS
    for puller in PULLERS:
        names = {change: pulls.scenario(puller, change) for change in pulls.TURNS}
        changes = [change for change, name in names.items() if name in options.scenarios]
        if changes and not puller.absent():
            yield partial(pulls.measure, puller=puller, changes=changes, rounds=rounds)
    if first_import.SCENARIO in options.scenarios:
        yield partial(first_import.measure, rounds=rounds)


def told(samples: Iterable[Sample]) -> list[Sample]:
    """The samples, of each of which a line is printed when it is there."""
    found = []
    for sample in samples:
        print(
            f"{sample.workload}: {sample.scenario} {sample.round}: {sample.peer}: "
            f"{sample.wall:.2f} s, {sample.cpu:.2f} s of CPU, {bytes_text(sample.rss)}, "
            f"{bytes_text(sample.sent)} in {sample.requests} requests, "
            f"{sample.layers} new layers",
            flush=True,
        )
        found.append(sample)
    return found
