"""What an environment looked like when it was last read, and whether it still looks like that.

A check is one stat() of each folder, of each file that said which files there are, and of each
file that goes into the image. Nothing is listed or read.
"""

from __future__ import annotations

import hashlib
import marshal
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sematic.oci.files import LeftOut, Stamp, settled, stamp_of
from sematic.oci.look import fact, facts_below, stamps_record
from sematic.oci.values import field, frozen, mutable

if TYPE_CHECKING:
    from sematic.oci.look import Fact

VERSION = 3
"""Raised when what a snapshot holds, or what is made of it, changes."""


class Part(NamedTuple):
    """Files below one folder that go into the image as they are.

    :param base: the folder on this machine.
    :param image: the same folder in the image.
    :param joined: their paths, relative to both, with NULs between: one text is quick to load.
    """

    base: str
    image: str
    joined: str

    @property
    def paths(self) -> list[str]:
        return self.joined.split("\0") if self.joined else []

    @property
    def length(self) -> int:
        return self.joined.count("\0") + 1 if self.joined else 0


class Script(NamedTuple):
    """A console script, whose first line is to name the image's interpreter.

    :param entry: ``module:attribute`` where that is all it starts.
    """

    host: str
    path: str
    entry: str


class Made(NamedTuple):
    """A file or a link that is not on this machine in this form."""

    path: str
    data: bytes
    target: str = ""


@frozen
class Contents:
    """What is in a group.

    :param record: the distribution's RECORD on this machine, and where it goes.
    :param identity: a hash of what the fields say, apart from where things lie here.
    """

    name: str
    kind: str
    key: str
    parts: tuple[Part, ...]
    scripts: tuple[Script, ...]
    record: tuple[str, str] | None
    made: tuple[Made, ...]
    identity: bytes

    @classmethod
    def of(
        cls,
        name: str,
        kind: str,
        key: str,
        parts: Sequence[Part],
        scripts: Sequence[Script] = (),
        record: tuple[str, str] | None = None,
        made: Sequence[Made] = (),
    ) -> Contents:
        facts = (
            (name, kind, key, VERSION),
            [tuple(part[1:]) for part in parts],
            [tuple(script[1:]) for script in scripts],
            record[1] if record else "",
            [tuple(thing) for thing in made],
        )
        identity = hashlib.blake2b(marshal.dumps(facts, 2), digest_size=16).digest()
        return cls(name, kind, key, tuple(parts), tuple(scripts), record, tuple(made), identity)

    @property
    def count(self) -> int:
        return self.whole + len(self.others) + len(self.made)

    @property
    def whole(self) -> int:
        """The files that go in as they are."""
        return sum(part.length for part in self.parts)

    @property
    def others(self) -> list[str]:
        """Files on this machine that are written anew."""
        record = [self.record[0]] if self.record else []
        return [script.host for script in self.scripts] + record

    def facts(self) -> list[Fact]:
        """What its files look like now: those of the parts, then the others.

        :raises OSError: one of them is gone, or cannot be looked at.
        """
        found: list[Fact] = []
        for part in self.parts:
            found += facts_below(part.base, part.paths)
        return found + [fact(os.stat(path)) for path in self.others]

    def plain(self) -> tuple[Any, ...]:
        """In types that marshal takes."""
        return (
            self.name,
            self.kind,
            self.key,
            [tuple(part) for part in self.parts],
            [tuple(script) for script in self.scripts],
            self.record,
            [tuple(thing) for thing in self.made],
            self.identity,
        )

    @classmethod
    def from_plain(cls, plain: tuple[Any, ...]) -> Contents:
        name, kind, key, parts, scripts, record, made, identity = plain
        return cls(
            name,
            kind,
            key,
            tuple(Part(*part) for part in parts),
            tuple(Script(*script) for script in scripts),
            record,
            tuple(Made(*thing) for thing in made),
            identity,
        )


@mutable
class Watch:
    """What tells whether the same files are still there.

    :param folders: paths below each site folder.
    :param stamps: theirs, in the same order.
    :param listings: hashes of the names in them.
    :param files: files that were read, and their stamps; None for one that was not there.
    :param assumed: paths, and whether they were a folder.
    """

    folders: dict[str, list[str]] = field(default_factory=dict)
    stamps: dict[str, list[Stamp]] = field(default_factory=dict)
    listings: dict[str, list[bytes]] = field(default_factory=dict)
    files: dict[str, Stamp | None] = field(default_factory=dict)
    assumed: dict[str, bool] = field(default_factory=dict)

    def watch_file(self, path: str, started: int) -> None:
        stamp = file_stamp(path)
        self.files[path] = settled(stamp, started) if stamp else None

    def check(self, started: int, is_seen: bool = False) -> bool | None:
        """Whether nothing changed: True; None if only stamps did, which it has learned now.

        :param is_seen: somebody has looked at its folders already, and found them as they were.
        """
        if any(os.path.isdir(path) is not known for path, known in self.assumed.items()):
            return False
        same: bool | None = True
        for path, known in self.files.items():
            if file_stamp(path) != known:
                return False
        if is_seen:
            return same
        for site, folders in self.folders.items():
            found = self._check_folders(site, folders, started)
            if found is False:
                return False
            same = same and found
        return same

    def record(self) -> bytes:
        """What is said of its folders while they are as they were."""
        return stamps_record([stamp for stamps in self.stamps.values() for stamp in stamps])

    def _check_folders(self, site: str, folders: list[str], started: int) -> bool | None:
        try:
            now = [fact[:4] for fact in facts_below(site, folders)]
        except OSError:
            return False
        known = self.stamps[site]
        if now == known:
            return True
        for index, stamp in enumerate(now):
            if stamp != known[index]:
                names = list_folder(os.path.join(site, folders[index]))
                if names is None or listing_hash(names) != self.listings[site][index]:
                    return False
                known[index] = settled(stamp, started)
        return None

    def plain(self) -> tuple[Any, ...]:
        joined = {site: "\0".join(folders) for site, folders in self.folders.items()}
        return joined, self.stamps, self.listings, self.files, self.assumed

    @classmethod
    def from_plain(cls, plain: tuple[Any, ...]) -> Watch:
        joined, stamps, listings, files, assumed = plain
        folders = {site: text.split("\0") for site, text in joined.items()}
        return cls(folders, stamps, listings, files, assumed)


@frozen
class SourceRoot:
    """A source tree of an editable install that lies outside the project.

    :param name: the distribution's, else the folder's.
    :param folder: where it lies on this machine.
    :param prefix: where it goes in the image.
    :param paths: the absolute folders in the image by which it gets on ``sys.path``.
    """

    name: str
    folder: str
    prefix: str
    paths: tuple[str, ...]


@mutable
class Survey:
    """What was found.

    :param watch: what tells later whether it still holds.
    :param listed: what identifies the list of all files that are to be looked at.
    :param names: what :func:`list_folder` gave of the folders of each site folder; not loaded.
    """

    groups: list[Contents] = field(default_factory=list)
    roots: list[SourceRoot] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)
    listed: bytes = b""
    names: dict[str, list[str]] = field(default_factory=dict)


def list_folder(path: str) -> str | None:
    """The names in a folder that may go in, sorted, with slashes between.

    Before each stands what it is: f, d, or l for a link.
    """
    names = []
    try:
        with os.scandir(path) as listing:
            for item in listing:
                if item.is_symlink():
                    names.append(f"l{item.name}")
                elif item.is_dir(follow_symlinks=False):
                    if item.name != "__pycache__":
                        names.append(f"d{item.name}")
                elif item.is_file(follow_symlinks=False) and not item.name.endswith(".pyc"):
                    names.append(f"f{item.name}")
    except OSError:
        return None
    return "/".join(sorted(names))


def listing_hash(names: str) -> bytes:
    return hashlib.blake2b(os.fsencode(names), digest_size=16).digest()


def file_stamp(path: str) -> Stamp | None:
    try:
        return stamp_of(os.stat(path))
    except OSError:
        return None
