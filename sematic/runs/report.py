"""What the command says of runs: as text and as JSON values."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sematic.resolvers.records import ENDED, RunRecord, StepRecord

_SHORTEST_ID = 8
_REASON_WIDTH = 80


@dataclass(frozen=True, slots=True)
class TreeLine:
    """A step as a line of the tree of its run.

    :param name: with the indentation that its depth has.
    """

    state: str
    name: str
    took: str
    note: str

    def text(self, width: int) -> str:
        """:param width: of the column of names."""
        return f"{self.state:<13} {self.name:<{width}} {self.took:>8}  {self.note}".rstrip()


def runs_text(records: Sequence[RunRecord], now: float) -> Iterator[str]:
    """A table of runs."""
    yield f"{'ID':<{_SHORTEST_ID}}  {'STATE':<13} {'LAUNCHED':<16} {'TOOK':>8}  NAME"
    for run, short in zip(records, _short_ids(records), strict=True):
        launched = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.created))
        reason = f"  ({shortened(run.reason)})" if run.reason else ""
        yield f"{short:<{_SHORTEST_ID}}  {run.state:<13} {launched} {run_took(run, now):>8}  " + (
            run.name + reason
        )


def runs_json(records: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """Runs without their steps, of which they have the numbers in each state."""
    runs = []
    for record in records:
        run = asdict(record)
        run["steps"] = Counter(step["state"] for step in run["steps"].values())
        runs.append(run)
    return runs


def run_json(record: RunRecord) -> dict[str, Any]:
    """All that is known of a run; its steps as a list, in the order in which they came about."""
    return {**asdict(record), "steps": [asdict(step) for step in record.steps.values()]}


def head_text(record: RunRecord, now: float) -> str:
    """A run in one line."""
    counts = Counter(step.state for step in record.steps.values())
    steps = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    return f"run {record.id}: {record.name} {record.state}, {run_took(record, now)} ({steps})"


def end_text(record: RunRecord) -> str:
    """How a run that has ended did so, with the reason."""
    return f"{record.state}: {record.reason}" if record.reason else record.state


def tree(record: RunRecord, now: float) -> list[TreeLine]:
    """The steps of a run, each below the one that has expanded to it."""
    children: dict[str, list[StepRecord]] = {}
    for step in record.steps.values():
        children.setdefault(step.parent, []).append(step)
    lines, left = [], [(step, 0) for step in reversed(children.get("", []))]
    while left:
        step, depth = left.pop()
        lines.append(TreeLine(step.state, "  " * depth + step.name, _took(step, now), note(step)))
        left += [(child, depth + 1) for child in reversed(children.get(step.id, []))]
    return lines


def tree_text(record: RunRecord, now: float) -> Iterator[str]:
    lines = tree(record, now)
    width = max((len(line.name) for line in lines), default=0)
    for line in lines:
        yield line.text(width)


def step_text(step: StepRecord, record: RunRecord, now: float) -> str:
    """A step in a line of its own."""
    parent = record.steps.get(step.parent)
    where = f" (within {parent.name})" if parent is not None else ""
    took = f", {_took(step, now)}" if step.state in ENDED and _took(step, now) else ""
    told = f": {note(step)}" if note(step) else ""
    return f"{step.state:<13} {step.name}{where}{took}{told}"


def note(step: StepRecord) -> str:
    """What else there is to say of a step: why it waits, or why it failed."""
    again = f"attempt {step.attempts}" if step.attempts > 1 else ""
    told = first_line(step.reason)
    if step.state == "SCHEDULED" and not told:
        told = "running" if step.pod else "starting"
    return ", ".join(filter(None, (again, told)))


def shortened(text: str) -> str:
    """The beginning of what is too long for a table."""
    line = first_line(text)
    return line if len(line) <= _REASON_WIDTH else line[: _REASON_WIDTH - 1] + "…"


def first_line(text: str) -> str:
    return text.partition("\n")[0]


def run_took(record: RunRecord, now: float) -> str:
    return duration_text((record.updated if record.is_ended else now) - record.created)


def duration_text(seconds: float) -> str:
    """As ``1.2 s``, ``3m 05s``, ``2h 10m``."""
    if seconds < 59.95:
        return f"{max(0.0, seconds):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    return f"{minutes // 60}h {minutes % 60:02}m"


def _took(step: StepRecord, now: float) -> str:
    """From when it was handed over; "" if it never was."""
    began = step.times.get("SCHEDULED")
    if began is None:
        return ""
    ended = max((at for state, at in step.times.items() if state in ENDED), default=now)
    return duration_text(ended - began)


def _short_ids(records: Sequence[RunRecord]) -> Iterator[str]:
    """Beginnings of ids by which each run is known."""
    length = _SHORTEST_ID
    while len({record.id[:length] for record in records}) < len(records):
        length += 1
    for record in records:
        yield record.id[:length]
