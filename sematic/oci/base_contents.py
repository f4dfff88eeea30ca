"""What lies in a base: its layers are read once, streamed and stored nowhere.

Names are kept, and of the interpreter and the C library what these say of themselves.
"""

from __future__ import annotations

import io
import posixpath
import re
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

from sematic.oci.base import Base
from sematic.oci.check import ELF, built_for
from sematic.oci.errors import BaseError
from sematic.oci.layer import ExistingLayer
from sematic.oci.manifest import layer_compression
from sematic.oci.plan import MOST_LAYERS
from sematic.oci.tar_names import TarError, TarName, tar_names
from sematic.oci.values import field, mutable

_VERSION = re.compile(r"3\.[0-9]{1,3}")
_PREFIX = r"(usr/|usr/local/|opt/[^/]+/)"
_PYTHON = re.compile(rf"{_PREFIX}bin/python3")
_PROGRAM = re.compile(rf"{_PREFIX}bin/python3(?:\.[0-9]{{1,3}})?")
_LIBRARY = re.compile(rf"{_PREFIX}lib(?:64)?/python(3\.[0-9]{{1,3}})/os\.py")
_LOADER = re.compile(r"(?:usr/)?lib(?:64)?/(?:.*/)?ld-(musl|linux)[^/]*\.so\.\d")
_LIBC = re.compile(
    r"(?:usr/)?lib(?:64)?/(?:[^/]+-linux-[^/]+/)?"
    r"(?:libc\.so\.6|libc-2\.\d{1,3}\.so|ld-musl-[^/]+\.so\.1|(?<=musl/)libc\.so)"
)
_KINDS = {"linux": "glibc", "musl": "musl"}
_DISTRIBUTION = re.compile(
    r"(?:.*/)?(?:site|dist)-packages/([A-Za-z0-9][\w.]*)-([^/-]+)\.(?:dist|egg)-info(?:/.*)?"
)
_CUDA = re.compile(r"(?:.*/)?(lib(?:cudart|cublas|nvrtc|cufft|cusparse|cudnn)\.so(?:\.\d{1,3})?)")
# In a program, the loader that it asks for; in a C library, what it prints when it is run.
_ASKED = re.compile(rb"/ld-(musl|linux)[^/\0]*\.so\.\d\0")
_GLIBC = re.compile(rb"GNU C Library [^\n\0]{0,100} version (2\.\d{1,3})")
_MUSL = re.compile(rb"\0(1\.\d{1,3})\.\d{1,3}\0")
_PROGRAM_HEAD, _LIBC_HEAD = 4 << 10, 8 << 20  # bytes; a glibc has 2 MB
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"

# Of what a stranger wrote, no more is kept than an honest base has.
_MOST_LINKS, _MOST_DISTRIBUTIONS, _LONGEST = 200, 20_000, 300

# A layer may unpack to 128 MiB, or to 100 times its size, and to 32 GiB at most. Files are packed
# 2 to 10 times, zeros in gzip 1,000 times, in zstd 30,000 times.
_FREE, _RATIO, _MOST = 128 << 20, 100, 32 << 30
_WIDEST = 64 << 20  # bytes that zstd may look back, and so keep: enough for its levels up to 21
_BUFFER = 64 << 10


@mutable
class Contents:
    """What was seen in the layers of a base, as far as they were read.

    :param pythons: interpreters whose links name their version.
    :param unversioned: interpreters whose name does not.
    :param libraries: versions of the standard libraries beside interpreters.
    :param loader: ``glibc``, ``musl``, or empty: whose loader there is.
    :param asked: the same: whose loader the interpreter asks for.
    :param versions: of C libraries, as ``2.36``.
    :param architecture: the CPU that the interpreter is for; empty if it is not known.
    :param links: names right below the root that are links, and where they lead.
    :param modes: permission bits of the folders that were asked for.
    :param distributions: installed Python distributions, by where they lie.
    :param cuda: libraries of the CUDA toolkit.
    """

    pythons: dict[str, str] = field(default_factory=dict)
    unversioned: list[str] = field(default_factory=list)
    libraries: dict[str, str] = field(default_factory=dict)
    loader: str = ""
    asked: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    architecture: str = ""
    links: dict[str, str] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    distributions: dict[str, str] = field(default_factory=dict)
    cuda: list[str] = field(default_factory=list)

    @property
    def libc(self) -> str:
        """``glibc``, ``musl``, or empty. There may be both; the interpreter knows its own."""
        return self.asked or self.loader

    @property
    def libc_version(self) -> str:
        """Major and minor, as ``2.36``; empty if it is not known."""
        return self.versions.get(self.libc, "")

    def python(self, path: str) -> str:
        """The version of an interpreter; empty if it is not there, or not known."""
        beside = self.libraries.get(path, "") if path in self.unversioned else ""
        return self.pythons.get(path) or beside

    def see(self, name: TarName, folders: frozenset[str] = frozenset()) -> None:
        """Take note of a name.

        :param folders: paths whose modes are to be kept.
        """
        path, target = name.path, name.target
        if len(path) + len(target) > _LONGEST:
            return
        if "/" not in path:
            self.links.pop(path, None)
            if target and len(self.links) < _MOST_LINKS:
                self.links[path] = target
        if path in folders:
            self.modes[path] = name.mode
        self._see_python(path, target)
        self._see_libc(path, name.head)
        distribution = _DISTRIBUTION.fullmatch(path)
        if distribution and len(self.distributions) < _MOST_DISTRIBUTIONS:
            folder = path[: distribution.end(2)] + path[distribution.end(2) :].partition("/")[0]
            self.distributions[folder] = f"{distribution[1]} {distribution[2]}"
        library = _CUDA.fullmatch(path)
        if library and library[1] not in self.cuda:
            self.cuda.append(library[1])

    def remove(self, path: str) -> None:
        """Take note that a layer removes what lies in those below it (image-spec, "Whiteouts")."""
        folder, _, name = path.rpartition("/")
        gone = folder if name == _OPAQUE else posixpath.join(folder, name[len(_WHITEOUT) :])
        self.links.pop(gone, None)
        self.pythons.pop(f"/{gone}", None)
        for kept in [each for each in self.distributions if f"{each}/".startswith(f"{gone}/")]:
            del self.distributions[kept]

    def _see_libc(self, path: str, head: bytes) -> None:
        loader = _LOADER.fullmatch(path)
        if loader and not self.loader:  # what lies higher is for compatibility (gcompat, musl)
            self.loader = _KINDS[loader[1]]
        if not head.startswith(ELF):
            return
        if _PROGRAM.fullmatch(path):
            self.architecture = built_for(head)
            asked = _ASKED.search(head)
            self.asked = _KINDS[asked[1].decode()] if asked else self.asked
        elif _LIBC.fullmatch(path):
            kind, version = ("musl", _MUSL) if "musl" in path else ("glibc", _GLIBC)
            if found := version.search(head):
                self.versions[kind] = found[1].decode()

    def _see_python(self, path: str, target: str) -> None:
        python = _PYTHON.fullmatch(path)
        version = _VERSION.search(posixpath.basename(target)) if python else None
        library = _LIBRARY.fullmatch(path)
        if python and version:
            self.pythons[f"/{python[1]}bin/python3"] = version[0]
        elif library:
            self.libraries.setdefault(f"/{library[1]}bin/python3", library[2])
        elif python and f"/{path}" not in self.unversioned:
            self.unversioned.append(f"/{path}")


def read_contents(
    base: Base,
    is_enough: Callable[[Contents], bool] = lambda found: False,
    folders: frozenset[str] = frozenset(),
) -> Contents:
    """Read a base's layers from the lowest upwards, until what was seen is enough.

    :param folders: whose modes are to be kept, without a leading slash.
    :raises BaseError: a layer cannot be read, or there are more than an engine can stack.
    """
    if len(base.layers) > MOST_LAYERS:
        raise BaseError(
            f"base image {base.name} has {len(base.layers)} layers, "
            f"and container engines stack at most {MOST_LAYERS}"
        )
    found = Contents()
    for layer in base.layers:
        for name in _names(layer):
            if posixpath.basename(name.path).startswith(_WHITEOUT):
                found.remove(name.path)
                continue
            found.see(name, folders)
            if is_enough(found):
                return found
    return found


def _names(layer: ExistingLayer) -> Iterator[TarName]:
    """The names in a layer, without a leading ``./`` or the slash at the end of folders."""
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
        for name in tar_names(cast(IO[bytes], io.BufferedReader(unpacked, _BUFFER)), _wanted):
            yield name._replace(path=_plain(name.path))
    except (TarError, ZstdError, zlib.error, gzip.BadGzipFile, EOFError) as error:
        raise BaseError(f"a layer of the base cannot be read: {layer.name}: {error}") from None


def _plain(path: str) -> str:
    return path.removeprefix("./").rstrip("/")


def _wanted(path: str) -> int:
    """How much of a file says what has to be known of it."""
    if _PROGRAM.fullmatch(_plain(path)):
        return _PROGRAM_HEAD
    return _LIBC_HEAD if _LIBC.fullmatch(_plain(path)) else 0


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
