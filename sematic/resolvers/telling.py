"""What a launcher tells on stderr: how the image comes about, what steps do, what pods write."""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack
from types import TracebackType

from sematic.oci.events import Event, Finished, Noticed
from sematic.oci.progress import shown
from sematic.resolvers.local_resolver import state_line
from sematic.resolvers.loop import StateChanged
from sematic.resolvers.records import RunRecord
from sematic.resolvers.step import Step


class Telling:
    """Tells it for as long as the context lasts. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Telling:
        self._show = self._stack.enter_context(shown(quiet=False))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def image_events(self, event: Event) -> None:
        """What happens to the image, as ``sematic-oci push`` tells it."""
        if not isinstance(event, (Finished, Noticed)) or getattr(event, "fate", "") != "reused":
            self._show(event)

    def launched(self, run: RunRecord) -> None:
        self._say(f"run {run.id}: {run.name}, image {run.image}, driven by {run.driver}")

    def changed(self, change: StateChanged) -> None:
        """A step has changed."""
        if text := state_line(change):
            self._say(text)

    def line(self, step: Step, line: bytes) -> None:
        """A step's pod has written a line."""
        self._say(f"{step.name} | {line.decode(errors='replace')}")

    def _say(self, text: str) -> None:
        with self._lock:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
