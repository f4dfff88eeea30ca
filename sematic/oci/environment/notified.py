"""An environment's files as this process saw them before, but for those the kernel has told of.

A process that pushes an environment a second time has the kernel tell of changes (inotify), looks
at every file once more, and from then on only at those it is told of. What the kernel may not tell
of is looked at every time: files with several names, links, and all that does not lie on this
machine's own file systems.
"""

from __future__ import annotations

import marshal
import os
import re
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sematic.oci import look
from sematic.oci.looking import list_identity, looking

if TYPE_CHECKING:
    from typing import TypeAlias

    from sematic.oci.look import Below, Fact
    from sematic.oci.looking import Beside

    Group: TypeAlias = tuple[Below, int]
    """Files, and how many of them, the last, do not count for the size."""

_LOCAL = frozenset(b"btrfs ext2 ext3 ext4 f2fs overlay tmpfs xfs zfs".split())
"""File systems that no other machine writes to."""


class Notified:
    """All that a list names, as it looks now.

    :param file: the list; see look.py.
    :raises OSError: something is gone, or cannot be watched, or is not worth it.
    """

    def __init__(self, file: str) -> None:
        from sematic.oci.inotify import Inotify  # a command looks only once

        self.began = time.time_ns()
        self.file: str | None = file
        with open(file, "rb") as opened:
            self.identity = opened.read(look.IDENTITY)
            folders, groups = marshal.loads(opened.read())
        sites = [base for base, _ in folders]
        self._groups = [_group(below, others, sites) for below, others in groups]
        self._process = os.getpid()
        self._bases = sorted({*sites, *(base for below, _ in self._groups for base, _ in below)})
        self._places = _places(self._bases)
        self._mounts = _mounts(self._bases)
        self._inside: dict[int, set[int]] = {}
        self._inotify = Inotify()
        try:
            self._watch(folders)
            self._folders = look.folders_record(folders)
            self._seen = [_seen(group) for group in self._groups]
            if self._folders == look.GONE or 2 * self._seen.count(None) > len(groups):
                raise OSError("most would have to be looked at every time")
        except BaseException:
            self.close()
            raise

    def folders(self) -> bytes | None:
        return self._folders

    def group(self, number: int) -> bytes | None:
        return self._seen[number]

    def renew(self) -> bool:
        """Look at what the kernel has told of; whether everything else is as it was.

        :raises OSError: something is gone.
        """
        self.began = time.time_ns()
        if self._process != os.getpid():
            return False  # it is the parent who is told
        if self._places != _places(self._bases) or self._mounts != _mounts(self._bases):
            return False
        touched: set[int] = set()
        for event in self._inotify.read():
            if event.name == b"__pycache__" or event.name.endswith(b".pyc"):
                continue  # it is not taken along
            if event.watch not in self._inside or not event.is_of_content:
                return False
            touched |= self._inside[event.watch]
        for number in touched:
            self._seen[number] = _seen(self._groups[number])
        return True

    def close(self) -> None:
        self._inotify.close()

    def _watch(self, folders: Below) -> None:
        """Watch all folders on the way to any file."""
        watches: dict[bytes, int] = {}

        def watch(base: bytes, folder: bytes) -> set[int]:
            path = b"%b/%b" % (base, folder or b".")
            if path not in watches:
                watches[path] = self._inotify.add(path)
            return self._inside.setdefault(watches[path], set())

        for base, joined in folders:
            for path in joined.split(b"\0"):
                watch(base, b"" if path == b"." else path)
        for number, (below, _) in enumerate(self._groups):
            for base, joined in below:
                for folder in {path.rpartition(b"/")[0] for path in joined.split(b"\0")}:
                    watch(base, folder).add(number)
                    for above in _above(folder):
                        watch(base, above)


class Past:
    """What a process looked at last, and is told of.

    :ivar refused: what identifies a list that cannot be watched.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file = ""
        self._identity = self.refused = b""
        self.notified: Notified | None = None

    def again(self, file: str) -> Notified | None:
        """What a list names, if it is the one that was looked at last; None if that fails."""
        with self._lock:
            last, self.notified = self.notified, None
        identity = list_identity(file)
        is_same = identity and (self._file, self._identity) == (file, identity)
        if last is not None:
            with suppress(OSError):
                if is_same and last.renew():
                    return last
            last.close()
        elif is_same and identity != self.refused:
            try:
                return Notified(file)
            except (OSError, ValueError, EOFError, TypeError):  # or the list is damaged
                self.refused = identity
        return None

    def keep(self, file: str, notified: Notified | None) -> None:
        """Keep in mind what has been looked at now."""
        with self._lock:
            self._file, self._identity = file, list_identity(file)
            other, self.notified = self.notified, notified
        if other is not None:
            other.close()


_past = Past()


@contextmanager
def looking_again(file: str | None) -> Iterator[Beside]:
    """The files of an environment, looked at now: by this process if it has done so before."""
    notified = _past.again(file) if file else None
    try:
        if notified is not None:
            yield notified
        else:
            with looking(file) as beside:
                yield beside
    finally:
        if file:
            _past.keep(file, notified)


def _group(below: Below, others: Sequence[bytes], sites: Sequence[bytes]) -> Group:
    """A group of a list, the other files of which lie below folders as well."""
    placed = []
    for path in others:
        site = next((site for site in sites if path.startswith(b"%b/" % site)), b"")
        placed.append((site, path[len(site) + 1 :]) if site else os.path.split(path))
    return [*below, *placed], len(placed)


def _above(folder: bytes) -> Iterator[bytes]:
    """The folders that one lies in, up to the empty path."""
    while folder:
        folder = folder.rpartition(b"/")[0]
        yield folder


def _seen(group: Group) -> bytes | None:
    """The record of a group; None if something in it could change without the kernel telling."""
    below, others = group
    facts: list[Fact] = []
    try:
        for base, joined in below:
            descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
            try:
                for path in joined.split(b"\0"):
                    status = os.stat(path, dir_fd=descriptor, follow_symlinks=False)
                    if status.st_nlink > 1 or not stat.S_ISREG(status.st_mode):
                        return None
                    facts.append(look.fact(status))
            finally:
                os.close(descriptor)
    except OSError:
        return None
    return look.record(facts, len(facts) - others)


def _places(bases: Sequence[bytes]) -> list[tuple[int, int]]:
    """Which folders the paths lead to."""
    return [(status.st_dev, status.st_ino) for status in map(os.stat, bases)]


def _mounts(bases: Sequence[bytes]) -> list[bytes]:
    """The mounts that folders lie on, and those below them, as the kernel lists them.

    :raises OSError: one of them is no file system of this machine's own.
    """
    with open("/proc/self/mountinfo", "rb") as opened:
        listed = [(_mount_point(line), line) for line in opened]
    found: dict[bytes, bytes] = {}
    for base in [os.path.join(os.path.realpath(base), b"") for base in bases]:
        around = [mount for mount in listed if base.startswith(mount[0])]
        # Of two at one place the later one hides the other.
        found.update(around and [max(reversed(around), key=lambda mount: len(mount[0]))])
        found.update(mount for mount in listed if mount[0].startswith(base))
    if kinds := {line.split(b" - ")[1].split()[0] for line in found.values()} - _LOCAL:
        raise OSError(f"{sorted(kinds)} may be written to by others")
    return sorted(found.values())


def _mount_point(line: bytes) -> bytes:
    """Where something is mounted, with a slash at the end (proc_pid_mountinfo(5))."""
    escaped = line.split()[4]
    return os.path.join(re.sub(rb"\\(\d{3})", lambda code: bytes([int(code[1], 8)]), escaped), b"")
