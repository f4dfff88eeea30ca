"""The loader's cache, /etc/ld.so.cache, as ldconfig(8) would write it (glibc, dl-cache.h).

The loader finds libraries in its own folders without it, but ``ldconfig -p`` does not, which
Python's ctypes.util.find_library asks.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Mapping

from sematic.oci.bases.deb import Slice
from sematic.oci.bases.elf import soname
from sematic.oci.bases.recipes import Recipe
from sematic.oci.files import FileEntry

_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER = struct.Struct("<20sIIB3xI12x")
_ENTRY = struct.Struct("<IIIIQ")
_LITTLE_ENDIAN = 2
_FLAGS = {"amd64": 0x0303, "arm64": 0x0A03}  # a library of glibc 2 for this CPU
_LIBRARY = re.compile(r"(?:lib|ld-)[^/]*\.so(?:\.[^/]*)?")
_TOKEN = re.compile(r"\d+|\D")


def ld_cache(entries: Iterable[FileEntry], recipe: Recipe) -> FileEntry:
    """The cache of the libraries among some entries, in the folder that they belong to."""
    folder = f"usr/lib/{recipe.triplet}/"
    there = {
        entry.path.removeprefix(folder): entry
        for entry in entries
        if entry.path.startswith(folder) and _LIBRARY.fullmatch(entry.path[len(folder) :])
    }
    libraries: dict[str, str] = {}
    for name, entry in sorted(there.items()):
        if entry.kind != "file":
            continue
        found = _name(entry, name)
        if found in there:
            libraries[found] = f"/lib/{recipe.triplet}/{found}"
    data = cache_bytes(libraries, _FLAGS[recipe.platform.architecture])
    return FileEntry.from_bytes("etc/ld.so.cache", data)


def _name(entry: FileEntry, name: str) -> str | None:
    """What a library is asked for by."""
    if not isinstance(entry.source, Slice):
        return name  # NVIDIA's are called as they are asked for
    with entry.source.tar.open("rb") as file:
        found = soname(file, entry.source.offset)
    return found if found is None else found or name


def cache_bytes(libraries: Mapping[str, str], flags: int) -> bytes:
    """The cache of libraries, given by name and path."""
    names = sorted(libraries, key=_key, reverse=True)
    strings = bytearray()
    start = _HEADER.size + _ENTRY.size * len(names)
    table = bytearray()
    for name in names:
        offsets = []
        for text in (name, libraries[name]):
            offsets.append(start + len(strings))
            strings += os.fsencode(text) + b"\0"
        table += _ENTRY.pack(flags, *offsets, 0, 0)
    header = _HEADER.pack(_MAGIC, len(names), len(strings), _LITTLE_ENDIAN, 0)
    return header + bytes(table) + bytes(strings)


def _key(name: str) -> list[tuple[bool, int]]:
    """The order in which the loader looks: numbers as numbers, and after all else."""
    return [
        (token.isdecimal(), int(token) if token.isdecimal() else ord(token))
        for token in _TOKEN.findall(name)
    ]
