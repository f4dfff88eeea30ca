"""Which Python a base image has, and which C library: said by its config, or looked up once.

A label ``dev.sematic.python`` says it; the official Python images say it in ``PYTHON_VERSION``.
Of other bases the layers are read, once, up to the interpreter, and stored nowhere.
"""

from __future__ import annotations

import io
import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import IO, Any, cast

from sematic.oci.base import Base
from sematic.oci.errors import BaseError
from sematic.oci.events import Listener, Noticed
from sematic.oci.layer import ExistingLayer
from sematic.oci.manifest import layer_compression
from sematic.oci.memo import Memo

PYTHON_LABEL = "dev.sematic.python"
USUAL_PYTHON = "/usr/bin/python3"
LIBC_LABEL = "dev.sematic.libc"

_VERSION = re.compile(r"3\.\d+")
_PYTHON = re.compile(r"(usr/(?:local/)?)bin/python3")
_LIBRARY = re.compile(r"(usr/(?:local/)?)lib(?:64)?/python(3\.\d+)/os\.py")
_LIBC = re.compile(r"(?:usr/)?lib(?:64)?/(?:.*/)?ld-(musl|linux)[^/]*\.so\.\d")


@dataclass(frozen=True, slots=True)
class BasePython:
    """The interpreter of a base.

    :param version: major and minor, as ``3.11``.
    :param path: where it lies.
    :param libc: ``glibc``, ``musl``, or empty where nobody knows.
    """

    version: str
    path: str
    libc: str


def find_base_python(base: Base, memo: Memo, listener: Listener) -> BasePython:
    """The interpreter of a base, remembered by the base's digest.

    :raises BaseError: it has none.
    """
    labels, environment = base.labels, base.environment()
    labelled = _VERSION.match(labels.get(PYTHON_LABEL, ""))
    if labelled:
        return BasePython(labelled[0], USUAL_PYTHON, labels.get(LIBC_LABEL, ""))
    key = f"base-python:{base.manifest.config.digest}"
    kept = memo.recall(key)
    if kept is not None:
        return BasePython(**json.loads(kept))
    listener(Noticed(f"reading the layers of {base.name} once, to find its Python"))
    found = _read(base)
    official = _VERSION.match(environment.get("PYTHON_VERSION", ""))
    local = "/usr/local/bin/python3"
    if official and local in found.pythons:
        result = BasePython(official[0], local, found.libc)
    elif found.pythons:
        path = USUAL_PYTHON if USUAL_PYTHON in found.pythons else local
        result = BasePython(found.pythons[path], path, found.libc)
    else:
        raise BaseError(
            f"base image {base.name} has no /usr/bin/python3; take a base with Python, "
            "or push without one (--base none)"
        )
    memo.remember(key, json.dumps(asdict(result)).encode())
    return result


@dataclass(slots=True)
class _Found:
    """What was seen.

    :param pythons: interpreters whose links name their version.
    :param unversioned: interpreters whose name does not.
    :param libraries: versions of the standard libraries beside interpreters.
    """

    pythons: dict[str, str] = field(default_factory=dict)
    unversioned: list[str] = field(default_factory=list)
    libraries: dict[str, str] = field(default_factory=dict)
    libc: str = ""


def _read(base: Base) -> _Found:
    """Read layers from the lowest upwards until both an interpreter and a C library are seen."""
    found = _Found()
    local_first = "PYTHON_VERSION" in base.environment()
    for layer in base.layers:
        for name, target in _links_and_files(layer):
            libc = _LIBC.fullmatch(name)
            if libc and not found.libc:  # what lies higher is for compatibility (gcompat, musl)
                found.libc = "musl" if libc[1] == "musl" else "glibc"
            python = _PYTHON.fullmatch(name)
            version = _VERSION.search(posixpath.basename(target)) if python else None
            library = _LIBRARY.fullmatch(name)
            if python and version:
                found.pythons[f"/{python[1]}bin/python3"] = version[0]
            elif library:
                found.libraries.setdefault(f"/{library[1]}bin/python3", library[2])
            elif python:
                found.unversioned.append(f"/{name}")
            wanted = "/usr/local/bin/python3" if local_first else USUAL_PYTHON
            if found.libc and wanted in found.pythons:
                return found
    for path in found.unversioned:
        if path in found.libraries:
            found.pythons.setdefault(path, found.libraries[path])
    return found


def _links_and_files(layer: ExistingLayer) -> Iterator[tuple[str, str]]:
    """The names in a layer, with the targets of those that are links."""
    import gzip
    import tarfile
    import zlib

    from zstandard import ZstdDecompressor, ZstdError

    stream = cast(IO[bytes], io.BufferedReader(_Chunks(layer.open())))
    compression = layer_compression(layer.descriptor.media_type)
    # Layers that can be read in part (eStargz, zstd:chunked) have a gzip member or a zstd frame
    # for each file, of which tarfile's own "r|gz" reads the first only.
    if compression == "zstd":
        reader = ZstdDecompressor().stream_reader(stream, read_across_frames=True)
        stream = cast(IO[bytes], reader)
    elif compression == "gzip":
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=stream))
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                yield member.name.removeprefix("./"), member.linkname
    except (tarfile.TarError, ZstdError, zlib.error, gzip.BadGzipFile, EOFError) as error:
        raise BaseError(f"a layer of the base cannot be read: {layer.name}: {error}") from None


class _Chunks(io.RawIOBase):
    """An iterator of chunks as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._left:
            try:
                self._left = next(self._chunks)
            except StopIteration:
                return 0
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
