"""A run as it goes on: a tree that changes on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sematic.resolvers.records import RunRecord
from sematic.runs.report import TreeLine, head_text, step_text, tree

if TYPE_CHECKING:
    from rich.text import Text

_STYLES = {
    "CREATED": "dim",
    "SCHEDULED": "cyan",
    "RAN": "blue",
    "RETRYING": "yellow",
    "RESOLVED": "green",
    "FAILED": "bold red",
    "NESTED_FAILED": "red",
    "CANCELED": "magenta",
}
_PER_SECOND = 4
_LEAST_STEPS = 3


def show_live(changes: Iterable[RunRecord]) -> None:
    """Show a tree on the terminal, until the run has ended."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    seen: RunRecord | None = None
    is_over = False

    def view() -> Text:
        if seen is None:
            return Text()
        now, lines = time.time(), tree(seen, time.time())
        width = max((len(line.name) for line in lines), default=0)
        hidden = 0
        if not is_over:
            lines, hidden = fitting(lines, console.height - 3)
        head = Text(head_text(seen, now) + "\n", no_wrap=True, overflow="ellipsis")
        for line in lines:
            head.append(line.text(width) + "\n", _STYLES.get(line.state, ""))
        if hidden:
            head.append(f"and {hidden} more steps\n", "dim")
        head.rstrip()
        return head

    with Live(get_renderable=view, console=console, refresh_per_second=_PER_SECOND):
        for record in changes:
            seen = record
        is_over = True


def fitting(lines: list[TreeLine], height: int) -> tuple[list[TreeLine], int]:
    """The lines that are shown where not all can be, and how many are not: first those go that
    are resolved, then those that wait for their turn."""
    room = max(height, _LEAST_STEPS)
    shown = lines
    for state in ("RESOLVED", "CREATED"):
        if len(shown) > room:
            spare = len(shown) - room
            kept = []
            for line in shown:
                if spare and line.state == state:
                    spare -= 1
                else:
                    kept.append(line)
            shown = kept
    shown = shown[:room]
    return shown, len(lines) - len(shown)


def changed_lines(changes: Iterable[RunRecord]) -> Iterator[str]:
    """A line for each step that is in another state than before, or waits for something else."""
    told: dict[str, str] = {}
    for record in changes:
        for step in record.steps.values():
            mark = f"{step.state} {step.reason} {bool(step.pod)} {step.attempts}"
            if told.get(step.id) != mark and step.state != "CREATED":
                yield step_text(step, record, time.time())
            told[step.id] = mark
