"""Installed distributions: which there are, and which files belong to one (PyPA "Recording
installed projects").

What would differ between two installations of the same thing stays out of the image:

- ``INSTALLER``, ``REQUESTED``, ``uv_cache.json``, ``uv_build.json``: who installed it, and why;
- bytecode;
- ``direct_url.json`` where it names a folder of this machine;
- ``RECORD`` is written anew: sorted, without bytecode, of what is really in the image;
- ``RECORD.jws``, ``RECORD.p7s``: signatures of the RECORD that it had before.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sematic.oci.files import FileEntry
from sematic.oci.values import frozen

_METADATA_LEFT_OUT = frozenset(
    (
        "INSTALLER",
        "RECORD",
        "RECORD.jws",
        "RECORD.p7s",
        "REQUESTED",
        "uv_build.json",
        "uv_cache.json",
    )
)
# Written by what makes virtual environments, and of no use in the image's own.
_OF_THE_MAKER = frozenset(("_virtualenv.py", "_virtualenv.pth", "README.txt"))

METADATA_FIELD = re.compile(r"^(Name|Version):[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
"""The fields of METADATA that say what it is of."""
_HEAD = 8192


class Recorded(NamedTuple):
    """One line of a RECORD. Paths are as written: relative to site-packages, or absolute."""

    path: str
    hash: str = ""
    size: str = ""


@frozen
class Distribution:
    """An installed distribution.

    :param name: as its metadata writes it.
    :param key: the name in its normal form (PyPA "Names and normalization").
    :param site: the site folder that it lies in.
    :param folder: its .dist-info or .egg-info, relative to the site folder.
    """

    name: str
    version: str
    key: str
    site: str
    folder: str

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}".strip()

    def metadata(self, name: str) -> str:
        """The path of one of its metadata files."""
        return os.path.join(self.site, self.folder, name)

    def read(self, name: str) -> str | None:
        """One of its metadata files; None if it has none such."""
        return read_text(self.metadata(name))

    @property
    def is_editable(self) -> bool:
        """Whether it was installed with ``-e`` (PEP 610, ``dir_info``)."""
        return re.search(r'"editable"\s*:\s*true', self.read("direct_url.json") or "") is not None

    @property
    def is_local(self) -> bool:
        """Whether it came from a path of this machine (PEP 610)."""
        return re.search(r'"url"\s*:\s*"file:', self.read("direct_url.json") or "") is not None


def distribution_in(site: str, folder: str) -> Distribution | None:
    """The distribution that a name in a site folder stands for, if it stands for one."""
    stem, dot, suffix = folder.rpartition(".")
    if not dot or suffix not in ("dist-info", "egg-info"):
        return None
    path = os.path.join(site, folder)
    text = None
    for name in ("METADATA", "PKG-INFO"):
        text = text or read_text(os.path.join(path, name), _HEAD)
    fields = dict(METADATA_FIELD.findall(text or read_text(path, _HEAD) or ""))
    own, _, rest = stem.partition("-")
    name = fields.get("Name") or own
    version = fields.get("Version") or rest.partition("-")[0]
    return Distribution(name, version, normal_name(name), site, folder)


def stays_out(path: str, folder: str = "") -> bool:
    """Whether a file of a distribution goes into no image as it is.

    :param path: relative to site-packages.
    :param folder: the distribution's .dist-info or .egg-info, relative to site-packages.
    """
    parent, _, name = path.rpartition("/")
    is_left_out = parent != "" and parent == folder and name in _METADATA_LEFT_OUT
    return is_left_out or path in _OF_THE_MAKER or is_bytecode(path)


def is_bytecode(path: str) -> bool:
    return path.endswith(".pyc") or "__pycache__/" in path


def normal_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read_text(path: str, size: int = -1) -> str | None:
    """A text file, or None where there is none that can be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read(size)
    except OSError:
        return None


def read_record(text: str) -> list[Recorded]:
    """The lines of a RECORD."""
    if '"' in text:
        import csv
        import io

        rows = csv.reader(io.StringIO(text, newline=""))
        return [Recorded(*row[:3]) for row in rows if row]
    # Not splitlines: a file name may hold what that takes for the end of a line.
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return [Recorded(*line.rsplit(",", 2)) for line in lines if line]


def image_record(
    path: str, library: str, entries: Iterable[FileEntry], known: Mapping[str, Recorded]
) -> FileEntry:
    """The RECORD of a distribution as it lies in the image.

    :param path: its own, in the image.
    :param library: the image's site-packages.
    :param known: the lines that there are for files that go in as they are, by their paths in the
        image.
    """
    rows = [Recorded(in_library(path, library))]
    for entry in entries:
        inner = in_library(entry.path, library)
        if entry.source:
            old = known.get(entry.path, Recorded(inner))
            rows.append(Recorded(inner, old.hash, old.size))
        elif entry.kind == "file":
            rows.append(recorded(inner, entry.data))
    return FileEntry.from_bytes(path, write_record(rows))


def in_library(path: str, library: str) -> str:
    """A path of the image as RECORD writes it: relative to site-packages."""
    if path.startswith(library + "/"):
        return path[len(library) + 1 :]
    return os.path.relpath("/" + path, "/" + library)


def write_record(lines: Iterable[Recorded]) -> bytes:
    """A RECORD with its lines in the order of their paths."""
    rows = sorted(lines, key=lambda line: os.fsencode(line.path))
    text = "".join(f"{_quoted(row.path)},{row.hash},{row.size}\n" for row in rows)
    return text.encode(errors="surrogateescape")


def recorded(path: str, data: bytes) -> Recorded:
    """The line for a file with this content."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return Recorded(path, f"sha256={digest}", str(len(data)))


def listed_files(distribution: Distribution, tops: dict[str, list[str]]) -> Sequence[str] | None:
    """The paths that a distribution lists as its own, as written; None if it lists none.

    :param tops: the files of its site folder by the first name of their paths.
    """
    text = distribution.read("RECORD")
    if text is not None:
        if '"' in text or "\r" in text:
            return [line.path for line in read_record(text)]
        return [line.rsplit(",", 2)[0] for line in text.split("\n") if line]
    text = distribution.read("installed-files.txt")
    if text is not None:
        return [os.path.join(distribution.folder, line) for line in text.split("\n") if line]
    text = distribution.read("top_level.txt")
    if text is None:
        return None
    return [path for top in text.split() for path in _of_top(top, tops)]


def _of_top(top: str, tops: dict[str, list[str]]) -> list[str]:
    """The files of a package, or a module's: ``six.py``, ``_yaml.cpython-311-x86_64.so``."""
    if top in tops:
        return tops[top]
    ends = (".py", ".pyi", ".so", ".pyd")
    return [name for name in tops if name.startswith(f"{top}.") and name.endswith(ends)]


def _quoted(path: str) -> str:
    if any(sign in path for sign in ',"\n\r'):
        return '"' + path.replace('"', '""') + '"'
    return path
