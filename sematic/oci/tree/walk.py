"""A source tree on its way into the image: what goes in, and what is left out and why."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property

from sematic.oci import look
from sematic.oci.errors import ProjectError
from sematic.oci.files import FileEntry, FileGroup, LeftOut
from sematic.oci.looking import Looking
from sematic.oci.memo import Memo
from sematic.oci.tree.decisions import IN, Decisions
from sematic.oci.tree.folder import Folder, Taken
from sematic.oci.tree.ignore import Rules, Scope
from sematic.oci.tree.links import Region
from sematic.oci.tree.listing import Listing, Listings
from sematic.oci.tree.packed import NOTHING, Found, Packed
from sematic.oci.tree.repository import read, scope_above
from sematic.oci.tree.rules import ENVIRONMENT
from sematic.oci.values import frozen, replace

_UNPACKED = 10_000
"""Files that are not packed: a small tree need not be looked at twice."""


@frozen
class Tree:
    """A source tree's files, links and folders, and what does not go in; sorted by path.

    :param folders: a group for each folder, named by its path relative to the root: the folder
        itself, and the files and links in it.
    """

    folders: tuple[FileGroup, ...]
    left_out: tuple[LeftOut, ...]

    @cached_property
    def entries(self) -> tuple[FileEntry, ...]:
        """All of them; where they are many, their files are looked at again.

        :raises FileChanged: one is not what it was when the tree was walked.
        """
        entries = [entry for folder in self.folders for entry in folder.entries()]
        return tuple(sorted(entries, key=lambda entry: os.fsencode(entry.path)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tree):
            return NotImplemented
        return (self.entries, self.left_out) == (other.entries, other.left_out)

    def __hash__(self) -> int:
        return hash((self.entries, self.left_out))

    def holds(self, path: str) -> bool:
        """Whether there is something at a path, which is relative to the root."""
        there = {folder.name: folder for folder in self.folders}
        parent, name = os.path.split(path)
        above = there.get(parent or ".")
        return path in there or any(
            entry.kind != "folder" and os.path.basename(entry.path) == name
            for entry in (above.entries() if above else ())
        )


def find_tree(
    root: str | os.PathLike[str],
    prefix: str = "sematic/src",
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    memo: Memo,
    beside: Looking | None = None,
) -> Tree:
    """Walk a source tree.

    :param prefix: where it lies in the image. The prefix itself gets no entry.
    :param include: patterns that bring in what other rules leave out.
    :param exclude: patterns for what else to leave out.
    :param memo: where listings and decisions are remembered, so that only new paths need to be
        listed and decided.
    :param beside: who looks at its files already.
    :raises ProjectError: the root is no folder.
    :raises FileError: a folder cannot be listed, or a file cannot be looked at.
    """
    root = os.path.realpath(root)
    if not os.path.isdir(root):
        problem = "is not a folder" if os.path.lexists(root) else "does not exist"
        raise ProjectError(f"{root} {problem}: give the folder that holds the project")
    rules = Rules(include, exclude)
    return _Walk(root, prefix.strip("/"), rules, memo, beside or Looking()).run()


class _Walk:
    def __init__(self, root: str, prefix: str, rules: Rules, memo: Memo, beside: Looking) -> None:
        self._root = root
        self._prefix = prefix
        self._rules = rules
        self._listings = Listings(root, memo)
        self._decisions = Decisions(root, rules, memo)
        self._beside = beside
        self._found: dict[str, Found] = {}
        self._left_out: list[LeftOut] = []

    def run(self) -> Tree:
        above = scope_above(self._root) or Scope(None, b"")
        stack = [Folder(self._root, "", self._prefix, above, (Region(self._root, ""),))]
        while stack:
            stack.extend(self._enter(stack.pop()))
        self._listings.remember()
        self._decisions.remember()
        packed = self._packed()
        paths = sorted(packed, key=os.fsencode)
        folders = [packed[path].group(path or ".") for path in paths]
        left_out = sorted(self._left_out, key=lambda thing: os.fsencode(thing.path))
        return Tree(tuple(folders), tuple(left_out))

    def _packed(self) -> dict[str, Packed]:
        """All that was found, once its files have been looked at.

        From the last folder on, since somebody else has begun with the first.
        """
        packed = {path: Packed(f, NOTHING) for path, f in self._found.items() if not f.names}
        files = [(path, found) for path, found in self._found.items() if found.names]
        self._beside.renew(*look.listing([], [([found.below()], []) for _, found in files]))
        keeps = sum(found.files for _, found in files) <= _UNPACKED
        for number, (path, found) in reversed(list(enumerate(files))):
            seen = self._beside.group(number)
            packed[path] = Packed(found, seen) if seen else Packed.of(found, keeps)
        return packed

    def _enter(self, folder: Folder) -> list[Folder]:
        """List a folder, take what goes in, and give the folders in it that come next."""
        listing = self._listings.of(folder.path, folder.host)
        if listing is None:
            return []
        if _is_environment(folder, listing):
            if not folder.hidden:
                self._left_out.append(LeftOut(folder.path + "/", ENVIRONMENT))
            if not self._rules.reaches(os.fsencode(folder.path), by_name=True):
                return []
            folder = replace(folder, hidden=True, verdict=IN)
        taken = Taken(folder, _scope(folder, listing), self._rules, self._decisions)
        taken.take(listing)
        self._left_out += taken.left_out
        self._add(folder, taken)
        return taken.folders

    def _add(self, folder: Folder, taken: Taken) -> None:
        """A folder, unless nothing of one that is left out goes in."""
        is_empty = not taken.names and not taken.entries
        if is_empty and (folder.hidden or not folder.path):
            return
        self._add_above(folder.path)
        own = [FileEntry.folder(folder.placed)] if folder.path else []
        made = [*own, *taken.entries]
        self._found[folder.path] = Found(folder.placed, folder.host, taken.names, made)

    def _add_above(self, path: str) -> None:
        """The folders on the way to one that goes in: they may have been left out."""
        while (path := path.rpartition("/")[0]) and path not in self._found:
            placed = f"{self._prefix}/{path}" if self._prefix else path
            self._found[path] = Found(placed, "", "", [FileEntry.folder(placed)])


def _is_environment(folder: Folder, listing: Listing) -> bool:
    if not folder.path or folder.verdict.named:
        return False
    return listing.notes_file("pyvenv.cfg") or listing.notes_folder("conda-meta")


def _scope(folder: Folder, listing: Listing) -> Scope:
    """The ignore files that count in a folder."""
    texts = [
        read(os.path.join(folder.host, name)) if listing.notes_file(name) else b""
        for name in (".gitignore", ".sematicignore")
    ]
    if not any(texts):
        return folder.scope
    path = folder.path + "/" if folder.path else ""
    return Scope(folder.scope, texts[0], texts[1], folder=os.fsencode(path), title=path)
