"""What of one folder goes into an image, packed: entries of a million files take a gigabyte."""

from __future__ import annotations

import hashlib
import marshal
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from sematic.oci.errors import FileChanged, FileError
from sematic.oci.files import FileEntry, FileGroup
from sematic.oci.look import parts_of, record
from sematic.oci.tree.listing import facts_there

if TYPE_CHECKING:
    from sematic.oci.look import Fact


NOTHING = record([], 0)
"""How no files look."""


class Found(NamedTuple):
    """What of a folder goes in.

    :param placed: the folder's path in the image; empty for its root.
    :param host: where it lies on this machine.
    :param names: of files that go in as they are, with NULs between.
    :param made: entries of all else: the folder itself, links.
    """

    placed: str
    host: str
    names: str
    made: Sequence[FileEntry]

    @property
    def files(self) -> int:
        """How many there are."""
        return self.names.count("\0") + 1 if self.names else 0

    def below(self) -> tuple[bytes, bytes]:
        """Its files as a list has them that is to be looked at."""
        return os.fsencode(self.host), os.fsencode(self.names)


class Packed:
    """A folder of whose files no more is kept than their names and a hash of how they looked.

    When entries of them are asked for, they are looked at again.

    :param seen: the record of how they looked.
    :param facts: what stat() said of each, where that need not be asked again.
    """

    __slots__ = ("_facts", "_found", "_seen")

    def __init__(self, found: Found, seen: bytes, facts: list[Fact] | None = None) -> None:
        self._found = found
        self._seen = seen
        self._facts = facts

    @classmethod
    def of(cls, found: Found, keeps: bool) -> Packed:
        """A folder as its files look now; those that have gone do not go in.

        :param keeps: keep what stat() said as well, since it will be asked for.
        :raises FileChanged, FileError: see :func:`facts_there`.
        """
        names, facts = facts_there(found.host, found.names.split("\0"))
        there = found._replace(names="\0".join(names))
        return cls(there, record(facts, len(facts)), facts if keeps else None)

    def group(self, name: str) -> FileGroup:
        """:param name: for people, and by which it is packed into a layer."""
        found = self._found
        digest, size, newest = parts_of(self._seen)
        made = [entry[:4] + entry[5:] for entry in found.made]
        everything = marshal.dumps((found.placed, found.names, digest, made), 2)
        stamps = [max(entry.stamp[:2]) for entry in found.made if entry.stamp]
        return FileGroup(
            name,
            "source",
            name,
            size + sum([entry.size for entry in found.made]),
            len(found.made) + found.files,
            hashlib.blake2b(everything, digest_size=16).digest(),
            max([newest, *stamps]),
            self.entries,
        )

    def entries(self) -> Sequence[FileEntry]:
        """:raises FileChanged: a file is not what it was."""
        found = self._found
        names = found.names.split("\0") if found.names else []
        facts = self._look_again(names) if self._facts is None else self._facts
        return [*found.made, *map(self._entry, names, facts)]

    def _entry(self, name: str, fact: Fact) -> FileEntry:
        found = self._found
        path = f"{found.placed}/{name}" if found.placed else name
        mode = 0o755 if fact[4] & 0o100 else 0o644
        return FileEntry(path, "file", mode, fact[2], f"{found.host}/{name}", stamp=fact[:4])

    def _look_again(self, names: list[str]) -> list[Fact]:
        host = self._found.host
        try:
            there, facts = facts_there(host, names) if names else (names, [])
        except FileError as error:
            raise FileChanged(str(error)) from None
        for name in set(names).difference(there):
            raise FileChanged(f"{host}/{name} has gone since it was found")
        if record(facts, len(facts)) != self._seen:
            raise FileChanged(f"a file in {host}/ has changed since it was found")
        return facts
