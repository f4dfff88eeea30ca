"""What a full run is made of, and what is measured of what was asked for."""

from __future__ import annotations

import pytest

from benchmarks.measuring import Forecast
from benchmarks.options import peer_names, read_options, scenario_names, workload_names
from benchmarks.results import OURS
from benchmarks.schedule import SCHEDULE, Turnout, turnout
from benchmarks.workloads.recipe import WITH_TORCH


def test_all_that_is_scheduled_is_there() -> None:
    assert sorted(SCHEDULE) == sorted(workload_names())
    scheduled = {name for scenarios in SCHEDULE.values() for name in scenarios}
    assert scheduled == set(scenario_names())
    turnouts = [each for scenarios in SCHEDULE.values() for each in scenarios.values()]
    named = {name for each in turnouts for name in each.peers}
    assert named == set(peer_names()) - {OURS}
    assert all(set(each.once) <= set(each.peers) for each in turnouts)


def test_a_full_run_takes_less_than_an_hour() -> None:
    scenarios = [each for found in SCHEDULE.values() for each in found.values()]
    assert sum(each.seconds for each in scenarios) < 3600


def test_everything_is_measured_as_scheduled_if_nothing_is_asked_for() -> None:
    options = read_options([])
    assert options.workloads == tuple(name for name in workload_names() if name != WITH_TORCH)
    assert options.of_workload("huge") == ("scan",)
    assert read_options(["--with-torch"]).workloads == tuple(workload_names())


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--scenario", "scan"], {"monorepo": ["scan"], "huge": ["scan"], "small": []}),
        (["--scenario", "scan", "--workload", "small"], {"small": ["scan"]}),
        (["--scenario", "cold", "--workload", "huge"], {"huge": []}),
        (["--scenario", "cold", "--workload", "launcher"], {"launcher": []}),
        (["--scenario", "resolve"], {"launcher": ["resolve to pod"], "science": []}),
    ],
)
def test_of_what_is_asked_for_that_is_measured_which_can_be(
    arguments: list[str], found: dict[str, list[str]]
) -> None:
    options = read_options(arguments)
    assert {name: list(options.of_workload(name)) for name in found} == found


def test_who_is_named_takes_part_in_every_round() -> None:
    assert turnout("science", "cold").names(2) != turnout("science", "cold").names(1)
    chosen = turnout("science", "cold", ["buildah build"], 4)
    assert chosen == Turnout(4, ["buildah build"], (), chosen.seconds)
    assert chosen.names(4) == ["buildah build"]


def test_an_end_is_foretold_by_the_pace_so_far() -> None:
    forecast = Forecast(1200)
    assert forecast.text() == "0 min so far, about 20 to go"
    forecast.take(600)
    forecast.began -= 1200
    assert forecast.text() == "20 min so far, about 20 to go"
