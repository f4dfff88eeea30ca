"""What rules say of the names in a tree's folders: remembered, or decided now.

It is remembered of a folder as long as the rules that count there are the same. If its names are
the same too, one comparison tells that nothing is to be decided.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from sematic.oci.files import Stamp, settled
from sematic.oci.memo import FolderMemo, Memo
from sematic.oci.tree.gitignore import Screen
from sematic.oci.tree.ignore import Rules, Scope, Verdict
from sematic.oci.tree.listing import Kind, Listing

IN = Verdict(True)
KEY = ".pem"
"""The end of a name that may be a private key's: its content is to be looked at."""

Decided: TypeAlias = "dict[str, Any]"
"""By kind and name: None for what simply goes in, else the parts of a verdict."""

_Folder: TypeAlias = "tuple[bytes, bytes, Decided]"
"""By which rules it was decided, of which names, and what."""

_Key: TypeAlias = "tuple[Stamp, bool]"
"""What a file that may be a private key's looked like, and whether it is."""


class Decisions:
    """:param root: the tree's root, by which it is remembered."""

    def __init__(self, root: str, rules: Rules, memo: Memo) -> None:
        self._rules = rules
        self._memo = FolderMemo(memo, "decisions", root)
        self._screens: dict[Scope, Callable[[str], bool] | None] = {}
        self._folders: dict[str, _Folder] = {}
        self._keys: dict[str, _Key] = {}
        self._seen: dict[str, _Folder] = {}
        self._seen_keys: dict[str, _Key] = {}
        self._learned = False
        known = self._memo.recall()
        if known and known[0] == rules.key:
            _, self._folders, self._keys = known

    def of(self, path: str, scope: Scope, forced: bool, listing: Listing) -> Decided:
        """What becomes of each name in a folder that a rule may be about.

        All others are files that simply go in.

        :param path: the folder's, relative to the root; empty for the root.
        :param forced: whether the folder is in by an include pattern.
        """
        key = scope.key + (b"+" if forced else b"")
        known = self._folders.get(path)
        if known is None or known[0] != key:
            known = (key, b"", {})
        if known[1] != listing.digest:
            decided = dict(self._decide(path, scope, forced, listing, known[2]))
            known = (key, listing.digest, decided)
            self._learned = True
        self._seen[path] = known
        return known[2]

    def is_key(self, path: str, stamp: Stamp, content: Callable[[], bytes]) -> bool:
        """Whether a file holds a private key."""
        known = self._keys.get(path)
        if known is None or known[0] != stamp:
            started = time.time_ns()
            known = (settled(stamp, started), b"PRIVATE KEY-----" in content())
            self._learned = True
        self._seen_keys[path] = known
        return known[1]

    def remember(self) -> None:
        """Once all of the tree has been walked."""
        if self._learned:
            self._memo.remember((self._rules.key, self._seen, self._seen_keys))

    def _decide(
        self, path: str, scope: Scope, forced: bool, listing: Listing, known: Decided
    ) -> Iterator[tuple[str, Any]]:
        above = f"{path}/" if path else ""
        for name, kind in self._to_decide(scope, forced, listing):
            word = kind + name
            if word in known:
                yield word, known[word]
                continue
            full = os.fsencode(above + name)
            verdict = self._rules.decide(scope, full, "f" if kind == "s" else kind, forced)
            yield word, None if verdict == IN else tuple(verdict)

    def _to_decide(
        self, scope: Scope, forced: bool, listing: Listing
    ) -> Iterator[tuple[str, Kind]]:
        yield from listing.others.items()
        passes = None if forced else self._screen(scope)
        for name in listing.files:
            if passes is None or not passes(name) or name.endswith(KEY):
                yield name, "f"

    def _screen(self, scope: Scope) -> Callable[[str], bool] | None:
        """Says of most names that no rule is about them; None where rules do not allow that."""
        if scope not in self._screens:
            screen = Screen((), self._rules.screen, scope.screen)
            self._screens[scope] = screen.passes if screen.is_whole else None
        return self._screens[scope]
