"""Results: ratios round by round, and what becomes of results of several runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.results import OURS, Results, Sample, rows
from benchmarks.table import bytes_text, tables

SAMPLE = Sample("monday", "small", "cold", OURS, 1, wall=1.0, cpu=0.5, rss=10**7, load=1.0)


def sample(peer: str, number: int, wall: float, run: str = "monday") -> Sample:
    return replace(SAMPLE, run=run, peer=peer, round=number, wall=wall)


def test_a_ratio_is_that_of_two_times_of_one_round() -> None:
    samples = [
        *(sample(OURS, 1, 1.0), sample("crane", 1, 2.0)),
        *(sample(OURS, 2, 10.0), sample("crane", 2, 30.0)),
        *(sample(OURS, 3, 2.0), sample("crane", 3, 10.0)),
    ]
    ours, crane = rows(samples, "small", "cold")
    assert ours.ratios == (1.0, 1.0, 1.0)
    assert crane.ratios == (2.0, 3.0, 5.0)
    assert crane.median("wall") == 10.0


def test_rounds_of_different_runs_are_not_compared() -> None:
    samples = [sample(OURS, 1, 1.0), sample("crane", 1, 2.0, run="tuesday")]
    assert [row.ratios for row in rows(samples, "small", "cold")] == [(1.0, 1.0, 1.0), ()]


def test_what_is_measured_again_replaces_what_was() -> None:
    old = Results(samples=[sample(OURS, 1, 1.0), sample("crane", 1, 2.0)])
    new = Results(samples=[sample(OURS, 1, 5.0, "tuesday"), sample("crane", 1, 6.0, "tuesday")])
    assert old.merged(new).samples == new.samples


def test_what_was_not_measured_again_keeps_what_it_was_compared_with() -> None:
    old = Results(samples=[sample(OURS, 1, 1.0), sample("crane", 1, 2.0), sample("umoci", 1, 3.0)])
    new = Results(samples=[sample(OURS, 1, 5.0, "tuesday"), sample("crane", 1, 20.0, "tuesday")])
    _, umoci, crane = sorted(
        rows(old.merged(new).samples, "small", "cold"), key=lambda row: row.ratios
    )
    assert (umoci.peer, umoci.ratios) == ("umoci", (3.0, 3.0, 3.0))
    assert (crane.peer, crane.ratios) == ("crane", (4.0, 4.0, 4.0))


def test_who_was_absent_once_and_is_not_now_is_not_called_absent() -> None:
    old = Results(absent={"crane": "not installed", "umoci": "not installed"})
    new = Results(samples=[sample("crane", 1, 2.0)])
    assert old.merged(new).absent == {"umoci": "not installed"}


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results = Results(
        machine={"CPUs": "2"},
        versions={"crane": "0.20"},
        workloads={"small": {"source files": 30}},
        samples=[sample(OURS, 1, 1.25)],
    )
    results.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == results


def test_a_table_leaves_out_what_nobody_has() -> None:
    results = Results(samples=[sample(OURS, 1, 1.0), sample("crane", 1, 2.5)])
    text = "\n".join(tables(results))
    assert "| | seconds | times ours | CPU s | memory |" in text
    assert "| crane | 2.50 | 2.50 | 0.50 | 10 MB |" in text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1300, "1.3 kB"), (62_000, "62 kB"), (1.25e9, "1.25 GB")],
)
def test_bytes_are_told_in_powers_of_a_thousand(count: float, text: str) -> None:
    assert bytes_text(count) == text


def test_results_are_shown_in_the_order_of_names() -> None:
    names = [("b", "y", "p"), ("a", "y", "p"), ("a", "x", "q"), ("a", "x", "p"), ("new", "x", "p")]
    samples = [replace(SAMPLE, workload=w, scenario=s, peer=p) for w, s, p in names]
    ordered = Results(samples=samples).in_order(["a", "b"], ["x", "y"], ["p", "q"])
    places = ["".join(sample.place) for sample in ordered.samples]
    assert places == ["axp", "axq", "ayp", "byp", "newxp"]


def test_a_failure_is_forgotten_once_the_same_was_measured() -> None:
    old = Results(failed={"small: cold: crane": "no room", "small: cold: umoci": "no room"})
    assert old.merged(Results(samples=[sample("crane", 1, 2.0)])).failed == {
        "small: cold: umoci": "no room"
    }
