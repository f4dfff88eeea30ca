"""All that was asked for, measured: workload by workload, scenario by scenario."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks import first_import, launches, pulls, scan
from benchmarks.options import Options
from benchmarks.peers import PEERS, PULLERS
from benchmarks.peers.peer import Peer, Tool
from benchmarks.pushes import Bench, bench
from benchmarks.results import Results, Sample, machine
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.table import bytes_text
from benchmarks.workloads import Workload, make, workloads_folder
from benchmarks.workloads.recipe import recipe

Experiment = Callable[[Bench], Iterable[Sample]]
_ROUNDS, _LONG_ROUNDS = 5, 3


def measured(options: Options) -> Iterator[Results]:
    """The results of one scenario after the other."""
    cache = options.cache or workloads_folder()
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
    )


def _of_workload(
    workload: Workload, peers: list[Peer], scratch: Path, options: Options, about: Results
) -> Iterator[Iterable[Sample]]:
    """The samples of each scenario in turn."""
    recipe = workload.recipe
    asked = options.scenarios if options.has_scenarios else recipe.scenarios or options.scenarios
    if scan.SCENARIO in asked:
        yield scan.measure(workload, scratch, options.rounds or _ROUNDS)
    experiments = list(_experiments(asked, options.rounds))
    if recipe.scan_only or not experiments:
        return
    with bench(workload, peers, scratch) as made:
        made.failed = about.failed
        for experiment in experiments:
            yield experiment(made)


def _experiments(asked: Sequence[str], rounds: int | None) -> Iterator[Experiment]:
    """What leaves peers with nothing in the registry comes last."""
    pushes = [scenario for scenario in SCENARIOS if scenario.name in asked]
    for scenario in pushes:
        if not scenario.new_registry:
            yield _pushes(scenario, rounds)
    for puller in PULLERS:
        changes = [change for change in pulls.TURNS if pulls.scenario(puller, change) in asked]
        if changes and not puller.absent():
            yield partial(pulls.measure, puller=puller, changes=changes, rounds=rounds or _ROUNDS)
    if first_import.SCENARIO in asked:
        yield partial(first_import.measure, rounds=rounds or _ROUNDS)
    for scenario in pushes:
        if scenario.new_registry:
            yield _pushes(scenario, rounds)


def _pushes(scenario: Scenario, rounds: int | None) -> Experiment:
    usual = _LONG_ROUNDS if scenario.is_long else _ROUNDS
    return partial(Bench.measure, scenario=scenario, rounds=rounds or usual)


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
