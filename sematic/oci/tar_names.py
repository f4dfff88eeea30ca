"""The names in a stranger's tar, and where its links point. Nothing is unpacked.

pax (POSIX.1-2017, "pax Interchange Format") and GNU tar ("Basic Tar Format"). tarfile reads
more of it, and may be made to keep all of it: members, maps of holes, headers of any size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from sematic.oci.values import mutable

_BLOCK = 512
_CHUNK = 64 << 10
_MOST_EXTENDED = 1 << 20  # bytes of an extended header: as many as Go's archive/tar takes
_MOST_IN_A_ROW = 8  # extended headers before one member
_EXTENDED = (b"x", b"X", b"g", b"L", b"K")
_WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")
_SPARSE = b"S"
_RECORD = re.compile(rb"([0-9]{1,7}) ([^=]{1,255})=")


class TarError(Exception):
    """Bytes that are no tar, or none that is read."""


class TarName(NamedTuple):
    """A member of a tar.

    :param target: what it links to, "" if it is no link.
    :param mode: permission bits.
    :param head: as much of its content as was asked for.
    """

    path: str
    target: str
    mode: int
    head: bytes = b""


def _nothing(path: str) -> int:
    return 0


def tar_names(file: IO[bytes], wanted: Callable[[str], int] = _nothing) -> Iterator[TarName]:
    """The members of a tar, in its order.

    :param wanted: how many bytes of a member's content are to be kept.
    :raises TarError: it is no tar, or its headers are of a size that no honest one has.
    """
    extended = _Extended()
    while (header := file.read(_BLOCK)).strip(b"\0"):
        _check(header)
        kind, size = header[156:157], _number(header[124:136])
        if kind in _EXTENDED:
            if size > _MOST_EXTENDED:
                raise TarError(f"it has an extended header of {size} bytes")
            extended.add(kind, _read(file, size))
            _skip(file, -size % _BLOCK)
            continue
        if kind == _SPARSE:
            _skip_holes(file, header)
        path = extended.path or _path(header)
        size = 0 if kind in _WITHOUT_DATA else size if extended.size is None else extended.size
        head = _read(file, min(size, wanted(path)))
        mode = _number(header[100:108]) & 0o7777
        yield TarName(path, extended.link or _text(header[157:257]), mode, head)
        _skip(file, size + -size % _BLOCK - len(head))
        extended = _Extended()


@mutable
class _Extended:
    """What the headers before a member's own say of it."""

    path: str = ""
    link: str = ""
    size: int | None = None
    count: int = 0

    def add(self, kind: bytes, data: bytes) -> None:
        self.count += 1
        if self.count > _MOST_IN_A_ROW:
            raise TarError("it has too many extended headers in a row")
        if kind == b"L":
            self.path = _text(data)
        elif kind == b"K":
            self.link = _text(data)
        elif kind != b"g":  # what holds for all members is no name
            self._add_records(data)

    def _add_records(self, data: bytes) -> None:
        start = 0
        while found := _RECORD.match(data, start):
            end = start + int(found[1])
            if end <= found.end():
                raise TarError("it has a record that ends before it begins")
            value = data[found.end() : end - 1]
            if found[2] in (b"path", b"GNU.sparse.name"):
                self.path = _text(value)
            elif found[2] == b"linkpath":
                self.link = _text(value)
            elif found[2] == b"size":
                self.size = _decimal(value)
            start = end


def _check(header: bytes) -> None:
    if len(header) < _BLOCK:
        raise TarError("it ends too early")
    expected = _number(header[148:156])
    if sum(header) - sum(header[148:156]) + 8 * ord(" ") != expected:
        raise TarError("it has a header whose checksum is wrong")


def _path(header: bytes) -> str:
    name, prefix = _text(header[:100]), _text(header[345:500])
    is_posix = header[257:263] == b"ustar\0"  # GNU has other things where the prefix is
    return f"{prefix}/{name}" if is_posix and prefix else name


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode(errors="surrogateescape")


def _number(data: bytes) -> int:
    """A number in octal, or in base 256 where its first bit is set."""
    if data[0] == 0x80:
        return int.from_bytes(data[1:], "big")
    try:
        return int(data.partition(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        raise TarError("it has a header with a number that is none") from None


def _decimal(data: bytes) -> int:
    if not re.fullmatch(rb"[0-9]{1,19}", data):
        raise TarError("it has a size that is none")
    return int(data)


def _skip_holes(file: IO[bytes], header: bytes) -> None:
    """Skip the blocks in which GNU's map of a sparse file goes on behind its header."""
    goes_on = header[482:483]
    while goes_on.strip(b"\0"):
        goes_on = _read(file, _BLOCK)[504:505]


def _read(file: IO[bytes], count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise TarError("it ends too early")
    return data


def _skip(file: IO[bytes], count: int) -> None:
    while count > 0:
        count -= len(_read(file, min(count, _CHUNK)))
