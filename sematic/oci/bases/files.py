"""Packages to entries: which of their files go into an image, and where they lie there.

Since Debian 12 /bin, /sbin and /lib are links into /usr ("merged /usr"). Its packages do not all
know: what they put into /lib goes to where the link points, as dpkg on such a system has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sematic.oci.bases.deb import Member, Package
from sematic.oci.bases.recipes import is_left_out
from sematic.oci.files import FileEntry

_MERGED = re.compile(r"(?:bin|sbin|lib|lib32|lib64|libo32|libx32)(?=/|$)")
_PERMISSIONS = 0o1777
"""Without set-user-id and set-group-id: what is run in a container needs no other user."""


def merged(path: str) -> str:
    """Where a path lies on a system with merged /usr.

    >>> merged("lib/x86_64-linux-gnu/libc.so.6"), merged("library")
    ('usr/lib/x86_64-linux-gnu/libc.so.6', 'library')
    """
    return f"usr/{path}" if _MERGED.match(path) else path


def entries_of(packages: Iterable[Package]) -> Iterator[FileEntry]:
    """The entries of some packages, and the links into /usr that they rely on."""
    tops = {"bin", "lib", "sbin"}
    for package in packages:
        for member in package.members:
            top = _MERGED.match(member.path)
            if top:
                tops.add(top[0])
            if not (
                is_left_out(member.path)
                or (top and member.kind != "folder" and top[0] == member.path)
            ):
                yield _entry(member)
    for name in sorted(tops):
        yield FileEntry.folder(f"usr/{name}")
        yield FileEntry.link(name, f"usr/{name}")


def _entry(member: Member) -> FileEntry:
    path = merged(member.path)
    if member.kind == "folder":
        return FileEntry.folder(path, member.mode & _PERMISSIONS)
    if member.content is None:
        return FileEntry.link(path, member.target)
    mode = member.mode & _PERMISSIONS
    return FileEntry(path, "file", mode, member.content.size, source=member.content)
