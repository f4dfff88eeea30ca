"""Files looked at by another process, while this one does other things.

It begins with the first group. When the result is needed, this process takes the groups from the
last one on, until both meet. What the other does not do, for whatever reason, this one does.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import time
from contextlib import contextmanager, suppress

from sematic.oci import look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal, NoReturn, Protocol, TypeAlias

    Files: TypeAlias = Literal["environment", "tree"]

    class Beside(Protocol):
        """Who knows what the files of a list look like.

        :ivar began: when it began to look (ns).
        :ivar file: the list; there may be none.
        """

        began: int
        file: str | None
        identity: bytes

        def folders(self) -> bytes | None:
            """The record of the folders, waited for; None if it did not come."""

        def group(self, number: int) -> bytes | None:
            """The record of a group; None if it is better made by who asks."""


_WORTH_IT = 64 << 10
"""Bytes of a list; another interpreter takes longer to start than shorter ones to be looked at."""

_AHEAD = 1 << 20
"""Bytes of records by which the other may be ahead: as many as Linux gives without asking."""

_started: dict[str, Looking] = {}


class Looking:
    """A list that is being looked at.

    :param file: the list; there may be none.
    :param fork: nothing else happens in this process yet, so a copy of it may look: that begins
        an interpreter's start sooner.
    """

    def __init__(self, file: str | None = None, fork: bool = False) -> None:
        self.began = time.time_ns()
        self.file = file
        self.identity = list_identity(file) if file else b""
        self._data = b""
        self._pipe = self._process = -1
        if file and self.identity and _may_start():
            self._start(file, fork)

    def renew(self, identity: bytes, data: bytes) -> None:
        """Look at this list from now on, if it is another than that in the file."""
        if self.file is None or identity == self.identity:
            return
        self.end()
        self._data = b""
        keep_list(self.file, data)
        self.identity = list_identity(self.file)
        if self.identity == identity and _may_start():
            self._start(self.file, fork=False)

    def folders(self) -> bytes | None:
        """The record of the folders, waited for; None if it did not come."""
        return self._record(0, wait=True)

    def group(self, number: int) -> bytes | None:
        """The record of a group if it has come, or comes next; None if it is better made here."""
        if number > self._come():
            self._read(0)
        return self._record(number + 1, wait=number <= self._come())

    def end(self) -> None:
        """Wait for nothing any more."""
        if self._process >= 0 and self._pipe >= 0:
            import signal

            os.kill(self._process, signal.SIGTERM)
        self._close()

    def _close(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        if self._process >= 0:
            with suppress(ChildProcessError):  # somebody else waits for all children
                os.waitpid(self._process, 0)
            self._process = -1

    def _start(self, file: str, fork: bool) -> None:
        self._pipe, writing = os.pipe()
        with suppress(OSError, AttributeError):
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _AHEAD)
        try:
            self._process = os.fork() if fork else _spawn(file, writing)
            if not self._process:
                _look(file, writing)
        except OSError:
            self._close()
        finally:
            os.close(writing)

    def _come(self) -> int:
        """The number of the group that comes next."""
        return (len(self._data) - look.IDENTITY) // look.RECORD - 1

    def _record(self, number: int, wait: bool) -> bytes | None:
        start = look.IDENTITY + number * look.RECORD
        if wait:
            self._read(start + look.RECORD)
        found = self._data[start : start + look.RECORD]
        return found if len(found) == look.RECORD and found != look.GONE else None

    def _read(self, wanted: int) -> None:
        """Wait until so many bytes have come; take what has, if that is none."""
        while self._pipe >= 0 and (not wanted or len(self._data) < wanted):
            os.set_blocking(self._pipe, wanted > 0)
            try:
                data = os.read(self._pipe, 1 << 16)
            except BlockingIOError:
                return
            self._data += data
            if not data:
                self._close()
            if not self.identity.startswith(self._data[: look.IDENTITY]):
                self.end()  # another list has come into its place
                self._data = b""
            if not wanted:
                return


def look_file(cache: str | os.PathLike[str], project: str | os.PathLike[str], what: Files) -> str:
    """Where the list is that was made for a project last, of its files or its environment's."""
    name = hashlib.blake2b(os.fsencode(os.path.realpath(project)), digest_size=16).hexdigest()
    return os.path.join(cache, "looks", f"{name}-{what}")


def start(file: str, fork: bool = False) -> int:
    """Begin to look ahead of the time when :func:`looking` is asked for it; when that was (ns)."""
    if before := _started.pop(file, None):
        before.end()
    _started[file] = Looking(file, fork)
    return _started[file].began


@contextmanager
def looking(file: str | None) -> Iterator[Looking]:
    """A list that is being looked at, since now or since :func:`start`."""
    beside = (_started.pop(file, None) if file else None) or Looking(file)
    try:
        yield beside
    finally:
        beside.end()


def list_identity(file: str) -> bytes:
    """What identifies the list in a file; nothing if there is none."""
    try:
        with open(file, "rb") as opened:
            return opened.read(look.IDENTITY)
    except OSError:
        return b""


def keep_list(file: str, data: bytes) -> None:
    """Keep a list for the next time, if it is long enough."""
    temporary = f"{file}.{os.getpid()}"
    try:
        if len(data) < _WORTH_IT:
            os.unlink(file)
            return
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(temporary, "wb") as opened:
            opened.write(data)
        os.replace(temporary, file)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)


def _may_start() -> bool:
    can = hasattr(os, "posix_spawn") and hasattr(os, "sched_getaffinity")
    is_interpreter = bool(sys.executable) and not hasattr(sys, "frozen")
    return can and is_interpreter and len(os.sched_getaffinity(0)) > 1


def _spawn(file: str, writing: int) -> int:
    """Start an interpreter that looks; its number."""
    program = [sys.executable, "-I", "-S", look.__file__, file]
    # Some interpreters do not start without it; nothing else is this program's business.
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, writing, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    return os.posix_spawn(sys.executable, program, kept, file_actions=actions)


def _look(file: str, writing: int) -> NoReturn:
    """Look, in a process that is a copy, and end it whatever happens."""
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for number, opened in enumerate((nothing, writing, nothing)):
            os.dup2(opened, number)
        look.main(file)
    finally:
        os._exit(0)
