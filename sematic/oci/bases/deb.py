"""A .deb: an ar archive of two tars (deb(5)). Its files are read, and never unpacked to disk."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from sematic.oci.bases.control import Stanza, stanzas
from sematic.oci.errors import BaseError

_MAGIC = b"!<arch>\n"
_HEADER = 60
_CHUNK = 1 << 20
_DAMAGES = (tarfile.TarError, lzma.LZMAError, EOFError, ValueError, gzip.BadGzipFile)


@dataclass(frozen=True, slots=True)
class Slice:
    """A file's content: a part of a tar on this machine.

    :param name: for people.
    :param size: bytes.
    """

    tar: Path
    offset: int
    size: int
    name: str

    def open(self) -> Iterator[bytes]:
        with self.tar.open("rb") as file:
            file.seek(self.offset)
            left = self.size
            while left and (data := file.read(min(left, _CHUNK))):
                left -= len(data)
                yield data

    def read(self) -> bytes:
        return b"".join(self.open())

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Member:
    """One name in a package.

    :param path: relative to the root, without a leading slash, as the package has it.
    :param kind: ``file``, ``folder`` or ``link``.
    :param content: of a file; a hard link has that of what it is one to.
    """

    path: str
    kind: str
    mode: int
    target: str = ""
    content: Slice | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """What is in a .deb.

    :param control: its control file.
    :param conffiles: paths of files that are configuration, absolute.
    :param md5sums: as the package has it.
    """

    control: Stanza
    conffiles: tuple[str, ...]
    md5sums: bytes
    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        return self.control["Package"]


def read_deb(path: Path, tar: Path) -> Package:
    """Read a package.

    :param tar: where its data.tar goes, without compression, so that any file of it can be read.
    :raises BaseError: it is no package, or has what no package has.
    """
    control: dict[str, bytes] = {}
    try:
        with path.open("rb") as file:
            for name, part in _parts(file):
                if name.startswith("control.tar"):
                    control = _control(part)
                elif name.startswith("data.tar"):
                    _copy(part, tar)
        members = tuple(_members(tar, path.name))
    except OSError as error:
        raise BaseError(f"cannot read {path.name}: {error.strerror or error}") from None
    except _DAMAGES as error:
        raise BaseError(f"{path.name} is damaged: {error}") from None
    fields = next(stanzas(control.get("control", b"").decode().splitlines()), {})
    if "Package" not in fields:
        raise BaseError(f"{path.name} has no control file")
    conffiles = control.get("conffiles", b"").decode().split("\n")
    return Package(
        fields,
        tuple(line for line in conffiles if line.startswith("/")),
        control.get("md5sums", b""),
        members,
    )


def _parts(file: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    """The members of the ar archive, without compression; each is read before the next."""
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it is no ar archive")
    while len(header := file.read(_HEADER)) == _HEADER:
        name, size = header[:16].decode().strip().rstrip("/"), int(header[48:58])
        start = file.tell()
        yield name, _unpacked(name, _Window(file, size))
        file.seek(start + size + size % 2)


def _unpacked(name: str, part: _Window) -> IO[bytes]:
    packed = cast(IO[bytes], io.BufferedReader(part))
    if name.endswith(".xz"):
        return cast(IO[bytes], lzma.open(packed))
    if name.endswith(".gz"):
        return cast(IO[bytes], gzip.open(packed))
    if name.endswith(".zst"):
        from zstandard import ZstdDecompressor

        return cast(IO[bytes], ZstdDecompressor().stream_reader(packed, read_across_frames=True))
    return packed


class _Window(io.RawIOBase):
    """The next bytes of a file, as a file that ends."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._file.read(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


def _control(part: IO[bytes]) -> dict[str, bytes]:
    with tarfile.open(fileobj=part, mode="r|") as tar:
        return {
            member.name.removeprefix("./"): file.read()
            for member in tar
            if (file := tar.extractfile(member))
        }


def _copy(part: IO[bytes], to: Path) -> None:
    with to.open("wb") as file:
        while data := part.read(_CHUNK):
            file.write(data)


def _members(tar: Path, package: str) -> Iterator[Member]:
    contents: dict[str, Slice] = {}
    with tarfile.open(tar, "r:") as opened:
        for info in opened:
            path = info.name.removeprefix("./").strip("/")
            if path in ("", "."):
                continue
            if info.isdir():
                yield Member(path, "folder", info.mode)
            elif info.issym():
                yield Member(path, "link", 0o777, info.linkname)
            elif info.isreg():
                contents[path] = Slice(tar, info.offset_data, info.size, f"/{path} of {package}")
                yield Member(path, "file", info.mode, content=contents[path])
            elif info.islnk() and info.linkname.removeprefix("./") in contents:
                content = contents[info.linkname.removeprefix("./")]
                yield Member(path, "file", info.mode, content=content)
            else:
                raise BaseError(f"{package} has /{path}, which is no file, folder or link")


def md5_of(content: Slice) -> str:
    """The checksum that dpkg's database has."""
    found = hashlib.md5(usedforsecurity=False)
    for chunk in content.open():
        found.update(chunk)
    return found.hexdigest()
