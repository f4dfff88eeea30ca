"""Files on their way into a layer: one entry, and groups of entries."""

from __future__ import annotations

import hashlib
import marshal
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias, Union

from sematic.oci.values import frozen

Kind = Literal["file", "folder", "link"]
GroupKind = Literal["runtime", "distribution", "unowned", "source"]

Stamp: TypeAlias = "tuple[int, int, int, int]"
"""What a file looked like from outside: mtime (ns), ctime (ns), size (bytes), inode."""

UNTRUSTED: Stamp = (0, 0, 0, 0)
"""In place of a stamp so young that a later change may have given the same one."""

_RACY = 20_000_000
_RACY_SECONDS = 2_000_000_000


class Content(Protocol):
    """Bytes that are no file of this machine, as a member of a wheel is. Its text names it."""

    def open(self) -> Iterator[bytes]:
        """All of it, in chunks of any size; may be asked for more than once.

        :raises OCIError: it cannot be read.
        """


class FileEntry(NamedTuple):
    """One name in a layer and where its content comes from.

    :param path: in the image, relative to its root, without a leading slash; bytes that are
        not UTF-8 as surrogate escapes (:func:`os.fsdecode`).
    :param mode: permission bits as they will be written.
    :param size: bytes of content, 0 for folders and links.
    :param source: where the content lies: a path of this machine, or what can be read; empty
        where ``data`` is the content.
    :param target: where a link points, as it will be written.
    :param stamp: what the source looked like when it was found.
    """

    path: str
    kind: Kind = "file"
    mode: int = 0o644
    size: int = 0
    source: Union[str, Content] = ""
    data: bytes = b""
    target: str = ""
    stamp: Stamp | None = None

    @classmethod
    def from_bytes(cls, path: str, data: bytes, mode: int = 0o644) -> FileEntry:
        return cls(path.strip("/"), "file", mode, len(data), data=data)

    @classmethod
    def folder(cls, path: str, mode: int = 0o755) -> FileEntry:
        return cls(path.strip("/"), "folder", mode)

    @classmethod
    def link(cls, path: str, target: str) -> FileEntry:
        return cls(path.strip("/"), "link", 0o777, target=target)

    @classmethod
    def from_file(cls, path: str, source: str | os.PathLike[str]) -> FileEntry:
        """An entry whose content is a file's, executable where the file is.

        :raises OSError: there is no such file.
        """
        source = os.fspath(source)
        return cls.from_stat(path.strip("/"), source, os.stat(source))

    @classmethod
    def from_stat(cls, path: str, source: str, status: os.stat_result) -> FileEntry:
        mode = 0o755 if status.st_mode & 0o100 else 0o644
        return cls(path, "file", mode, status.st_size, source, stamp=stamp_of(status))


def stamp_of(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def settled(stamp: Stamp, started: int) -> Stamp:
    """A stamp that is old enough to be believed.

    :param started: when reading began (ns).
    """
    newest = max(stamp[:2])
    coarse = not (stamp[0] % 1_000_000_000 or stamp[1] % 1_000_000_000)
    return stamp if newest < started - (_RACY_SECONDS if coarse else _RACY) else UNTRUSTED


@frozen
class FileGroup:
    """Files that belong together and change together: a distribution, or a source folder.

    :param name: for people, as ``numpy 2.4.6`` or ``app/models``.
    :param key: the stable word by which it is packed into a layer.
    :param size: bytes of content.
    :param count: entries.
    :param fingerprint: differs whenever anything in the group may differ; needs no reading.
    :param newest: the latest mtime or ctime (ns) of its files, for the racy-clean rule.
    :param entries: the entries themselves, made when asked for.
    :param is_portable: whether it is known to have no native code.
    """

    name: str
    kind: GroupKind
    key: str
    size: int
    count: int
    fingerprint: bytes
    newest: int
    entries: Callable[[], Sequence[FileEntry]]
    is_portable: bool = False

    @classmethod
    def of(cls, name: str, kind: GroupKind, key: str, entries: Iterable[FileEntry]) -> FileGroup:
        """A group of entries that are at hand."""
        entries = tuple(entries)
        facts = [entry[:4] + entry[5:] for entry in entries]
        return cls(
            name,
            kind,
            key,
            sum([entry.size for entry in entries]),
            len(entries),
            hashlib.blake2b(marshal.dumps(facts, 2), digest_size=16).digest(),
            max([max(entry.stamp[:2]) for entry in entries if entry.stamp], default=0),
            lambda: entries,
        )


@frozen
class LeftOut:
    """Something in the tree that does not go into the image, and the rule that says so.

    :param path: relative to the project, folders with a trailing slash.
    :param rule: e.g. ``.gitignore:3: *.log``, ``always: node_modules/``, ``secret: .env*``,
        or the reason why it cannot go in, e.g. ``a socket``.
    :param weight: ``rule`` for what a rule leaves out, ``secret`` for what looks like a
        credential, ``refused`` for what cannot go in: the last two are told to the user.
    """

    path: str
    rule: str
    weight: Literal["rule", "secret", "refused"] = "rule"
