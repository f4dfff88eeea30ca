"""Which files of a source tree go into the image, and the rule that leaves one out.

Later rules win: what is always left out, ``.gitignore`` files, ``.sematicignore`` files,
exclude patterns, include patterns. Secrets stay out whatever the rules say, until an include
pattern without wildcards names the very file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

from sematic.oci.tree.gitignore import (
    Pattern,
    Screen,
    is_wild,
    last_match,
    matcher,
    parse,
    parse_line,
)
from sematic.oci.tree.rules import ALWAYS, SECRETS, always_of, always_screen, secret_of

VERSION = 2
"""Raised when the rules below change: decisions of older ones are then forgotten."""

Kind = Literal["f", "d", "l"]
Weight = Literal["rule", "secret", "refused"]


class Verdict(NamedTuple):
    """What becomes of one path.

    :param inside: it goes in.
    :param named: a pattern brings it in by its name, against what is always left out.
    :param forced: an include pattern matches it or a folder it lies in.
    :param reached: a folder that is left out, yet an include pattern may match in it.
    :param rule: what leaves it out.
    """

    inside: bool
    named: bool = False
    forced: bool = False
    reached: bool = False
    rule: str = ""
    weight: Weight = "rule"


class Scope:
    """The ignore files that count in a folder: its own, and those of the folders above it.

    :param folder: where they lie, relative to the tree's root, with a trailing slash; empty for
        the root and for folders above it.
    :param above: the way from a folder above the root to the root, with a trailing slash.
    :param title: how a rule is announced: the path of the folder as the user sees it.
    """

    def __init__(
        self,
        parent: Scope | None,
        git: bytes,
        own: bytes = b"",
        *,
        folder: bytes = b"",
        above: bytes = b"",
        title: str = "",
        git_name: str = ".gitignore",
    ) -> None:
        self.parent = parent
        self.folder = folder
        self.above = above
        self.title = title
        self.git_name = git_name
        self._texts = (git, own)
        digest = hashlib.blake2b(parent.key if parent else b"", digest_size=16)
        for text in (folder, above, git, own):
            digest.update(b"%d:" % len(text) + text)
        self.key: bytes = digest.digest()

    def chain(self) -> Iterator[Scope]:
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    @cached_property
    def git(self) -> tuple[Pattern, ...]:
        return parse(self._texts[0])[::-1]

    @cached_property
    def own(self) -> tuple[Pattern, ...]:
        return parse(self._texts[1])[::-1]

    @cached_property
    def screen(self) -> Screen:
        """Of its own patterns and those above."""
        above = [self.parent.screen] if self.parent else []
        return Screen((*self.git, *self.own), *above)

    def local(self, path: bytes) -> bytes:
        return self.above + path[len(self.folder) :]


class _Hit(NamedTuple):
    pattern: Pattern
    source: str

    @property
    def rule(self) -> str:
        return f"{self.source}{self.pattern.text}"


class Rules:
    """The settings' patterns, together with the rules that hold in every tree."""

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include_texts = tuple(include)
        self._exclude_texts = tuple(exclude)
        facts = repr((VERSION, ALWAYS, SECRETS, self._include_texts, self._exclude_texts))
        self.key = hashlib.blake2b(os.fsencode(facts), digest_size=16).digest()

    @cached_property
    def _include(self) -> tuple[Pattern, ...]:
        return _parse_settings(self._include_texts)

    @cached_property
    def _exclude(self) -> tuple[Pattern, ...]:
        return _parse_settings(self._exclude_texts)

    @cached_property
    def screen(self) -> Screen:
        """Of all patterns that are no ignore file's."""
        return Screen((*self._include, *self._exclude), always_screen())

    def decide(self, scope: Scope, path: bytes, kind: Kind, forced: bool) -> Verdict:
        """What becomes of a path.

        :param path: relative to the tree's root.
        :param kind: a file, a folder or a link.
        :param forced: whether the folder that it lies in is in by an include pattern.
        """
        # git never takes a link for a folder; here a name such as node_modules means a link
        # to it just as well, wherever the name comes from the settings or from this module.
        loose = kind != "f"
        include = last_match(self._include, path, loose)
        forced = not include.negated if include else forced
        secret = secret_of(path, loose)
        if secret:
            return self._secret(path, secret, loose)
        hit = None if forced else self._hit(scope, path, kind)
        named = _names(include) or bool(hit and hit.pattern.negated and not hit.pattern.is_wild)
        always = None if named else always_of(path, loose)
        if always:
            reached = loose and self.reaches(path, by_name=True)
            return Verdict(False, reached=reached, rule=f"always: {always.text}")
        if hit and not hit.pattern.negated:
            return Verdict(False, reached=loose and self.reaches(path), rule=hit.rule)
        return Verdict(True, named=named, forced=forced)

    def reaches(self, folder: bytes, *, by_name: bool = False) -> bool:
        """Whether an include pattern may match something inside a folder.

        :param by_name: only count patterns that give the folder's own name: ``*.bin`` does not
            reach into a folder that is always left out, ``.venv/share/**`` does.
        """
        names = folder.split(b"/")
        return any(not p.negated and _reaches(p, names, by_name) for p in self._include)

    def names_exactly(self, path: bytes) -> bool:
        """Whether an include pattern is this path, without a wildcard."""
        return any(
            p.is_literal and not p.negated and not p.folders_only and p.body == path
            for p in self._include
        )

    def names(self, path: bytes) -> bool:
        """Whether an include pattern is about this very path rather than a folder above it."""
        return _is_positive(last_match(self._include, path, True))

    def _secret(self, path: bytes, secret: Pattern, folder: bool) -> Verdict:
        if self.names_exactly(path):
            return Verdict(True, named=True, forced=True)
        reached = folder and any(
            p.is_literal and p.body.startswith(path + b"/") and not p.negated for p in self._include
        )
        return Verdict(False, reached=reached, rule=f"secret: {secret.text}", weight="secret")

    def _hit(self, scope: Scope, path: bytes, kind: Kind) -> _Hit | None:
        """The last pattern of the ignore files and of exclude that matches, if any."""
        exclude = last_match(self._exclude, path, kind != "f")
        if exclude:
            return _Hit(exclude, "exclude: ")
        return _scope_hit(scope, path, kind == "d")


def is_ignored_above(scope: Scope | None) -> bool:
    """Whether the ignore files above a tree's root leave out the root itself."""
    if scope is None:
        return False
    way = max((level.above for level in scope.chain()), key=len).split(b"/")[:-1]
    for depth in range(1, len(way) + 1):
        hit = _above_hit(scope, way, depth)
        if hit and not hit.negated:
            return True
    return False


def _above_hit(scope: Scope, way: list[bytes], depth: int) -> Pattern | None:
    for level in scope.chain():
        skipped = len(way) - level.above.count(b"/")
        if skipped < depth:
            hit = last_match(level.git, b"/".join(way[skipped:depth]), True)
            if hit:
                return hit
    return None


def _scope_hit(scope: Scope, path: bytes, folder: bool) -> _Hit | None:
    for level in scope.chain():
        hit = last_match(level.own, level.local(path), folder)
        if hit:
            return _Hit(hit, f"{level.title}.sematicignore:{hit.line}: ")
    for level in scope.chain():
        hit = last_match(level.git, level.local(path), folder)
        if hit:
            return _Hit(hit, f"{level.title}{level.git_name}:{hit.line}: ")
    return None


def is_always_left_out(path: bytes) -> bool:
    """Whether a folder, or one that it lies in, is left out of every tree by its name."""
    names = path.split(b"/")
    return any(always_of(b"/".join(names[:depth]), True) for depth in range(1, len(names) + 1))


def _parse_settings(texts: Sequence[str]) -> tuple[Pattern, ...]:
    patterns = (parse_line(os.fsencode(text)) for text in texts)
    return tuple(pattern for pattern in patterns if pattern)[::-1]


def _is_positive(pattern: Pattern | None) -> bool:
    return pattern is not None and not pattern.negated


def _names(include: Pattern | None) -> bool:
    return include is not None and not include.negated and not include.is_wild


def _reaches(pattern: Pattern, names: Sequence[bytes], by_name: bool) -> bool:
    """Whether a pattern can match a path that begins with these names and goes on."""
    wanted = [b"**", pattern.body] if pattern.by_name else pattern.body.split(b"/")
    states = {0}
    for depth, name in enumerate(names):
        last = by_name and depth == len(names) - 1
        states = set(_steps(wanted, states, name, last))
    return any(state < len(wanted) for state in states)


def _steps(wanted: Sequence[bytes], states: set[int], name: bytes, by_name: bool) -> Iterator[int]:
    for state in states:
        position = state
        while position < len(wanted) and wanted[position] == b"**":
            if not by_name:
                yield position
            position += 1
        if position < len(wanted) and _segment_matches(wanted[position], name, by_name):
            yield position + 1


def _segment_matches(wanted: bytes, name: bytes, by_name: bool) -> bool:
    return not (by_name and is_wild(wanted)) and bool(matcher(wanted, True)(name))
