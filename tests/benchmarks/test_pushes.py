"""Rounds of pushes to a real registry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.measure import CommandError, Meter
from benchmarks.peers.peer import Peer, Setting, Step
from benchmarks.peers.sematic_command import SematicCommand
from benchmarks.pushes import Bench, bench
from benchmarks.results import OURS
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.schedule import Turnout
from benchmarks.workloads import Workload, make, packed_size
from benchmarks.workloads.environment import site_packages
from benchmarks.workloads.recipe import Recipe


@dataclass(frozen=True)
class Other:
    """A peer that sends nothing, and fails when it is told to."""

    name: str = "other"
    steps: list[Step] = field(default_factory=list)
    fails: list[bool] = field(default_factory=list)

    def absent(self) -> str:
        return ""

    def version(self) -> str:
        return "1"

    @contextmanager
    def open(self, setting: Setting) -> Iterator[Other]:
        yield self

    def forget(self) -> None:
        self.steps.clear()

    def push(self, meter: Meter, repository: str, step: Step) -> None:
        self.steps.append(step)
        meter.run("false" if self.fails else "true")


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    return make(Recipe("made-up", 20, 10, distributions=2), tmp_path_factory.mktemp("workloads"))


@pytest.fixture
def other() -> Other:
    return Other()


@pytest.fixture
def made(workload: Workload, other: Other, peers_cache: Path, tmp_path: Path) -> Iterator[Bench]:
    peers: list[Peer] = [SematicCommand(), other]
    with bench(workload, peers, tmp_path) as opened:
        yield opened


def named(name: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario.name == name)


def test_pushes_are_measured_scenario_by_scenario(made: Bench, other: Other) -> None:
    cold, _ = made.measure(named("cold"), Turnout(1))
    assert (cold.peer, cold.scenario, cold.round) == (OURS, "cold", 1)
    assert cold.layers > 1
    assert cold.requests > 10
    assert cold.sent > 10_000
    assert 0 < cold.cpu < 60
    unchanged, _ = made.measure(named("no change"), Turnout(1))
    assert (unchanged.layers, unchanged.sent < 2000) == (0, True)
    edited, _ = made.measure(named("one file edited"), Turnout(1))
    assert edited.layers == 1
    upgraded, _ = made.measure(named("distribution upgraded"), Turnout(1))
    assert upgraded.layers >= 1
    assert other.steps == ["cold", "again", "again", "upgraded"]


def test_an_upgrade_sends_the_distribution_and_little_more(made: Bench, workload: Workload) -> None:
    upgraded, _ = made.measure(named("distribution upgraded"), Turnout(1))
    site = site_packages(made.tree.environment)
    (information,) = site.glob("made_up_0-*.dist-info")
    size = packed_size(site, "made_up_0", information.name)
    assert size > 200_000
    assert size < upgraded.sent <= 1.1 * size


def test_a_second_machine_sends_no_layer(made: Bench) -> None:
    second, _ = made.measure(named("second machine"), Turnout(1))
    assert (second.layers, second.sent < 10_000, second.requests <= 20) == (0, True, True)


def test_each_round_begins_with_another_peer(made: Bench) -> None:
    samples = list(made.measure(named("no change"), Turnout(3)))
    assert [sample.peer for sample in samples] == [OURS, "other", "other", OURS, OURS, "other"]
    assert [sample.round for sample in samples] == [1, 1, 2, 2, 3, 3]


def test_who_takes_long_takes_part_in_the_first_round_only(made: Bench) -> None:
    turnout = Turnout(3, ("other",), once=("other",))
    samples = list(made.measure(named("no change"), turnout))
    assert [sample.round for sample in samples if sample.peer == OURS] == [1, 2, 3]
    assert [sample.round for sample in samples if sample.peer == "other"] == [1]


def test_who_was_left_out_pushes_what_has_changed_before_it_is_measured(
    made: Bench, other: Other
) -> None:
    both, ours_alone = Turnout(1), Turnout(1, ("nobody",))
    list(made.measure(named("no change"), both))
    for name, step in (("one file edited", "again"), ("distribution added", "upgraded")):
        assert {sample.peer for sample in made.measure(named(name), ours_alone)} == {OURS}
        other.steps.clear()
        list(made.measure(named("no change"), both))
        list(made.measure(named("no change"), both))
        assert other.steps == [step, "again", "again"]


def test_a_peer_that_fails_is_named_and_not_asked_again(made: Bench, other: Other) -> None:
    other.fails.append(True)
    assert {sample.peer for sample in made.measure(named("cold"), Turnout(2))} == {OURS}
    assert [pusher.peer.name for pusher in made.pushers] == [OURS]
    (where,) = made.failed
    assert where == "made-up: cold: other"
    assert "exit code 1" in made.failed[where]


def test_our_own_failure_ends_it_all(made: Bench) -> None:
    (made.tree.project / "pyproject.toml").write_text("[tool.sematic]\nno-such-setting = 1\n")
    with pytest.raises(CommandError, match="no-such-setting"):
        list(made.measure(named("cold"), Turnout(1)))
