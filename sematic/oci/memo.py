"""What parts of the package may ask to have remembered between runs."""

from __future__ import annotations

import hashlib
import marshal
import os
from collections.abc import Mapping
from typing import Any, Protocol


class Memo(Protocol):
    """A store of small values that may be lost at any time: a hint, never a promise."""

    def recall(self, key: str) -> bytes | None:
        """The value remembered under a key, or None."""

    def remember(self, key: str, value: bytes) -> None:
        """Remember a value, in place of an older one."""

    def remember_all(self, values: Mapping[str, bytes]) -> None:
        """Remember many at once."""


class FolderMemo:
    """One value of plain types (:mod:`marshal`'s) that is remembered of a folder of this machine.

    :param what: a word for it.
    """

    def __init__(self, memo: Memo, what: str, folder: str) -> None:
        self._memo = memo
        digest = hashlib.blake2b(os.fsencode(folder), digest_size=16).hexdigest()
        self._key = f"{what} {digest}"

    def recall(self) -> Any:
        """None if nothing is remembered, or nothing that can be read."""
        try:
            return marshal.loads(self._memo.recall(self._key) or b"")
        except (ValueError, EOFError, TypeError):
            return None

    def remember(self, value: Any) -> None:
        self._memo.remember(self._key, marshal.dumps(value, 4))


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
