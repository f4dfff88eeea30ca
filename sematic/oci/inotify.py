"""Changes in folders, as Linux tells of them (inotify(7)).

The kernel tells nothing of what is written through a mapping before that is closed, of what is
written through another name of a file (a hard link) in a folder that is not watched, and of what
other machines do on a network's file system.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from typing import NamedTuple

_MODIFY = 0x2
_ATTRIB = 0x4
_CLOSE_WRITE = 0x8
_MOVED_FROM = 0x40
_MOVED_TO = 0x80
_CREATE = 0x100
_DELETE = 0x200
_DELETE_SELF = 0x400
_MOVE_SELF = 0x800
_ONLYDIR = 0x01000000
_DONT_FOLLOW = 0x02000000
_ISDIR = 0x40000000

_CONTENT = _MODIFY | _ATTRIB | _CLOSE_WRITE
_NAMES = _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF

_EVENT = struct.Struct("iIII")
_MOST = 1 << 20


class Event(NamedTuple):
    """What was told of.

    :param watch: the number of the folder's watch; -1 where events were lost.
    :param mask: what happened.
    :param name: in the folder; empty if it happened to the folder itself.
    """

    watch: int
    mask: int
    name: bytes

    @property
    def is_of_content(self) -> bool:
        """Whether nothing but what is in a file, or its mode, has changed."""
        return bool(self.mask & _CONTENT) and not self.mask & _ISDIR


class Inotify:
    """Folders that are watched: at most a quarter of those that a user may have watched.

    :raises OSError: there is no such thing here, or no more of them.
    """

    def __init__(self) -> None:
        import ctypes  # takes 5 ms, and is seldom needed

        if sys.platform != "linux":
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        self._free = _most_watches() // 4
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._errno = ctypes.get_errno
        self._descriptor = self._called(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def add(self, folder: bytes) -> int:
        """Watch a folder; the number of its watch, which is one for all of its names.

        :raises OSError: it is gone, or a link, or there are as many watches as may be.
        """
        if not self._free:
            raise OSError(errno.ENOSPC, "no more folders are watched: others want to, too")
        self._free -= 1
        mask = _CONTENT | _NAMES | _ONLYDIR | _DONT_FOLLOW
        return self._called(self._libc.inotify_add_watch(self._descriptor, folder, mask))

    def read(self) -> list[Event]:
        """What has happened since it was asked last."""
        events: list[Event] = []
        while True:
            try:
                data = os.read(self._descriptor, _MOST)
            except BlockingIOError:
                return events
            position = 0
            while position < len(data):
                watch, mask, _, length = _EVENT.unpack_from(data, position)
                position += _EVENT.size
                events.append(Event(watch, mask, data[position : position + length].rstrip(b"\0")))
                position += length

    def close(self) -> None:
        os.close(self._descriptor)

    def _called(self, outcome: int) -> int:
        if outcome < 0:
            number = self._errno()
            raise OSError(number, os.strerror(number))
        return outcome


def _most_watches() -> int:
    with open("/proc/sys/fs/inotify/max_user_watches", "rb") as opened:
        return int(opened.read())
