"""A folder of this machine as it looks from outside: its names, and what stat() says of files."""

from __future__ import annotations

import hashlib
import marshal
import os
import stat
import time
from typing import TYPE_CHECKING, Literal, TypeAlias

from sematic.oci.errors import FileChanged, FileError
from sematic.oci.files import Stamp, settled, stamp_of
from sematic.oci.look import facts_below
from sematic.oci.memo import FolderMemo, Memo

if TYPE_CHECKING:
    from sematic.oci.look import Fact

Kind = Literal["f", "d", "l", "s"]
"""A file, a folder, a link, or what is none of these (a socket, a FIFO, a device)."""

_Known: TypeAlias = "tuple[Stamp, str, dict[str, Kind], bytes]"
"""What a folder looked like, the names of its files with NULs between, those of others, a hash."""

NOTED = frozenset((".gitignore", ".sematicignore", "pyvenv.cfg", "conda-meta"))
"""Names of files and folders that say something of the folder they are in."""


class Listing:
    """The names in a folder.

    :param joined: those of files, sorted, with NULs between.
    :param others: the kinds of all others.
    :param digest: of both.
    """

    __slots__ = ("_noted", "digest", "files", "joined", "others")

    def __init__(self, joined: str, others: dict[str, Kind], digest: bytes) -> None:
        self.joined = joined
        self.others = others
        self.digest = digest
        self.files = joined.split("\0") if joined else []
        self._noted = NOTED.intersection(self.files)

    def notes_file(self, name: str) -> bool:
        """Whether there is a file of a noted name, or what may stand for one, as a link does."""
        return name in self._noted or self.others.get(name, "d") != "d"

    def notes_folder(self, name: str) -> bool:
        return self.others.get(name) == "d"


class Listings:
    """The folders of a tree, listed again only where they do not look as they did.

    :param root: the tree's root, by which they are remembered.
    """

    def __init__(self, root: str, memo: Memo) -> None:
        self._memo = FolderMemo(memo, "listings", root)
        self._known: dict[str, _Known] = self._memo.recall() or {}
        self._seen: dict[str, _Known] = {}
        self._learned = False

    def of(self, path: str, folder: str) -> Listing | None:
        """The names in a folder; None if it has gone in the meantime.

        :param path: relative to the root.
        :param folder: where it lies on this machine.
        :raises FileError: it cannot be listed.
        """
        known = self._known.get(path)
        try:
            started = time.time_ns()
            stamp = stamp_of(os.stat(folder))
            if known is None or known[0] != stamp:
                known = (settled(stamp, started), *_listed(folder))
                self._learned = True
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileError(
                f"cannot list {folder}/: {error.strerror}; "
                "change that, or leave the folder out with exclude"
            ) from None
        self._seen[path] = known
        return Listing(*known[1:])

    def remember(self) -> None:
        """Once all of the tree has been walked."""
        if self._learned:
            self._memo.remember(self._seen)


def facts_there(folder: str, names: list[str]) -> tuple[list[str], list[Fact]]:
    """Those names that have not gone in the meantime, and what stat() says of them.

    :raises FileChanged: one of them is no longer a file.
    :raises FileError: one of them cannot be looked at.
    """
    try:
        facts = facts_below(folder, names, follow=False)
    except FileNotFoundError:
        if len(names) == 1:
            return [], []
        each = [facts_there(folder, [name]) for name in names]
        return [n for there, _ in each for n in there], [f for _, facts in each for f in facts]
    except OSError as error:
        raise FileError(f"cannot look at {folder}/{error.filename}: {error.strerror}") from None
    if not all(map(stat.S_ISREG, {fact[4] for fact in facts})):
        raise FileChanged(f"a file in {folder}/ became something else while it was listed")
    return names, facts


def _listed(folder: str) -> tuple[str, dict[str, Kind], bytes]:
    """The names of files, those of others, and a hash of both.

    :raises OSError: it cannot be listed.
    """
    with os.scandir(folder) as listing:
        items = list(listing)
    odd = [item for item in items if not item.is_file(follow_symlinks=False)]
    others = dict(sorted((item.name, _kind(item)) for item in odd))
    joined = "\0".join(sorted([item.name for item in items if item.name not in others]))
    facts = marshal.dumps((joined, list(others.items())), 2)
    return joined, others, hashlib.blake2b(facts, digest_size=16).digest()


def _kind(item: os.DirEntry[str]) -> Kind:
    if item.is_symlink():
        return "l"
    return "d" if item.is_dir(follow_symlinks=False) else "s"
