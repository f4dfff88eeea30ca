"""What a symbolic link of a source tree becomes in the image."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Literal, NamedTuple


class Region(NamedTuple):
    """A folder of this machine that goes into the image as a whole.

    :param real: where it lies, without links.
    :param path: what it is in the tree; empty for the tree's root.
    """

    real: str
    path: str

    def path_of(self, real: str) -> str | None:
        """What a file of this machine is in the tree, if it lies in this folder."""
        if real == self.real:
            return self.path
        inner = real.removeprefix(self.real.rstrip("/") + "/")
        if inner == real:
            return None
        return f"{self.path}/{inner}" if self.path else inner


class Link(NamedTuple):
    """What a link becomes.

    :param fate: a link, the file or folder that it points to, or nothing.
    :param text: the target as it will be written; the folder's real path; why it is refused.
    """

    fate: Literal["link", "file", "folder", "refused"]
    text: str
    status: os.stat_result | None = None


def judge(link: str, path: str, regions: Sequence[Region]) -> Link:
    """Say what becomes of a link.

    :param link: where it lies on this machine.
    :param path: where it lies in the tree.
    :param regions: the folders that are being walked, innermost last.
    """
    target = os.readlink(link)
    real = os.path.realpath(link)
    try:
        status = os.stat(link)
    except OSError:
        return _dangling(target, path, regions[-1])
    for region in reversed(regions):
        there = region.path_of(real)
        if there is not None:
            return Link("link", _written(target, path, there, regions[-1]))
    if stat.S_ISREG(status.st_mode):
        return Link("file", real, status)
    if stat.S_ISDIR(status.st_mode):
        return Link("folder", real)
    return Link("refused", f"a link to {special(status.st_mode)}: {target}")


def special(mode: int) -> str:
    """A file that is no file, in words."""
    if stat.S_ISSOCK(mode):
        return "a socket"
    if stat.S_ISFIFO(mode):
        return "a FIFO"
    return "a device"


def _dangling(target: str, path: str, region: Region) -> Link:
    if _stays_inside(target, path, region):
        return Link("link", target)
    return Link("refused", f"a link to nothing: {target}")


def _written(target: str, path: str, there: str, region: Region) -> str:
    if _stays_inside(target, path, region):
        return target
    # By way of the checkout's own place: other checkouts would have another text.
    return os.path.relpath("/" + there, "/" + os.path.dirname(path))


def _stays_inside(target: str, path: str, region: Region) -> bool:
    """Whether a target leads from the link to its goal without leaving the region."""
    if target.startswith("/"):
        return False
    depth = os.path.dirname(path[len(region.path) :].lstrip("/")).count("/")
    depth += bool(os.path.dirname(path[len(region.path) :].lstrip("/")))
    for name in target.split("/"):
        if name == "..":
            depth -= 1
        elif name not in ("", "."):
            depth += 1
        if depth < 0:
            return False
    return True
