"""Layers of an image as folders of this machine. Nothing that is in one can lead out of it."""

from __future__ import annotations

import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from sematic.oci.layer import ExistingLayer
from sematic.oci.manifest import layer_compression
from sematic.oci.runtime import VENV
from sematic.resolvers.pods.pods import PodsError

INTERPRETER = f"{VENV}/bin/python3"
"""The one link that leads out, to the base's interpreter: it is left out."""

_CHUNK = 1 << 20


def unpack_layer(layer: ExistingLayer, folder: Path) -> None:
    """Unpack a layer into a folder that is empty; its files cannot be written to.

    :raises PodsError: it is no tar, or holds what would lead out of the folder, or devices.
    :raises OCIError: it cannot be read from where it lies, or is not what its digest says.
    """
    stream = _Stream(_decompressed(layer))
    try:
        with tarfile.open(
            fileobj=cast("IO[bytes]", stream), mode="r|", encoding="utf-8", errors="surrogateescape"
        ) as tar:
            _extract(tar, folder, layer.name)
        stream.drain()  # the digest is verified with the last byte
    except (tarfile.TarError, EOFError) as error:
        raise PodsError(f"{layer.name} cannot be unpacked: {error}") from None
    except FileExistsError as error:
        raise PodsError(f"{layer.name} holds {error.filename} twice") from None
    except OSError as error:
        raise PodsError(f"cannot write {folder}: {error.strerror or error}") from None


def _extract(tar: tarfile.TarFile, folder: Path, layer: str) -> None:
    made = {""}
    for member in tar:
        name = _inside(member.name, layer)
        _make_folders(folder, name if member.isdir() else os.path.dirname(name), made)
        path = f"{folder}/{name}"
        if member.issym():
            if name != INTERPRETER:
                os.symlink(_target(name, member.linkname, layer), path)
        elif member.isreg():
            _write(path, cast("IO[bytes]", tar.extractfile(member)), member.mode)
        elif not member.isdir():
            raise PodsError(f"{layer} holds {member.name}, which is no file, folder or link")


def _inside(name: str, layer: str) -> str:
    """A name as it is written below the folder."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or not parts:
        raise PodsError(f"{layer} holds {name!r}, which would lie outside of it")
    return "/".join(parts)


def _target(name: str, target: str, layer: str) -> str:
    """Where a link leads, relative to where it lies: names only after the last ``..``."""
    folder = os.path.dirname(name)
    if target.startswith("/"):
        whole = os.path.normpath(target)[1:]
        leads_out = not whole.startswith("sematic/")
    else:
        whole = os.path.normpath(os.path.join(folder, target))
        leads_out = whole.split("/")[0] == ".."
    if leads_out:
        raise PodsError(f"{layer} holds the link {name!r} to {target!r}, which leads out of it")
    return os.path.relpath(f"/{whole}", f"/{folder}")


def _make_folders(folder: Path, name: str, made: set[str]) -> None:
    """Make a folder and those on the way to it. What is there already must be one, no link."""
    if name in made:
        return
    _make_folders(folder, os.path.dirname(name), made)
    os.mkdir(f"{folder}/{name}")
    made.add(name)


def _write(path: str, content: IO[bytes], mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:
        while data := content.read(_CHUNK):
            file.write(data)
        os.fchmod(file.fileno(), 0o555 if mode & 0o100 else 0o444)


def _decompressed(layer: ExistingLayer) -> Iterator[bytes]:
    compression = layer_compression(layer.descriptor.media_type)
    if not compression:
        yield from layer.open()
        return
    from zstandard import ZstdDecompressor, ZstdError

    gzip = compression == "gzip"
    stream: Any = zlib.decompressobj(31) if gzip else ZstdDecompressor().decompressobj()
    try:
        for chunk in layer.open():
            yield stream.decompress(chunk)
    except (zlib.error, ZstdError) as error:
        raise PodsError(f"{layer.name} cannot be unpacked: {error}") from None


class _Stream:
    """Chunks as a file that is read once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def read(self, size: int) -> bytes:
        parts, missing = [], size
        while missing:
            if not self._left:
                self._left = next((chunk for chunk in self._chunks if chunk), b"")
                if not self._left:
                    break
            parts.append(self._left[:missing])
            self._left = self._left[missing:]
            missing -= len(parts[-1])
        return b"".join(parts)

    def drain(self) -> None:
        for _ in self._chunks:
            pass
