"""What was to be reached, set against results that are made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.aims import AIMS, table, verdicts
from benchmarks.options import scenario_names, workload_names
from benchmarks.results import OURS, Results, Sample
from benchmarks.schedule import CRANE, DOCKER, DOCKER_ZSTD, PIPE, PROCESS, UMOCI, UMOCI_ZSTD

EDIT = Sample("monday", "science", "one file edited", OURS, 1, 0.5, 0.5, 10**8, 20_000, 0, 8)
COLD = replace(EDIT, scenario="cold", wall=6.0, sent=10**8)


def reached(*samples: Sample, **facts: int) -> dict[tuple[str, str], tuple[str, bool]]:
    """What was measured of each aim, by scenario and aim; without what was not measured."""
    named = {name.replace("_", " "): value for name, value in facts.items()}
    results = Results(samples=list(samples), workloads={"science": named, "huge": named})
    return {
        (each.aim.scenario, each.aim.text): (each.reached, each.holds)
        for each in verdicts(results)
        if each.reached
    }


def test_what_was_not_measured_is_told_so() -> None:
    assert reached() == {}
    lines = list(table(Results()))
    assert len(lines) == 2 + len(AIMS)
    assert all(line.endswith("| not measured |  |") for line in lines[2:])


def test_every_aim_is_of_something_that_is_measured() -> None:
    for aim in AIMS:
        workload, _, scenario = aim.scenario.partition(": ")
        assert workload in workload_names()
        known = (*scenario_names(), "every scenario", "find_tree, first", "find_tree, again")
        assert scenario in known


@pytest.mark.parametrize(("wall", "holds"), [(2.6, True), (2.4, False)])
def test_an_aim_is_held_against_the_fastest_of_those_it_names(wall: float, holds: bool) -> None:
    found = reached(
        EDIT, replace(EDIT, peer=DOCKER, wall=9.0), replace(EDIT, peer=DOCKER_ZSTD, wall=wall)
    )
    key = ("science: one file edited", "at least 5x as fast as docker buildx")
    assert found[key] == (f"{wall / 0.5:.2f}x ({DOCKER_ZSTD})", holds)


def test_a_time_by_a_peers_is_told_of_the_peer_for_which_it_is_worst() -> None:
    found = reached(
        COLD,
        *(replace(COLD, peer=UMOCI, wall=12.0), replace(COLD, peer=UMOCI_ZSTD, wall=9.0)),
        replace(COLD, peer=PIPE, wall=5.0),
    )
    assert found["science: cold", "at most 0.6x the time of tar + umoci + skopeo"] == (
        f"0.67x ({UMOCI_ZSTD})",
        False,
    )
    assert found["science: cold", f"at most 1.3x the time of {PIPE}"] == (f"1.20x ({PIPE})", True)


def test_in_process_is_held_against_a_peer_round_by_round() -> None:
    rounds = [
        *(replace(EDIT, peer=PROCESS, wall=1.0), replace(EDIT, peer=CRANE, wall=2.0)),
        *(replace(EDIT, peer=PROCESS, wall=9.0, round=2),),
        replace(EDIT, peer=CRANE, wall=10.0, round=2),
    ]
    key = "science: one file edited", "in process, at most 0.6x the time of tar + crane append"
    assert reached(*rounds)[key] == (f"0.70x ({CRANE})", False)


def test_bytes_requests_and_memory_are_ours() -> None:
    found = reached(EDIT, replace(EDIT, peer=CRANE, sent=10**6, requests=20, rss=10**9))
    assert found["science: one file edited", "at most 30 kB"] == ("20 kB", True)
    assert found["science: one file edited", "at most 8 request(s)"] == ("8 request(s)", True)
    assert found["science: every scenario", "at most 150 MB of memory"][1]


def test_memory_of_others_programs_is_not_ours() -> None:
    import_ = replace(EDIT, scenario="first import", rss=2 * 10**8)
    key = "science: every scenario", "at most 150 MB of memory"
    assert reached(EDIT, import_)[key] == ("100 MB (one file edited, sematic-oci)", True)


def test_an_upgrade_is_held_against_the_bytes_of_the_distribution() -> None:
    upgrade = replace(EDIT, scenario="distribution upgraded", sent=1200)
    key = "science: distribution upgraded", "at most 1.1x the bytes of the distribution"
    assert reached(upgrade, upgrade_bytes=1000)[key] == ("1.20x (1.2 kB)", False)
    assert reached(upgrade, upgrade_bytes=1100)[key] == ("1.09x (1.2 kB)", True)


def test_a_pull_is_held_against_the_image_for_which_least_is_needed() -> None:
    pull = replace(EDIT, scenario="pull by containerd after edit", received=100)
    found = reached(
        pull,
        replace(pull, peer=CRANE, received=900, wall=0.1),
        replace(pull, peer=UMOCI_ZSTD, received=800, wall=0.4),
    )
    scenario = "science: pull by containerd after edit"
    fewer = found[scenario, "at least 3x fewer bytes than the best other image"]
    assert fewer == (f"8.00x ({UMOCI_ZSTD})", True)
    slower = found[scenario, "not slower than the best other image"]
    assert slower == (f"0.20x ({CRANE})", False)


def test_a_look_is_told_by_the_file() -> None:
    look = replace(EDIT, workload="huge", scenario="scan", peer="find_tree, again", wall=4.0)
    key = "huge: find_tree, again", "at most 5 µs a file"
    assert reached(look, source_files=1_000_000)[key] == ("4.0 µs", True)
