"""What of one folder goes into an image, packed: entries of a million files take a gigabyte."""

from __future__ import annotations

import hashlib
import marshal
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sematic.oci.environment.look import facts_below
from sematic.oci.errors import FileChanged
from sematic.oci.files import FileEntry, FileGroup

if TYPE_CHECKING:
    from sematic.oci.environment.look import Fact


class Packed:
    """A folder of whose files no more is kept than their names and a hash of how they looked.

    When entries of them are asked for, they are looked at again.

    :param path: in the image; empty for its root.
    :param host: where the folder lies on this machine.
    :param names: of files that go in as they are.
    :param facts: what stat() said of each.
    :param made: entries of all else: the folder itself, links.
    :param keeps: keep what stat() said as well, since they will be asked for.
    """

    __slots__ = ("_facts", "_fingerprint", "_host", "_made", "_names", "_newest", "_path", "_size")

    def __init__(
        self,
        path: str,
        host: str,
        names: Sequence[str],
        facts: list[Fact],
        made: Sequence[FileEntry],
        keeps: bool = False,
    ) -> None:
        stamps = [stamp for entry in made if entry.stamp for stamp in entry.stamp[:2]]
        size = sum([entry.size for entry in made])
        if facts:
            mtimes, ctimes, sizes, _, _ = zip(*facts, strict=True)
            stamps += [max(mtimes), max(ctimes)]
            size += sum(sizes)
        self._path = path
        self._host = host
        self._made = made
        self._names = "\0".join(names)
        self._facts = facts if keeps else None
        self._size = size
        self._newest = max(stamps, default=0)
        self._fingerprint = self._fingerprint_of(facts)

    def group(self, name: str) -> FileGroup:
        """:param name: for people, and by which it is packed into a layer."""
        return FileGroup(
            name,
            "source",
            name,
            self._size,
            len(self._made) + (self._names.count("\0") + 1 if self._names else 0),
            self._fingerprint,
            self._newest,
            self.entries,
        )

    def entries(self) -> Sequence[FileEntry]:
        """:raises FileChanged: a file is not what it was."""
        names = self._names.split("\0") if self._names else []
        facts = self._look_again(names) if self._facts is None else self._facts
        return [*self._made, *map(self._entry, names, facts)]

    def _entry(self, name: str, fact: Fact) -> FileEntry:
        path = f"{self._path}/{name}" if self._path else name
        mode = 0o755 if fact[4] & 0o100 else 0o644
        return FileEntry(path, "file", mode, fact[2], f"{self._host}/{name}", stamp=fact[:4])

    def _look_again(self, names: Sequence[str]) -> list[Fact]:
        try:
            facts = facts_below(self._host, names, follow=False) if names else []
        except OSError as error:
            path = os.path.join(self._host, os.fsdecode(error.filename))
            raise FileChanged(f"cannot look at {path} any more: {error.strerror}") from None
        if self._fingerprint_of(facts) != self._fingerprint:
            raise FileChanged(f"a file in {self._host}/ has changed since it was found")
        return facts

    def _fingerprint_of(self, facts: list[Fact]) -> bytes:
        made = [entry[:4] + entry[5:] for entry in self._made]
        everything = marshal.dumps((self._path, self._names, facts, made), 2)
        return hashlib.blake2b(everything, digest_size=16).digest()
