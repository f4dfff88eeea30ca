"""Results as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks import scan
from benchmarks.results import OURS, Results, Row, rows


@dataclass(frozen=True)
class Column:
    """:param is_empty: whether a row has nothing to say in it; if none has, it is left out."""

    title: str
    text: Callable[[Row], str]
    is_empty: Callable[[Row], bool]


def tables(results: Results, level: str = "###") -> Iterator[str]:
    """Lines of Markdown: a table for each scenario of each workload."""
    for workload, scenario in places(results):
        found = rows(results.samples, workload, scenario)
        rounds = max(len(row.samples) for row in found)
        load = max(sample.load for row in found for sample in row.samples)
        yield f"{level} {workload}: {scenario}"
        yield ""
        yield from _table(found, _columns(results, workload, scenario))
        yield ""
        yield f"{rounds} {'round' if rounds == 1 else 'rounds'}; load average up to {load:.1f}."
        yield ""


def places(results: Results) -> Iterable[tuple[str, str]]:
    """Workloads and scenarios, in the order in which they were measured."""
    return dict.fromkeys((sample.workload, sample.scenario) for sample in results.samples)


def _columns(results: Results, workload: str, scenario: str) -> Iterator[Column]:
    yield _column("seconds", "wall", seconds_text)
    if scenario == scan.SCENARIO:
        files = results.workloads[workload]["source files"]
        yield _column("µs a file", "wall", lambda seconds: f"{seconds * 1e6 / files:.1f}")
    yield Column("times ours", ratio_text, lambda row: not row.ratios)
    yield _column("CPU s", "cpu", seconds_text)
    yield Column("memory", lambda row: bytes_text(row.most("rss")), lambda row: False)
    yield _column("sent", "sent", bytes_text)
    yield _column("received", "received", bytes_text)
    yield _column("requests", "requests", "{:.0f}".format)
    yield _column("new layers", "layers", "{:.0f}".format)


def _column(title: str, measure: str, text: Callable[[float], str]) -> Column:
    """The median of a measure."""
    return Column(
        title, lambda row: text(row.median(measure)), lambda row: row.median(measure) == 0
    )


def _table(found: Sequence[Row], columns: Iterable[Column]) -> Iterator[str]:
    shown = [column for column in columns if not all(map(column.is_empty, found))]
    yield f"| | {' | '.join(column.title for column in shown)} |"
    yield f"| --- |{' ---: |' * len(shown)}"
    for row in found:
        yield f"| {cell(row.peer)} | {' | '.join(column.text(row) for column in shown)} |"


def cell(text: str) -> str:
    """A text as a table can have it: in one line, and not too long."""
    return " ".join(text.split())[:200].replace("|", "\\|")


def ratio_text(row: Row) -> str:
    """The median, and between what it lies: ``5.1 (4.8-6.0)``."""
    if row.peer == OURS:
        return "1"
    if not row.ratios:
        return ""
    least, middle, most = row.ratios
    if len(row.samples) == 1:
        return short(middle)
    return f"{short(middle)} ({short(least)}-{short(most)})"


def seconds_text(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"


def bytes_text(count: float) -> str:
    """As ``1.3 MB``; powers of 1000."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if count >= 9.95 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def short(number: float) -> str:
    """A ratio, as it is worth being told."""
    return f"{number:.2f}" if number < 10 else f"{number:.0f}"
