"""What the loader wants to know of a shared library: its name (System V ABI, "Dynamic Section")."""

from __future__ import annotations

import os
import struct
from typing import IO

_DYNAMIC, _LOAD = 2, 1
_STRTAB, _SONAME = 5, 14
_LONGEST = 255


def soname(file: IO[bytes], start: int = 0) -> str | None:
    """The DT_SONAME of a shared library; empty if it has none, None if it is no library.

    :param start: where the library begins in the file.
    """
    head = _read(file, start, 64)
    if head[:6] != b"\x7fELF\x02\x01":
        return None
    offset, size, count = (
        struct.unpack_from("<Q", head, 32)[0],
        *struct.unpack_from("<HH", head, 54),
    )
    table = _read(file, start + offset, size * count)
    loads: list[tuple[int, int, int]] = []
    dynamic = b""
    for at in range(0, len(table) - 55, size):
        kind, _, where, address, _, length = struct.unpack_from("<IIQQQQ", table, at)
        if kind == _LOAD:
            loads.append((address, where, length))
        elif kind == _DYNAMIC:
            dynamic = _read(file, start + where, length)
    tags = dict(struct.iter_unpack("<QQ", dynamic[: len(dynamic) & ~15]))
    if not dynamic:
        return None
    if _SONAME not in tags or _STRTAB not in tags:
        return ""
    for address, where, length in loads:
        if address <= tags[_STRTAB] < address + length:
            at = start + where + tags[_STRTAB] - address + tags[_SONAME]
            return os.fsdecode(_read(file, at, _LONGEST).partition(b"\0")[0])
    return ""


def _read(file: IO[bytes], at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)
