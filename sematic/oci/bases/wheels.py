"""NVIDIA's wheels: found in the index that pip asks, and their libraries."""

from __future__ import annotations

import configparser
import json
import os
import re
import zipfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from sematic.oci.bases.lock import LockedWheel
from sematic.oci.bases.versions import Version
from sematic.oci.errors import BaseError, RegistryError
from sematic.oci.files import FileEntry
from sematic.oci.manifest import Platform
from sematic.oci.registry.answer import Answer
from sematic.oci.registry.downloads import carried_on
from sematic.oci.registry.routes import Routes
from sematic.oci.registry.transport import READ, Transport

_PYPI = "https://pypi.org/simple"
_ACCEPT = {"Accept": "application/vnd.pypi.simple.v1+json"}
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_LIBRARY = re.compile(r"nvidia/[^/]+/lib/(lib[^/]+\.so[.0-9]*)")
_LICENCE = re.compile(r"[^/]+\.dist-info/(?:licenses/)?(LICEN[CS]E[^/]*|License[^/]*)")
_CHUNK = 1 << 20


def index_url() -> str:
    """The index that pip is configured with: a variable, a file, or PyPI."""
    if url := os.environ.get("PIP_INDEX_URL"):
        return url
    found = ""
    for path in _pip_files():
        parser = configparser.RawConfigParser()
        with suppress(OSError, configparser.Error, ValueError):
            parser.read(path, encoding="utf-8")
            found = parser.get("global", "index-url", fallback=found)
    return found or _PYPI


def _pip_files() -> Iterator[Path]:
    """In the order in which pip reads them, the last winning."""
    yield Path("/etc/pip.conf")
    yield Path.home() / ".pip/pip.conf"
    config = os.environ.get("XDG_CONFIG_HOME")
    yield (Path(config) if config else Path.home() / ".config") / "pip/pip.conf"
    yield Path.home() / "Library/Application Support/pip/pip.conf"
    if prefix := os.environ.get("VIRTUAL_ENV"):
        yield Path(prefix) / "pip.conf"
    if own := os.environ.get("PIP_CONFIG_FILE"):
        yield Path(own)


class WheelIndex:
    """A Python package index (PEP 503, PEP 691)."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        host = urlsplit(url).netloc.rpartition("@")[2]
        self._transport = Transport(Routes(insecure=[host]))

    def newest(self, name: str, platform: Platform) -> LockedWheel:
        """The newest release of a project that has a wheel for a platform.

        :raises BaseError: there is none.
        """
        machine = _MACHINES[platform.architecture]
        fitting = [
            (Version(file["filename"].split("-")[1]), file)
            for file in self._files(name)
            if file["filename"].endswith(f"{machine}.whl") and not file.get("yanked")
        ]
        if not fitting:
            raise BaseError(f"{_host(self._url)} has no wheel of {name} for {platform}")
        version, file = max(fitting, key=lambda each: each[0])
        return LockedWheel(
            name, str(version), file["filename"], file.get("size") or 0, file["hashes"]["sha256"]
        )

    def open(self, wheel: LockedWheel) -> Generator[bytes, None, None]:
        """A wheel's bytes.

        :raises BaseError: the index does not have it, or does not answer.
        """
        for file in self._files(wheel.name):
            if file["filename"] == wheel.file:
                yield from self._chunks(file["url"], wheel.size)
                return
        raise BaseError(
            f"{_host(self._url)} has no {wheel.file} any more; run `sematic-oci base lock`"
        )

    def _files(self, name: str) -> list[dict[str, Any]]:
        url = f"{self._url}/{name}/"
        data = b"".join(self._chunks(url))
        try:
            files = json.loads(data)["files"]
        except (ValueError, KeyError, TypeError):
            raise BaseError(
                f"{_host(url)} does not speak the JSON form of a package index (PEP 691)"
            ) from None
        return [{**file, "url": urljoin(url, file["url"])} for file in files]

    def _chunks(self, url: str, size: int | None = None) -> Iterator[bytes]:
        def ask(position: int) -> Answer:
            more = {"Range": f"bytes={position}-"} if position else {}
            answer = self._transport.request("GET", url, {**_ACCEPT, **more}, manner=READ)
            if answer.chunks is None:
                raise BaseError(f"{_host(url)} answered {answer.status} to {urlsplit(url).path}")
            return answer

        try:
            yield from carried_on(ask, size or None)
        except RegistryError as error:
            raise BaseError(f"cannot read the package index {_host(url)}: {error}") from None


@dataclass(frozen=True, slots=True)
class Member:
    """The content of a file in a wheel."""

    wheel: Path
    name: str

    def open(self) -> Iterator[bytes]:
        with zipfile.ZipFile(self.wheel) as file, file.open(self.name) as member:
            while data := member.read(_CHUNK):
                yield data

    def __str__(self) -> str:
        return f"{self.name} in {self.wheel.name}"


def libraries(wheel: LockedWheel, path: Path, folder: str) -> list[FileEntry]:
    """The shared libraries of one of NVIDIA's wheels, and its licence.

    :param folder: where libraries go in the image.
    :raises BaseError: it has none.
    """
    entries = []
    with zipfile.ZipFile(path) as file:
        for info in file.infolist():
            library, licence = _LIBRARY.fullmatch(info.filename), _LICENCE.fullmatch(info.filename)
            if library:
                target = f"{folder}/{library[1]}"
            elif licence:
                target = f"usr/share/doc/{wheel.name}/{licence[1]}"
            else:
                continue
            source = Member(path, info.filename)
            entries.append(FileEntry(target, size=info.file_size, source=source))
    if not any(entry.path.startswith(folder) for entry in entries):
        raise BaseError(f"{wheel.file} has no shared library")
    return entries


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
