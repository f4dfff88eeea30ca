"""What commands take, and what breaks a bound."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from benchmarks.bounds import Bound
from benchmarks.imports import imports
from benchmarks.measure import CommandError, Meter, Usage, run_timed
from benchmarks.quick import excess, excess_modules
from benchmarks.results import Sample

BOUND = Bound(sent=100, requests=5, layers=1, memory=1000, modules=2)
SAMPLE = Sample("now", "small", "edit", "sematic-oci", 1, 1.0, 1.0, 1000, 100, 0, 5, 1)


def test_memory_is_that_of_the_largest_process_of_a_command() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'bytearray(10**8)'])"
    assert 1e8 < run_timed([sys.executable, "-c", code]).rss < 1.5e8


def test_memory_is_not_that_of_the_process_that_measures() -> None:
    weight = bytearray(10**8)
    assert run_timed(["true"]).rss < len(weight) / 2


def test_cpu_time_is_that_of_all_processes_of_a_command() -> None:
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    usage = run_timed([sys.executable, "-c", code])
    assert usage.cpu >= 0.2
    assert usage.wall > 0


def test_one_command_after_the_other_adds_up() -> None:
    assert Usage(1.0, 0.5, 10) + Usage(2.0, 0.25, 7) == Usage(3.0, 0.75, 10)
    meter = Meter(Usage(5.0, 1.0, 10))
    meter.run("true")
    assert meter.usage.wall > 5.0


def test_a_command_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(CommandError, match=r"sh -c .*\nexit code 3\nno room"):
        Meter().run("sh", "-c", "echo no room >&2; exit 3")


def test_what_is_within_its_bound_breaks_nothing() -> None:
    assert list(excess(SAMPLE, BOUND)) == []
    assert list(excess_modules("edit", {"sys", "os"}, BOUND)) == []


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("sent", "edit: 101 bytes sent, at most 100"),
        ("requests", "edit: 6 requests, at most 5"),
        ("layers", "edit: 2 new layers, at most 1"),
        ("rss", "edit: 1001 bytes of memory, at most 1000"),
    ],
)
def test_what_is_too_much_is_told(field: str, text: str) -> None:
    worse = replace(SAMPLE, **{field: getattr(SAMPLE, field) + 1})
    assert list(excess(worse, BOUND)) == [text]


def test_a_slow_push_breaks_no_bound() -> None:
    assert list(excess(replace(SAMPLE, wall=3600.0, cpu=3600.0), BOUND)) == []


def test_modules_are_counted_and_some_are_never_imported() -> None:
    told = list(excess_modules("edit", {"sys", "rich.table", "rich"}, BOUND))
    assert told == ["edit: rich imported", "edit: 3 modules imported, at most 2"]


def test_imports_are_those_of_the_program() -> None:
    found = {each.module for each in imports(["-c", "import wave"])}
    assert "wave" in found
    assert "numpy" not in found
