"""What is in a wheel and where it goes in the image (PyPA "Binary distribution format").

The rules of installing are those of the library ``installer``, and where it would write, a list is
made.
"""

from __future__ import annotations

import os
import posixpath
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sematic.oci.environment.distributions import (
    METADATA_FIELD,
    Recorded,
    image_record,
    in_library,
    normal_name,
    read_record,
    stays_out,
)
from sematic.oci.environment.prefixes import VENV
from sematic.oci.environment.scripts import rewrite, wrapper
from sematic.oci.errors import WheelError
from sematic.oci.files import FileEntry
from sematic.oci.wheels.extra import needs_extra

if TYPE_CHECKING:
    from sematic.oci.wheels.destination import ListDestination, Written

_CHUNK = 256 << 10
_BIN = f"{VENV}/bin/"


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a wheel, as the content of an entry."""

    archive: zipfile.ZipFile = field(repr=False)
    name: str

    def open(self) -> Iterator[bytes]:
        with _explained(str(self)), self.archive.open(self.name) as stream:
            while data := stream.read(_CHUNK):
                yield data

    def __str__(self) -> str:
        return f"{self.name} of {os.path.basename(self.archive.filename or '')}"


class Listing:
    """A wheel that has been opened.

    :param path: the wheel's file; its name is that of a wheel.
    :param python: major and minor of the image's interpreter, with its ABI flags: ``3.11``.
    :raises WheelError: it is no wheel that can be installed.
    """

    def __init__(self, path: Path, python: str) -> None:
        self.path = path
        self.library = f"{VENV}/lib/python{python}/site-packages"
        self._schemes = {
            "purelib": self.library,
            "platlib": self.library,
            "scripts": f"{VENV}/bin",
            "data": VENV,
        }
        self._headers = f"{VENV}/include/site/python{python}"
        with _explained(path.name):
            self._archive = zipfile.ZipFile(path)
            self._read()

    def _read(self) -> None:
        with needs_extra():
            from installer import install
            from installer.exceptions import InstallerError
            from installer.records import InvalidRecordEntry
            from installer.sources import WheelFile

            from sematic.oci.wheels.destination import ListDestination
        written = ListDestination()
        try:
            source = WheelFile(self._archive)
            self.folder = source.dist_info_dir
            fields = dict(METADATA_FIELD.findall(source.read_dist_info("METADATA")))
            self.name = fields.get("Name") or source.distribution
            self.version = fields.get("Version") or source.version
            self._schemes["headers"] = f"{self._headers}/{normal_name(self.name)}"
            lines = read_record(source.read_dist_info("RECORD"))
            install(source, written, {})
        except (InstallerError, InvalidRecordEntry) as error:
            raise ValueError(str(error)) from None
        self._recorded = {line.path: line for line in lines}
        self._find(written)

    def entries(self, without: Collection[str] = ()) -> list[FileEntry]:
        """What goes into the image, its RECORD among it, sorted by path.

        :param without: paths in the image that other wheels bring.
        """
        kept = [entry for path, entry in self._files.items() if path not in without]
        kept.append(image_record(self.record, self.library, kept, self._lines))
        return sorted(kept, key=lambda entry: os.fsencode(entry.path))

    @property
    def record(self) -> str:
        """Where its RECORD lies in the image."""
        return f"{self.library}/{self.folder}/RECORD"

    def _find(self, written: ListDestination) -> None:
        self._files: dict[str, FileEntry] = {}
        self._lines: dict[str, Recorded] = {}
        for file in written.files:
            path = self._place(file.scheme, file.path)
            if path is None:
                continue
            entry = written.scripts.get(path.removeprefix(_BIN), "")
            self._files[path] = self._entry(path, file, entry)
            self._lines[path] = self._recorded.get(file.member, Recorded(file.member))
        for name, entry in written.scripts.items():
            script = FileEntry.from_bytes(f"{_BIN}{name}", wrapper(entry), 0o755)
            self._files[script.path] = script

    def _place(self, scheme: str, path: str) -> str | None:
        """Where a file lies in the image; None if it stays out.

        :raises WheelError: outside of the environment.
        """
        root = self._schemes[scheme]
        place = posixpath.normpath(f"{root}/{path}")
        if path.startswith("/") or not place.startswith(f"{root}/"):
            raise WheelError(f"{self.path.name} has a file {path!r}, which would lie elsewhere")
        return None if stays_out(in_library(place, self.library), self.folder) else place

    def _entry(self, path: str, file: Written, script: str) -> FileEntry:
        """:param script: ``module:attribute`` if it is a console script's name."""
        if path.startswith(_BIN):
            data = self._archive.read(file.member)
            if data.startswith(b"#!"):
                return FileEntry.from_bytes(path, rewrite(data, script), 0o755)
        size = self._archive.getinfo(file.member).file_size
        mode = 0o755 if file.is_executable else 0o644
        return FileEntry(path, "file", mode, size, Member(self._archive, file.member))


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Say in the project's own words what is wrong with a wheel."""
    try:
        yield
    except WheelError:
        raise
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise WheelError(f"{name} cannot be read: {error}") from None
    except (KeyError, ValueError, AssertionError, RuntimeError, UnicodeDecodeError) as error:
        raise WheelError(f"{name} is no wheel that can be installed: {error}") from None
