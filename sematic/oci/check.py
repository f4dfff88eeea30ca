"""Whether files can run where they go, asked before anything is sent."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from sematic.oci.errors import BaseError, FileError
from sematic.oci.files import FileEntry, FileGroup
from sematic.oci.manifest import Platform

NATIVE = re.compile(r"\.(?:so(?:\.[0-9.]+)?|dylib|pyd|dll)$")
_TAGGED = re.compile(r"\.cpython-(?P<version>\d+)t?-(?P<rest>[^/]*)\.so$")
_SHOWN = 10

ELF = b"\x7fELF"

# e_machine (the System V ABI's and its processor supplements' numbers).
_MACHINES = {
    3: "386",
    21: "ppc64le",
    22: "s390x",
    40: "arm",
    62: "amd64",
    183: "arm64",
    243: "riscv64",
    258: "loong64",
}


def check_files(
    groups: Iterable[FileGroup], platform: Platform, python: str, libc: str = ""
) -> None:
    """Check that files can be read, and that native code can run where it goes.

    Some distributions bring files for several platforms; what counts is whether a group has
    native files and none of them fits.

    :param python: the minor version of the image's interpreter, as ``3.11``.
    :param libc: the base's, ``glibc`` or ``musl``; empty where it is not known.
    :raises FileError: some files cannot be read; the message names them.
    :raises BaseError: a group cannot run there; the message names a file and the way out.
    """
    unreadable: list[str] = []
    for group in groups:
        misfits: list[tuple[FileEntry, str]] = []
        fits = False
        for entry in group.entries():
            source = entry.source
            if isinstance(source, str) and source and not os.access(source, os.R_OK):
                unreadable.append(source)
            elif not fits and entry.kind == "file" and NATIVE.search(entry.path):
                misfit = _misfit(entry, platform, python, libc)
                fits = not misfit
                misfits.append((entry, misfit))
        if misfits and not fits:
            raise BaseError(_cannot_run(group, *misfits[0], platform, python))
    if unreadable:
        more = len(unreadable) - _SHOWN
        raise FileError(
            f"cannot read {', '.join(unreadable[:_SHOWN])}"
            + (f" and {more} more" if more > 0 else "")
            + "; make them readable, or leave them out with .sematicignore"
        )


def _cannot_run(
    group: FileGroup, entry: FileEntry, misfit: str, platform: Platform, python: str
) -> str:
    return (
        f"{group.name} cannot run on {platform} with Python {python}: "
        f"{entry.source or entry.path} {misfit}.\n"
        "Install the project's dependencies for that platform and Python and name "
        "that environment with --python, or push with --no-environment."
    )


def _misfit(entry: FileEntry, platform: Platform, python: str, libc: str) -> str:
    """Why a native file does not fit; empty if it does."""
    tagged = _TAGGED.search(entry.path)
    if tagged and tagged["version"] != python.replace(".", ""):
        version = tagged["version"]
        return f"is for Python {version[0]}.{version[1:]}"
    if tagged and libc == "glibc" and "-linux-musl" in tagged["rest"]:
        return "is for musl, and the base has glibc"
    if tagged and libc == "musl" and "-linux-gnu" in tagged["rest"]:
        return "is for glibc, and the base has musl"
    cpu = built_for(_head(entry))
    if cpu and cpu != platform.architecture:
        return f"is for {cpu}"
    return ""


def _head(entry: FileEntry) -> bytes:
    if not entry.source:
        return entry.data[:20]
    if not isinstance(entry.source, str):
        return next(iter(entry.source.open()), b"")[:20]
    try:
        with open(entry.source, "rb") as file:
            return file.read(20)
    except OSError:
        return b""  # said by whoever must read all of it


def built_for(head: bytes) -> str:
    """The CPU of an ELF file, or what else it is; empty for a file that is not native code."""
    if head.startswith(ELF):
        order = "little" if head[5:6] == b"\x01" else "big"
        machine = int.from_bytes(head[18:20], order)  # type: ignore[arg-type]
        return _MACHINES.get(machine, f"the CPU of ELF number {machine}")
    if head[:4] in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe"):
        return "macOS"
    if head[:2] == b"MZ":
        return "Windows"
    return ""
