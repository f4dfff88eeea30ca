"""A folder of this machine as it looks from outside: its names, and what stat() says of files."""

from __future__ import annotations

import hashlib
import marshal
import os
from typing import TYPE_CHECKING, Literal

from sematic.oci.environment.look import facts_below
from sematic.oci.errors import FileError

if TYPE_CHECKING:
    from sematic.oci.environment.look import Fact

Kind = Literal["f", "d", "l", "s"]
"""A file, a folder, a link, or what is none of these (a socket, a FIFO, a device)."""

NOTED = frozenset((".gitignore", ".sematicignore", "pyvenv.cfg", "conda-meta"))
"""Names of files and folders that say something of the folder they are in."""


class Listing:
    """The names in a folder.

    :param files: those of files.
    :param others: the kinds of all others.
    """

    __slots__ = ("_noted", "digest", "files", "others")

    def __init__(self, files: list[str], others: dict[str, Kind]) -> None:
        files.sort()
        self.files = files
        self.others = others
        self._noted = NOTED.intersection(files)
        facts = "\0".join(files), sorted(others.items())
        self.digest = hashlib.blake2b(marshal.dumps(facts, 2), digest_size=16).digest()

    def notes_file(self, name: str) -> bool:
        """Whether there is a file of a noted name, or what may stand for one, as a link does."""
        return name in self._noted or self.others.get(name, "d") != "d"

    def notes_folder(self, name: str) -> bool:
        return self.others.get(name) == "d"


def list_folder(folder: str) -> Listing | None:
    """The names in a folder; None if it has gone in the meantime.

    :raises FileError: it cannot be listed.
    """
    try:
        with os.scandir(folder) as listing:
            items = list(listing)
        odd = [item for item in items if not item.is_file(follow_symlinks=False)]
        others = {item.name: _kind(item) for item in odd}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(
            f"cannot list {folder}/: {error.strerror}; "
            "change that, or leave the folder out with exclude"
        ) from None
    names = [item.name for item in items]
    return Listing([name for name in names if name not in others] if odd else names, others)


def facts_there(folder: str, names: list[str]) -> tuple[list[str], list[Fact]]:
    """Those names that have not gone in the meantime, and what stat() says of them.

    :raises FileError: one of them cannot be looked at.
    """
    try:
        return names, facts_below(folder, names, follow=False)
    except FileNotFoundError:
        if len(names) == 1:
            return [], []
        each = [facts_there(folder, [name]) for name in names]
        return [n for there, _ in each for n in there], [f for _, facts in each for f in facts]
    except OSError as error:
        raise FileError(f"cannot look at {folder}/{error.filename}: {error.strerror}") from None


def _kind(item: os.DirEntry[str]) -> Kind:
    if item.is_symlink():
        return "l"
    return "d" if item.is_dir(follow_symlinks=False) else "s"
