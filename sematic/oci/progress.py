"""Events as a person sees them: bars on a terminal, lines elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sematic.oci.commands import say
from sematic.oci.events import Event, Finished, Listener, Moved, Noticed, Started, Waiting
from sematic.oci.report import size_text
from sematic.oci.values import mutable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_WORTH_A_BAR = 1 << 20
_NAME_WIDTH = 40


@contextmanager
def shown(quiet: bool) -> Iterator[Listener]:
    """A listener that shows what happens, for as long as it lasts."""
    if quiet:
        yield lambda event: None
    elif sys.stderr.isatty():
        bars = _Bars()
        try:
            yield bars
        finally:
            bars.close()
    else:
        yield _say


def _say(event: Event) -> None:
    if isinstance(event, Finished) and event.fate != "reused":
        say(_result(event))
    elif isinstance(event, Waiting):
        say(event.reason)
    elif isinstance(event, Noticed):
        say(f"note: {event.message}")


class _Bars:
    """A bar for each layer that is worth one; rich is loaded when the first is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._sizes: dict[str, int] = {}
        self._tasks: dict[str, _Bar] = {}

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, Started):
                self._sizes[event.layer] = event.size
            elif isinstance(event, Moved):
                self._move(event)
            elif isinstance(event, Finished):
                self._finish(event)
            elif isinstance(event, Waiting):
                self._line(event.reason)
            elif isinstance(event, Noticed):
                self._line(f"note: {event.message}")

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _move(self, event: Moved) -> None:
        bar = self._tasks.get(event.layer)
        if bar is None:
            if self._sizes.get(event.layer, 0) < _WORTH_A_BAR:
                return
            task = self._bars().add_task(_short(event.layer), total=1.0, sent="", speed="")
            bar = self._tasks[event.layer] = _Bar(task, time.monotonic())
        bar.sent += event.bytes
        self._show(bar, event.fraction)

    def _finish(self, event: Finished) -> None:
        bar = self._tasks.pop(event.layer, None)  # another platform's may have the same name
        if bar is not None:
            self._show(bar, 1.0)
        elif event.fate != "reused":
            self._line(_result(event))

    def _show(self, bar: _Bar, fraction: float) -> None:
        seconds = max(0.001, time.monotonic() - bar.began)
        speed = f"{size_text(round(bar.sent / seconds))}/s"
        sent = size_text(bar.sent)
        self._bars().update(bar.task, completed=fraction, sent=sent, speed=speed)

    def _line(self, text: str) -> None:
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False)
        else:
            say(text)

    def _bars(self) -> Progress:
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[sent]:>9} {task.fields[speed]:>11}", markup=False),
                console=Console(stderr=True),
            )
            self._progress.start()
        return self._progress


@mutable
class _Bar:
    task: TaskID
    began: float
    sent: int = 0


def _result(event: Finished) -> str:
    return f"{event.fate:8} {size_text(event.sent):>9}  {_short(event.layer)}"


def _short(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 1] + "…"
