"""Results as pictures: bars with their values beside them, as SVG that is written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks import first_import
from benchmarks.results import OURS, Results, Row, rows
from benchmarks.scenarios import SCENARIOS
from benchmarks.table import bytes_text, places, ratio_text, seconds_text, short

_WIDTH, _NAMES, _BARS, _LINE = 900, 210, 410, 20
_LEGEND = "Bars are medians; thin lines go from least to most. Each panel has its own scale."
_FONT = "font-family='system-ui, Helvetica, Arial, sans-serif'"
# By the reader's choice; who knows no media queries shows the light one.
_STYLE = """\
<style>
.paper { fill: #ffffff } text { fill: #1b1f24 } .note { fill: #57606a }
.ours { fill: #1f6fb4 } .other { fill: #a7b1bb } .whisker { stroke: #1b1f24 }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117 } text { fill: #e6edf3 } .note { fill: #9198a1 }
.ours { fill: #4a9ee8 } .other { fill: #57606a } .whisker { stroke: #e6edf3 }
}
</style>"""


@dataclass(frozen=True)
class Measure:
    """What the bars of a picture are as long as.

    :param name: of the field of a sample.
    :param title: what it is and in which unit.
    :param scenarios: that it says something of: those whose names begin so.
    """

    name: str
    title: str
    text: Callable[[float], str]
    scenarios: tuple[str, ...]


_PULLS = "pull"
_PUSHES = tuple(scenario.name for scenario in SCENARIOS)
MEASURES = (
    Measure(
        "wall",
        "seconds, from the command to its end",
        lambda seconds: f"{seconds_text(seconds)} s",
        (*_PUSHES, _PULLS, first_import.SCENARIO),
    ),
    Measure("sent", "bytes sent to the registry", bytes_text, _PUSHES),
    Measure("received", "bytes fetched from the registry", bytes_text, (_PULLS,)),
)


def picture(results: Results, workload: str, measure: Measure) -> str:
    """A panel for each scenario in which there is something to compare; empty if there is none."""
    panels = dict(_panels(results, workload, measure))
    if not panels:
        return ""
    marks, y = [], 60
    for scenario, found in panels.items():
        marks += [_text(_NAMES, y, scenario, weight="bold"), *_panel(found, measure, y + 8)]
        y += _LINE * len(found) + 44
    title = _text(20, 24, f"{workload}: {measure.title}", size=17, weight="bold")
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{y}' {_FONT}>",
            _STYLE,
            "<rect width='100%' height='100%' class='paper'/>",
            title,
            *marks,
            _text(20, y - 20, _LEGEND, size=11, kind="note"),
            "</svg>\n",
        ]
    )


def _panels(
    results: Results, workload: str, measure: Measure
) -> Iterator[tuple[str, Sequence[Row]]]:
    for name, scenario in places(results):
        if name != workload or not scenario.startswith(measure.scenarios):
            continue
        found = rows(results.samples, workload, scenario)
        compared = any(row.ratios and row.peer != OURS for row in found)
        if compared and any(row.median(measure.name) for row in found):
            yield scenario, found


def _panel(found: Sequence[Row], measure: Measure, top: int) -> Iterator[str]:
    longest = max(_ends(row, measure)[1] for row in found)
    own = next((row.median(measure.name) for row in found if row.peer == OURS), 0.0)
    for number, row in enumerate(found):
        y = top + number * _LINE
        length = _BARS * row.median(measure.name) / longest
        kind = "ours" if row.peer.startswith("sematic") else "other"
        yield _text(_NAMES - 8, y + 14, row.peer, anchor="end")
        yield f"<rect x='{_NAMES}' y='{y + 2}' width='{length:.1f}' height='15' class='{kind}'/>"
        ends = [_NAMES + _BARS * value / longest for value in _ends(row, measure)]
        yield (
            f"<path d='M{ends[0]:.1f} {y + 9.5}H{ends[1]:.1f}' class='whisker' stroke-width='1.5'/>"
        )
        yield _text(max(_NAMES + length, ends[1]) + 6, y + 14, _label(row, measure, own))


def _ends(row: Row, measure: Measure) -> tuple[float, float]:
    values = [getattr(sample, measure.name) for sample in row.samples]
    return min(values), max(values)


def _label(row: Row, measure: Measure, own: float) -> str:
    """:param own: the same measure of ours."""
    median = row.median(measure.name)
    value = measure.text(median)
    if row.peer == OURS or not row.ratios or not own:
        return value
    ratio = ratio_text(row) if measure.name == "wall" else short(median / own)
    return f"{value}: {ratio} times ours"


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    size: int = 13,
    weight: str = "normal",
    kind: str = "text",
) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' font-weight='{weight}' "
        f"text-anchor='{anchor}' class='{kind}'>{escape(text)}</text>"
    )
