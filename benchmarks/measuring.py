"""All that was asked for, measured: workload by workload, scenario by scenario."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

from benchmarks import first_import, launches, pulls, scan
from benchmarks.options import Options
from benchmarks.peers import PEERS, PULLERS
from benchmarks.peers.peer import Peer, Puller, Tool
from benchmarks.peers.sematic_command import CommandSession
from benchmarks.pushes import Bench, bench
from benchmarks.results import OURS, Results, Sample, machine
from benchmarks.scenarios import SCENARIOS, UNCHANGED, Scenario
from benchmarks.schedule import Turnout, turnout
from benchmarks.table import bytes_text
from benchmarks.workloads import Workload, make, workloads_folder
from benchmarks.workloads.recipe import recipe


@dataclass
class Stand:
    """Where a workload is measured; what that needs is there once it is asked for.

    :param cache: where workloads are kept.
    :param stack: ends what was begun.
    """

    name: str
    peers: Sequence[Peer]
    scratch: Path
    cache: Path
    failed: dict[str, str]
    stack: ExitStack

    @cached_property
    def workload(self) -> Workload:
        return make(recipe(self.name), self.cache)

    @cached_property
    def bench(self) -> Bench:
        made = self.stack.enter_context(bench(self.workload, self.peers, self.scratch))
        made.failed = self.failed
        return made

    def imported(self) -> list[str]:
        """The packages that our command imports when nothing has changed."""
        ours = next(each for each in self.bench.pushers if each.peer.name == OURS)
        assert isinstance(ours.session, CommandSession)
        modules = ours.session.imports(ours.repository)
        return sorted({each.module.partition(".")[0] for each in modules})


@dataclass(frozen=True)
class Experiment:
    """Scenarios of a workload that are measured together, and who takes part in each."""

    workload: str
    turnouts: Mapping[str, Turnout]
    measure: Callable[[Stand], Iterable[Sample]]

    @property
    def seconds(self) -> float:
        return sum(each.seconds for each in self.turnouts.values())

    def __str__(self) -> str:
        return f"{self.workload}: {', '.join(self.turnouts)}"


@dataclass
class Forecast:
    """When the end is to be expected, by what the schedule says and how well it has kept so far."""

    left: float
    done: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def text(self) -> str:
        passed = time.monotonic() - self.began
        pace = passed / self.done if self.done else 1.0
        return f"{passed / 60:.0f} min so far, about {self.left * pace / 60:.0f} to go"

    def take(self, seconds: float) -> None:
        """So much of what was foreseen is over."""
        self.done += seconds
        self.left -= seconds


def measured(options: Options) -> Iterator[Results]:
    """The results of one experiment after the other."""
    cache = options.cache or workloads_folder()
    cache.mkdir(parents=True, exist_ok=True)
    about = _about()
    for name, why in about.absent.items():
        print(f"absent: {name}: {why}", flush=True)
    plans = {name: list(_experiments(name, options)) for name in options.workloads}
    forecast = Forecast(sum(each.seconds for each in chain.from_iterable(plans.values())))
    for name, experiments in plans.items():
        with ExitStack() as stack:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="run-", dir=cache))
            peers = _present(experiments)
            stand = Stand(name, peers, Path(scratch), cache, about.failed, stack)
            if experiments and name != launches.WORKLOAD:
                about.workloads = {name: stand.workload.facts()}
            for each in experiments:
                print(f"[{forecast.text()}] {each}", flush=True)
                samples = told(each.measure(stand))
                forecast.take(each.seconds)
                if UNCHANGED in each.turnouts:
                    about.imported = {f"{name}: {UNCHANGED}": stand.imported()}
                yield about.merged(Results(samples=samples))


def _about() -> Results:
    everything: tuple[Tool, ...] = (*PEERS, *PULLERS)
    absent = {each.name: why for each in everything if (why := each.absent())}
    return Results(
        machine=machine(),
        versions={each.name: each.version() for each in everything if each.name not in absent},
        absent={**absent, **launches.absent()},
    )


def _present(experiments: Iterable[Experiment]) -> list[Peer]:
    """Who takes part in any, and is not absent."""
    turnouts = [each for experiment in experiments for each in experiment.turnouts.values()]
    anybody = any(not each.peers for each in turnouts)
    names = {OURS}.union(*(each.peers for each in turnouts))
    return [peer for peer in PEERS if (anybody or peer.name in names) and not peer.absent()]


def _experiments(name: str, options: Options) -> Iterator[Experiment]:
    """What leaves peers with nothing in the registry comes last."""
    turnouts = {
        scenario: turnout(name, scenario, options.peers, options.rounds)
        for scenario in options.of_workload(name)
    }
    if found := turnouts.get(launches.SCENARIO):
        yield Experiment(name, {launches.SCENARIO: found}, _launches(found.rounds))
    if found := turnouts.get(scan.SCENARIO):
        yield Experiment(name, {scan.SCENARIO: found}, _scans(found.rounds))
    yield from _pushes(name, turnouts, new_registry=False)
    for puller in PULLERS:
        names = {change: pulls.scenario(puller, change) for change in pulls.TURNS}
        asked = {change: turnouts[each] for change, each in names.items() if each in turnouts}
        if asked and not puller.absent():
            yield Experiment(
                name, {names[change]: asked[change] for change in asked}, _pulls(puller, asked)
            )
    if found := turnouts.get(first_import.SCENARIO):
        yield Experiment(name, {first_import.SCENARIO: found}, _imports(found))
    yield from _pushes(name, turnouts, new_registry=True)


def _pushes(
    name: str, turnouts: Mapping[str, Turnout], *, new_registry: bool
) -> Iterator[Experiment]:
    for scenario in SCENARIOS:
        found = turnouts.get(scenario.name)
        if found and scenario.new_registry == new_registry:
            yield Experiment(name, {scenario.name: found}, _push(scenario, found))


def _launches(rounds: int) -> Callable[[Stand], Iterable[Sample]]:
    return lambda stand: launches.measure(stand.scratch, rounds)


def _scans(rounds: int) -> Callable[[Stand], Iterable[Sample]]:
    return lambda stand: scan.measure(stand.workload, stand.scratch, rounds)


def _push(scenario: Scenario, found: Turnout) -> Callable[[Stand], Iterable[Sample]]:
    return lambda stand: stand.bench.measure(scenario, found)


def _pulls(puller: Puller, asked: Mapping[str, Turnout]) -> Callable[[Stand], Iterable[Sample]]:
    return lambda stand: pulls.measure(stand.bench, puller, asked)


def _imports(found: Turnout) -> Callable[[Stand], Iterable[Sample]]:
    return lambda stand: first_import.measure(stand.bench, found)


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
