"""Wheels of what has none: built here where what comes out is right for the target."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from sematic.oci.errors import RequirementsError
from sematic.oci.events import Listener, Noticed
from sematic.oci.manifest import Platform
from sematic.oci.requirements.downloads import Downloads
from sematic.oci.requirements.lock import Locked
from sematic.oci.requirements.sources import check_out
from sematic.oci.requirements.target import Target
from sematic.oci.requirements.uv import Uv

_SHOWN = 8
_EPOCH = "315619200"
"""1980-01-02: a zip file knows nothing earlier than the first, wherever that begins."""


class Builds:
    """Wheels that were built, kept by the digest of what they were built from.

    :param downloads: gives source distributions, and knows logins.
    """

    def __init__(self, uv: Uv, target: Target, downloads: Downloads, listener: Listener) -> None:
        epoch = os.environ.get("SOURCE_DATE_EPOCH") or _EPOCH
        self._uv = replace(uv, variables={**uv.variables, "SOURCE_DATE_EPOCH": epoch})
        self._target = target
        self._downloads = downloads
        self._listener = listener

    def wheel(self, locked: Locked, source: str) -> Path:
        """The wheel of a source distribution, a folder or a commit.

        :param source: the digest (hex) of what it is built from.
        :raises RequirementsError: it cannot be built, or what comes out runs elsewhere.
        """
        kept = self._downloads.folder / source
        for path in sorted(kept.glob("*.whl")):
            if self._fits(path):
                os.utime(path)
                return path
        self._downloads.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._downloads.folder, prefix=".build-") as temporary:
            path = self._build(locked, Path(temporary))
            if not self._fits(path):
                raise RequirementsError(self._unfit(locked, path))
            kept.mkdir(parents=True, exist_ok=True)
            return Path(shutil.move(path, kept / path.name))

    def _build(self, locked: Locked, out: Path) -> Path:
        self._listener(Noticed(f"building a wheel of {locked.title}"))
        source = self._source(locked, out)
        self._uv.run(
            f"build a wheel of {locked.title}, as there is none for {self._target}"
            f"{_there_are(locked)}",
            *("build", "--wheel"),
            *("--python", sys.executable),
            *("--out-dir", str(out), str(source)),
        )
        return next(out.glob("*.whl"))

    def _source(self, locked: Locked, temporary: Path) -> Path:
        """What is to be built, on this machine."""
        if locked.kind == "folder":
            return Path(locked.location)
        if locked.kind == "repository":
            return check_out(locked, temporary / "source", self._downloads.logins)
        return self._downloads.file(locked)

    def _fits(self, path: Path) -> bool:
        """Whether a wheel that was built here runs on the target."""
        from packaging.utils import parse_wheel_filename

        tags = parse_wheel_filename(path.name)[3]
        if any(tag.platform == "any" for tag in tags):
            return not tags.isdisjoint(self._target.tags())
        return is_like_this(self._target) and not tags.isdisjoint(self._target.tags())

    def _unfit(self, locked: Locked, path: Path) -> str:
        return (
            f"there is no wheel of {locked.title} for {self._target}{_there_are(locked)}, and what "
            f"is built of its source here ({path.name}) does not run there.\n"
            "Require a version with a wheel for it, put such a wheel into an index of your own, or "
            "push from a machine of that kind."
        )


def _there_are(locked: Locked) -> str:
    """The wheels that there are, in brackets."""
    if not locked.wheels:
        return ""
    more = len(locked.wheels) - _SHOWN
    shown = ", ".join(locked.wheels[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return f" (there are {shown})"


def is_like_this(target: Target) -> bool:
    """Whether what is compiled here runs on the target."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    name, version = platform.libc_ver()
    libc = "glibc" if name == "glibc" else "musl"
    is_linux = sys.platform == "linux" and sys.implementation.name == "cpython"
    if not is_linux or (own, libc) != (target.python, target.libc):
        return False
    # What is linked here may need all that the C library has here.
    minor = version.partition(".")[2]
    is_newer = bool(target.libc_version and minor.isdecimal() and int(minor) > target.libc_minor)
    return Platform.of_host() == target.platform and not is_newer
