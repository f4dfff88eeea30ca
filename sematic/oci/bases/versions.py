"""Versions of Debian packages and their order (deb-version(7))."""

from __future__ import annotations

import re
from functools import total_ordering
from itertools import zip_longest

_PARTS = re.compile(r"(\D*)(\d*)")


@total_ordering
class Version:
    """``[epoch:]upstream[-revision]``, compared as dpkg does.

    >>> Version("1.0~rc1") < Version("1.0") < Version("1.0-1+b2") < Version("1:0.9")
    True
    """

    __slots__ = ("_key", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        epoch, colon, rest = text.partition(":")
        if not colon:
            epoch, rest = "0", text
        upstream, dash, revision = rest.rpartition("-")
        if not dash:
            upstream, revision = rest, ""
        self._key = (int(epoch) if epoch.isdecimal() else 0, _parts(upstream), _parts(revision))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._order(other) == 0

    def __lt__(self, other: Version) -> bool:
        return self._order(other) < 0

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    def satisfies(self, relation: str, wanted: str) -> bool:
        """Whether it is what a relation (``<<``, ``<=``, ``=``, ``>=``, ``>>``) asks for."""
        order = self._order(Version(wanted))
        return {
            "<<": order < 0,
            "<=": order <= 0,
            "=": order == 0,
            ">=": order >= 0,
            ">>": order > 0,
        }[relation]

    def _order(self, other: Version) -> int:
        mine, theirs = self._key, other._key
        if mine[0] != theirs[0]:
            return mine[0] - theirs[0]
        return _compare(mine[1], theirs[1]) or _compare(mine[2], theirs[2])


def _parts(text: str) -> list[tuple[str, int]]:
    """Text and number in turn."""
    return [(words, int(digits or 0)) for words, digits in _PARTS.findall(text)]


def _compare(mine: list[tuple[str, int]], theirs: list[tuple[str, int]]) -> int:
    for one, other in zip_longest(mine, theirs, fillvalue=("", 0)):
        order = _compare_words(one[0], other[0]) or one[1] - other[1]
        if order:
            return order
    return 0


def _compare_words(mine: str, theirs: str) -> int:
    weights = zip_longest(map(_weight, mine), map(_weight, theirs), fillvalue=0)
    return next((one - other for one, other in weights if one != other), 0)


def _weight(character: str) -> int:
    """A tilde sorts before the end, letters before all else."""
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256
