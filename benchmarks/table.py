"""Results as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarks.results import OURS, Results, Row, rows

_HEAD = "| | seconds | times ours | CPU s | memory MB | sent | received | requests | new layers |"
_LINE = "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"


def tables(results: Results, level: str = "###") -> Iterator[str]:
    """Lines of Markdown: a table for each scenario of each workload."""
    for workload, scenario in places(results):
        found = rows(results.samples, workload, scenario)
        rounds = max(len(row.samples) for row in found)
        load = max(sample.load for row in found for sample in row.samples)
        yield f"{level} {workload}: {scenario}"
        yield ""
        yield _HEAD
        yield _LINE
        yield from map(_row, found)
        yield ""
        yield f"{rounds} {'round' if rounds == 1 else 'rounds'}; load average up to {load:.1f}."
        yield ""


def places(results: Results) -> Iterable[tuple[str, str]]:
    """Workloads and scenarios, in the order in which they were measured."""
    return dict.fromkeys((sample.workload, sample.scenario) for sample in results.samples)


def _row(row: Row) -> str:
    ratios = "1" if row.peer == OURS else ratio_text(row)
    cells = (
        row.peer,
        seconds_text(row.median("wall")),
        ratios,
        seconds_text(row.median("cpu")),
        f"{row.most('rss') / 1e6:.0f}",
        bytes_text(row.median("sent")),
        bytes_text(row.median("received")),
        f"{row.median('requests'):.0f}",
        f"{row.median('layers'):.0f}",
    )
    return f"| {' | '.join(cells)} |"


def ratio_text(row: Row) -> str:
    """The median, and between what it lies: ``5.1 (4.8-6.0)``."""
    if not row.ratios:
        return ""
    least, middle, most = row.ratios
    if len(row.samples) == 1:
        return _short(middle)
    return f"{_short(middle)} ({_short(least)}-{_short(most)})"


def seconds_text(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"


def bytes_text(count: float) -> str:
    """As ``1.3 MB``; powers of 1000."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if count >= 9.95 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def _short(number: float) -> str:
    return f"{number:.2f}" if number < 10 else f"{number:.0f}"
