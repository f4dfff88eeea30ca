"""Patterns of ignore files, as git reads them (gitignore(5)), by way of pathspec.

A pattern is matched against one path and says nothing of what lies inside a folder that it
matches: whoever walks a tree does not go in. Paths and patterns are bytes, as in git, where
``?`` is one byte.

pathspec departs from git in sets with POSIX classes, backslashes, slashes or backward ranges, in
``\\/``, and, in a pattern with a slash inside, where ``**`` touches another character or ``[!a]``
or a range may match a slash.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache

from sematic.oci.values import frozen

_SPECIAL = re.compile(rb"[*?\[\\]")
_WILD = re.compile(_SPECIAL.pattern.decode())
_ONE_OF = re.compile(r"([^*?\[\\]*)\[([A-Za-z0-9]+)\]")  # as in *.py[cod]
_WHITE_END = re.compile(rb"(?<!\\)[\s\x1c-\x1f\x85\xa0]\Z")


@frozen
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
        return matcher(self.body, self.by_name)

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


class Screen:
    """Says quickly of most names that none of many patterns is about them.

    It knows the forms that are cheap to read. Where there is another one it is not whole, and
    says nothing.
    """

    def __init__(self, patterns: Iterable[Pattern], *others: Screen) -> None:
        forms = [_form(pattern) for pattern in patterns]
        self.is_whole: bool = None not in forms and all(other.is_whole for other in others)
        known = [(form[0], text) for form in forms if form for text in form[1]]
        self._names = frozenset(text for kind, text in known if kind == "name")
        self._starts = tuple(text for kind, text in known if kind == "start")
        self._ends = tuple(text for kind, text in known if kind == "end")
        for other in others:
            self._names |= other._names
            self._starts += other._starts
            self._ends += other._ends

    def passes(self, name: str) -> bool:
        """Whether no pattern can match a path that ends with this name."""
        return not (
            name in self._names or name.endswith(self._ends) or name.startswith(self._starts)
        )


def _form(pattern: Pattern) -> tuple[str, list[str]] | None:
    """What the last name of a path must be, begin or end with for a pattern to match."""
    try:
        body = pattern.body.decode()
    except UnicodeDecodeError:
        return None  # it may be about half of a letter
    if not pattern.by_name:
        is_cheap = not _WILD.search(body.removeprefix("**/"))
        return ("name", [body[body.rfind("/") + 1 :]]) if is_cheap else None
    if not _WILD.search(body):
        return "name", [body]
    start, star, end = body.partition("*")
    if not star or _WILD.search(start):
        return None
    if one := _ONE_OF.fullmatch(end):
        return "end", [one[1] + letter for letter in one[2]]
    if _WILD.search(end) or not start + end:
        return None
    return ("end", [end]) if end else ("start", [start])


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
def matcher(body: bytes, by_name: bool) -> Callable[[bytes], object]:
    """Says whether a path matches, or a name where the pattern is by name.

    pathspec is slow to load: the commonest forms do without.
    """
    if not _SPECIAL.search(body):
        return body.__eq__
    start, star, end = body.partition(b"*")
    if by_name and star and not _SPECIAL.search(start + end):
        least = len(start) + len(end)
        return lambda name: len(name) >= least and name.startswith(start) and name.endswith(end)
    if body.startswith(b"**/") and not _SPECIAL.search(body, 3):
        return lambda path: (b"/" + path).endswith(body[2:])
    regex = _compile(body)
    if regex is None:
        return lambda path: False
    # pathspec has a group for the slash after a folder that matches as a whole. There is none
    # in the regex of a pattern that matches all there is inside, such as `a/**`.
    return regex.fullmatch if regex.groups else regex.search


def _compile(body: bytes) -> re.Pattern[bytes] | None:
    """A pattern as a regular expression; None if it is malformed, then it matches nothing."""
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    # pathspec strips what is white space in latin-1 from the end, even the last byte of an "à".
    kept = _WHITE_END.sub(rb"[\g<0>]", body)
    try:
        text, _ = GitIgnoreSpecPattern.pattern_to_regex(b"/" + kept)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `[[]` is a set like any other
            return None if text is None else re.compile(text, re.DOTALL)
    except (ValueError, re.error):
        return None
