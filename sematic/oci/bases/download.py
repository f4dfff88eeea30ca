"""Packages and wheels on their way here, told as they come."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from sematic.oci.events import Listener, Moved, Noticed, Started
from sematic.oci.report import size_text


class Download:
    """Files that people wait for as one thing; several threads may bring them.

    :param what: as ``62 packages``.
    :param size: bytes of all that may have to come.
    """

    def __init__(self, what: str, size: int, listener: Listener) -> None:
        self._what = what
        self._size = size
        self._listener = listener
        self._lock = threading.Lock()
        self._come = 0

    def told(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same bytes."""
        for chunk in chunks:
            self._moved(len(chunk))
            yield chunk

    def end(self) -> None:
        """All of it is here. Nothing is said where nothing had to come."""
        if self._come:
            self._listener(Noticed(f"fetched {self._what}, {size_text(self._come)}"))

    def _moved(self, count: int) -> None:
        name = f"fetch {self._what}"
        with self._lock:
            if not self._come:
                self._listener(Started(name, self._size))
            self._come += count
            self._listener(Moved(name, count, min(1.0, self._come / max(1, self._size))))
