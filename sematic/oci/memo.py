"""What parts of the package may ask to have remembered between runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Memo(Protocol):
    """A store of small values that may be lost at any time: a hint, never a promise."""

    def recall(self, key: str) -> bytes | None:
        """The value remembered under a key, or None."""

    def remember(self, key: str, value: bytes) -> None:
        """Remember a value, in place of an older one."""

    def remember_all(self, values: Mapping[str, bytes]) -> None:
        """Remember many at once."""


class Forgetful:
    """A memo within one process only."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    def recall(self, key: str) -> bytes | None:
        return self._values.get(key)

    def remember(self, key: str, value: bytes) -> None:
        self._values[key] = value

    def remember_all(self, values: Mapping[str, bytes]) -> None:
        self._values.update(values)
