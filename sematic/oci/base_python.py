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
from sematic.oci.plan import MOST_LAYERS
from sematic.oci.tar_names import TarError, tar_names

PYTHON_LABEL = "dev.sematic.python"
USUAL_PYTHON = "/usr/bin/python3"
LIBC_LABEL = "dev.sematic.libc"
CUDA_LABEL = "dev.sematic.cuda"

_VERSION = re.compile(r"3\.[0-9]{1,3}")
_PYTHON = re.compile(r"(usr/(?:local/)?)bin/python3")
_LIBRARY = re.compile(r"(usr/(?:local/)?)lib(?:64)?/python(3\.[0-9]{1,3})/os\.py")
_LIBC = re.compile(r"(?:usr/)?lib(?:64)?/(?:.*/)?ld-(musl|linux)[^/]*\.so\.\d")

# A layer may unpack to 128 MiB, or to 100 times its size, and to 32 GiB at most. Files are packed
# 2 to 10 times, zeros in gzip 1,000 times, in zstd 30,000 times.
_FREE, _RATIO, _MOST = 128 << 20, 100, 32 << 30
_WIDEST = 64 << 20  # bytes that zstd may look back, and so keep: enough for its levels up to 21
_BUFFER = 64 << 10


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
    if len(base.layers) > MOST_LAYERS:
        raise BaseError(
            f"base image {base.name} has {len(base.layers)} layers, "
            f"and container engines stack at most {MOST_LAYERS}"
        )
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
    import zlib

    from zstandard import ZstdDecompressor, ZstdError

    packed = _Chunks(layer.open())
    stream = cast(IO[bytes], io.BufferedReader(packed))
    compression = layer_compression(layer.descriptor.media_type)
    # Layers that can be read in part (eStargz, zstd:chunked) have a gzip member or a zstd frame
    # for each file.
    if compression == "zstd":
        decompressor = ZstdDecompressor(max_window_size=_WIDEST)
        stream = cast(IO[bytes], decompressor.stream_reader(stream, read_across_frames=True))
    elif compression == "gzip":
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=stream))
    unpacked = _Bounded(stream, packed)
    try:
        for name, target in tar_names(cast(IO[bytes], io.BufferedReader(unpacked, _BUFFER))):
            yield name.removeprefix("./"), target
    except (TarError, ZstdError, zlib.error, gzip.BadGzipFile, EOFError) as error:
        raise BaseError(f"a layer of the base cannot be read: {layer.name}: {error}") from None


class _Bounded(io.RawIOBase):
    """A file that is unpacked from another, as far as it is in proportion to that."""

    def __init__(self, stream: IO[bytes], packed: _Chunks) -> None:
        self._stream = stream
        self._packed = packed
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._stream.read(len(buffer))
        self._count += len(data)
        if self._count > min(_MOST, _FREE + _RATIO * self._packed.count):
            raise TarError(
                f"{self._packed.count} bytes of it unpack to more than {self._count}, "
                "which no honest layer does"
            )
        buffer[: len(data)] = data
        return len(data)


class _Chunks(io.RawIOBase):
    """An iterator of chunks as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._left:
            try:
                self._left = next(self._chunks)
            except StopIteration:
                return 0
            self.count += len(self._left)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
