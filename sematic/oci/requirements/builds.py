"""Wheels of what has none: built here where what comes out is right for the target."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from sematic.oci.errors import RequirementsError
from sematic.oci.manifest import Platform
from sematic.oci.requirements.lock import Locked
from sematic.oci.requirements.target import Target
from sematic.oci.requirements.uv import Uv

_SHOWN = 8


class Builds:
    """Wheels that were built, kept by the hash of what they were built from.

    :param folder: where they are kept.
    """

    def __init__(self, folder: Path, uv: Uv, target: Target) -> None:
        self._folder = folder
        self._uv = uv
        self._target = target

    def wheel(self, locked: Locked, source: Path) -> Path:
        """The wheel of a source distribution or a folder.

        :param source: where that lies.
        :raises RequirementsError: it cannot be built, or what comes out runs elsewhere.
        """
        kept = self._folder / locked.sha256 if locked.sha256 else None
        if kept is not None:
            for path in sorted(kept.glob("*.whl")):
                if self._fits(path):
                    os.utime(path)
                    return path
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".build-") as temporary:
            path = self._build(locked, source, Path(temporary))
            if not self._fits(path):
                raise RequirementsError(self._unfit(locked, path))
            kept = kept or self._folder / locked.name
            kept.mkdir(parents=True, exist_ok=True)
            return Path(shutil.move(path, kept / path.name))

    def _build(self, locked: Locked, source: Path, out: Path) -> Path:
        self._uv.run(
            f"build a wheel of {locked.title}, as there is none for {self._target}"
            f"{_there_are(locked)}",
            *("build", "--wheel", "--quiet"),
            *("--python", sys.executable),
            *("--out-dir", str(out), str(source)),
        )
        return next(out.glob("*.whl"))

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
