"""Patterns of ignore files, as git reads them (gitignore(5); git's wildmatch.c and dir.c).

A pattern is matched against one path and says nothing of what lies inside a folder that it
matches: whoever walks a tree does not go in. Paths and patterns are bytes, as in git, where
``?`` is one byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

_SPECIAL = re.compile(rb"[*?\[\\]")
_SLASH = ord("/")
_CLASSES = {
    b"alnum": rb"[0-9A-Za-z]",
    b"alpha": rb"[A-Za-z]",
    b"blank": rb"[ \t]",
    b"cntrl": rb"[\x00-\x1f\x7f]",
    b"digit": rb"[0-9]",
    b"graph": rb"[\x21-\x7e]",
    b"lower": rb"[a-z]",
    b"print": rb"[\x20-\x7e]",
    b"punct": rb"[!-/:-@\[-`{-~]",
    b"space": rb"[ \t\n\r\f\v]",
    b"upper": rb"[A-Z]",
    b"xdigit": rb"[0-9A-Fa-f]",
}


@dataclass(frozen=True)
class Pattern:
    """One line of an ignore file.

    :param text: the line, for people.
    :param line: its number, from 1.
    :param body: without ``!``, a leading and a trailing slash.
    :param by_name: it has no slash inside, so it is about names in every folder below.
    :param folders_only: it ends with a slash.
    """

    text: str
    line: int
    body: bytes
    negated: bool
    by_name: bool
    folders_only: bool

    def matches(self, path: bytes, folder: bool) -> bool:
        """Whether it is about this very path, which is relative to the ignore file's folder."""
        return last_match((self,), path, folder) is not None

    @cached_property
    def test(self) -> Callable[[bytes], object]:
        """Says whether a path matches, or a name where the pattern is by name."""
        body = self.body
        if self.is_literal:
            return body.__eq__
        if self.by_name and body.startswith(b"*") and not _SPECIAL.search(body, 1):
            return lambda name: name.endswith(body[1:])
        regex = compile_body(body)
        return regex.fullmatch if regex else lambda path: False

    @cached_property
    def is_literal(self) -> bool:
        return not _SPECIAL.search(self.body)

    @property
    def is_wild(self) -> bool:
        """Whether its last name is made of wildcards alone, as in ``*/`` or ``data/**``."""
        return is_wild(self.body[self.body.rfind(b"/") + 1 :])


def last_match(patterns: Sequence[Pattern], path: bytes, folder: bool) -> Pattern | None:
    """The pattern that decides: of those that match, the last line of the file.

    :param patterns: last line first.
    """
    name = path[path.rfind(b"/") + 1 :]
    for pattern in patterns:
        if (folder or not pattern.folders_only) and pattern.test(name if pattern.by_name else path):
            return pattern
    return None


def is_wild(name: bytes) -> bool:
    """Whether a pattern of one name says nothing of the name, as ``*`` or ``.*``."""
    return not name.strip(b"*?.")


def parse(text: bytes) -> tuple[Pattern, ...]:
    """The patterns of an ignore file, in its order."""
    return tuple(_parse_lines(text.removeprefix(b"\xef\xbb\xbf")))


def parse_line(line: bytes, number: int = 1) -> Pattern | None:
    """One pattern, or None for a comment or an empty line."""
    if line.startswith(b"#"):
        return None
    line = _trim(line)
    body = line.removeprefix(b"!")
    folders_only = body.endswith(b"/")
    if folders_only:
        body = body[:-1]
    if not body:
        return None
    return Pattern(
        line.decode(errors="replace"),
        number,
        body.removeprefix(b"/"),
        negated=line.startswith(b"!"),
        by_name=b"/" not in body,
        folders_only=folders_only,
    )


def _parse_lines(text: bytes) -> Iterator[Pattern]:
    for number, line in enumerate(text.split(b"\n"), 1):
        pattern = parse_line(line.removesuffix(b"\r"), number)
        if pattern is not None:
            yield pattern


def _trim(line: bytes) -> bytes:
    """Without the spaces at its end, apart from one that a backslash escapes."""
    kept = line.rstrip(b" ")
    escaped = (len(kept) - len(kept.rstrip(b"\\"))) % 2
    return kept + b" " if escaped and kept != line else kept


@lru_cache(maxsize=4096)
def compile_body(body: bytes) -> re.Pattern[bytes] | None:
    """A pattern as a regular expression; None if it is malformed, then it matches nothing."""
    parts: list[bytes] = []
    special = _SPECIAL.search(body)
    # git compares what comes before the first wildcard by itself and matches the rest from
    # its start, so that `**` after a literal beginning counts as one at the beginning.
    start = special.start() if special else len(body)
    position = 0
    while position < len(body):
        sign = body[position : position + 1]
        if sign == b"*":
            part, position = _stars(body, position, start)
        elif sign == b"[":
            found = _bracket(body, position + 1)
            if found is None:
                return None
            part, position = found
        elif sign == b"?":
            part, position = b"[^/]", position + 1
        elif sign == b"\\":
            if position + 1 == len(body):
                return None
            part, position = re.escape(body[position + 1 : position + 2]), position + 2
        else:
            part, position = re.escape(sign), position + 1
        parts.append(part)
    return re.compile(b"".join(parts), re.DOTALL)


def _stars(body: bytes, first: int, start: int) -> tuple[bytes, int]:
    position = first
    while body[position : position + 1] == b"*":
        position += 1
    rest = body[position:]
    opens = first == start or body[first - 1 : first] == b"/"
    closes = not rest or rest.startswith((b"/", b"\\/"))
    if position - first == 1 or not (opens and closes):
        return b"[^/]*", position
    if rest.startswith(b"/"):
        return b"(?:.*/)?", position + 1
    return b".*", position


def _bracket(body: bytes, position: int) -> tuple[bytes, int] | None:
    """The set that begins after ``[``, and where the pattern goes on after ``]``."""
    negated = body[position : position + 1] in (b"!", b"^")
    if negated:
        position += 1
    members: set[int] = set()
    previous = 0
    first = True
    while first or body[position : position + 1] != b"]":
        first = False
        step = _member(body, position, previous)
        if step is None:
            return None
        found, previous, position = step
        members |= found
    allowed = (set(range(256)) - members if negated else members) - {_SLASH}
    return _set(allowed), position + 1


def _member(body: bytes, position: int, previous: int) -> tuple[set[int], int, int] | None:
    """One part of a set: what it holds, what a range may begin with, where the next begins."""
    if position >= len(body):
        return None
    sign = body[position]
    if sign == ord("\\"):
        if position + 1 >= len(body):
            return None
        return {body[position + 1]}, body[position + 1], position + 2
    after = body[position + 1 : position + 2]
    if sign == ord("-") and previous and after not in (b"", b"]"):
        end = position + (2 if after == b"\\" else 1)
        if end >= len(body):
            return None
        return set(range(previous, body[end] + 1)), 0, end + 1
    if sign == ord("[") and after == b":":
        return _class(body, position)
    return {sign}, sign, position + 1


def _class(body: bytes, position: int) -> tuple[set[int], int, int] | None:
    end = body.find(b"]", position + 2)
    if end < 0:
        return None
    if end < position + 3 or body[end - 1 : end] != b":":
        return {ord("[")}, ord("["), position + 1
    wanted = _CLASSES.get(body[position + 2 : end - 1])
    if wanted is None:
        return None
    return {sign for sign in range(256) if re.match(wanted, bytes([sign]))}, 0, end + 1


def _set(members: set[int]) -> bytes:
    if not members:
        return b"(?!)"
    return b"[" + b"".join(b"\\x%02x" % sign for sign in sorted(members)) + b"]"
