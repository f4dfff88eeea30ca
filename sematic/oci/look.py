"""What many files look like from outside; also as a program, that looks beside whoever asks.

    python -I -S look.py FILE

FILE is what :func:`listing` gave. To stdout goes what identifies it, and then a record for all of
its folders and one for each of its groups, in order and as soon as it is known; of those of which
something is gone, :data:`GONE`. Imports next to nothing, for it is to start within milliseconds.
"""

from __future__ import annotations

import gc
import hashlib
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeAlias

    Fact: TypeAlias = tuple[int, int, int, int, int]
    Below: TypeAlias = Sequence[tuple[bytes, bytes]]

IDENTITY = 16
RECORD = 32
"""Bytes of a record: a hash, the files' size, the newest of their time stamps."""
GONE = b"\xff" * RECORD
"""In place of a record: something cannot be looked at, and whoever asked says what is wrong."""


def fact(status: os.stat_result) -> Fact:
    """A stamp, and the mode."""
    return (
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_size,
        status.st_ino,
        status.st_mode,
    )


def facts_below(
    base: str | bytes, paths: Iterable[str | bytes], *, follow: bool = True
) -> list[Fact]:
    """Facts of many files below a folder: relative to an open one, stat() is a fifth quicker.

    :param follow: links to what they lead to.
    :raises OSError: one of them is gone, or cannot be looked at.
    """
    stat = os.stat
    descriptor = os.open(base, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        return [
            (s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_ino, s.st_mode)
            for path in paths
            for s in [stat(path, dir_fd=descriptor, follow_symlinks=follow)]
        ]
    finally:
        os.close(descriptor)


def record(facts: list[Fact], whole: int) -> bytes:
    """What is said of a group.

    :param whole: so many of the first files count for its size.
    """
    digest = hashlib.blake2b(marshal.dumps(facts, 2), digest_size=16).digest()
    size = sum([fact[2] for fact in facts[:whole]])
    stamps = [fact[0] for fact in facts] + [fact[1] for fact in facts]
    newest = max(stamps, default=0)
    return digest + size.to_bytes(8, "big") + max(newest, 0).to_bytes(8, "big")


def parts_of(record: bytes) -> tuple[bytes, int, int]:
    """The hash, the size and the newest time stamp (ns) of a group."""
    numbers = record[16:24], record[24:]
    return record[:16], int.from_bytes(numbers[0], "big"), int.from_bytes(numbers[1], "big")


def stamps_record(stamps: Iterable[Sequence[int]]) -> bytes:
    """What is said of folders: nothing but the hash of their stamps."""
    data = marshal.dumps([tuple(stamp[:4]) for stamp in stamps], 2)
    return hashlib.blake2b(data, digest_size=16).digest().ljust(RECORD, b"\0")


def folders_record(folders: Below) -> bytes:
    """What is said of the folders of a list as they look now."""
    stamps: list[Fact] = []
    try:
        for base, joined in folders:
            stamps += facts_below(base, joined.split(b"\0"))
    except OSError:
        return GONE
    return stamps_record(stamps)


def listing(folders: Below, groups: Sequence[tuple[Below, Sequence[bytes]]]) -> tuple[bytes, bytes]:
    """What identifies a list of what to look at, and the list.

    :param folders: in each folder (its path), paths of others, joined with NULs.
    :param groups: the same for the files of groups, and more files by their full paths.
    """
    data = marshal.dumps((list(folders), list(groups)), 2)
    identity = hashlib.blake2b(data, digest_size=IDENTITY).digest()
    return identity, identity + data


def main(path: str) -> None:
    """Look at all that a file lists."""
    gc.disable()
    with open(path, "rb") as file:
        os.write(1, file.read(IDENTITY))
        folders, groups = marshal.loads(file.read())
    os.write(1, folders_record(folders))
    for below, others in groups:
        os.write(1, _group_record(below, others))


def _group_record(below: Below, others: Sequence[bytes]) -> bytes:
    facts: list[Fact] = []
    try:
        for base, joined in below:
            facts += facts_below(base, joined.split(b"\0"))
        whole = len(facts)
        facts += [fact(os.stat(path)) for path in others]
    except OSError:
        return GONE
    return record(facts, whole)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except OSError:
        sys.exit(1)  # there is no list, or nobody listens any more
