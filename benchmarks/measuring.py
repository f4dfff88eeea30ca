"""All that was asked for, measured: workload by workload, scenario by scenario."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.options import Options
from benchmarks.peers import PEERS
from benchmarks.pushes import bench
from benchmarks.results import Results, Sample, machine
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.table import bytes_text, tables
from benchmarks.workloads import cache_folder, make
from benchmarks.workloads.recipe import recipe

_ROUNDS, _LONG_ROUNDS = 5, 3


def measure(options: Options) -> int:
    """The exit code."""
    results = Results()
    if options.output and options.output.exists():
        results = Results.read(options.output)
    for path in options.merge:
        results = results.merged(Results.read(path))
    if options.run:
        for new in _runs(options):
            results = results.merged(new)
            if options.output:
                results.write(options.output)
    print("\n".join(tables(results)))
    return 0


def _runs(options: Options) -> Iterator[Results]:
    """The results of each workload."""
    cache = options.cache or cache_folder()
    present = [peer for peer in PEERS if peer.name in options.peers and not peer.absent()]
    about = Results(
        machine=machine(),
        versions={peer.name: peer.version() for peer in present},
        absent={peer.name: why for peer in PEERS if (why := peer.absent())},
        uncounted={peer.name: peer.uncounted for peer in present if peer.uncounted},
    )
    for peer, why in about.absent.items():
        print(f"absent: {peer}: {why}", flush=True)
    for name in options.workloads:
        workload = make(recipe(name, with_torch=options.with_torch), cache)
        about.workloads = {workload.recipe.name: workload.facts()}
        with (
            tempfile.TemporaryDirectory(prefix="run-", dir=cache) as scratch,
            bench(workload, present, Path(scratch)) as made,
        ):
            for scenario in SCENARIOS:
                if scenario.name not in options.scenarios:
                    continue
                samples = []
                for sample in made.measure(scenario, _rounds(scenario, options)):
                    tell(sample)
                    samples.append(sample)
                about.samples = samples
                yield about


def _rounds(scenario: Scenario, options: Options) -> int:
    return options.rounds or (_LONG_ROUNDS if scenario.is_long else _ROUNDS)


def tell(sample: Sample) -> None:
    """A line while it goes on."""
    print(
        f"{sample.workload}: {sample.scenario} {sample.round}: {sample.peer}: "
        f"{sample.wall:.2f} s, {sample.cpu:.2f} s of CPU, {bytes_text(sample.rss)}, "
        f"{bytes_text(sample.sent)} in {sample.requests} requests, {sample.layers} new layers",
        flush=True,
    )
