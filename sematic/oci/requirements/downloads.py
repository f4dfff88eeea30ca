"""Files of an index: fetched once, verified by their hash, kept by it."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sematic.oci.errors import RegistryError, RequirementsError, WheelError
from sematic.oci.events import Listener, Moved, Started
from sematic.oci.registry.answer import Answer
from sematic.oci.registry.downloads import carried_on
from sematic.oci.registry.routes import Routes
from sematic.oci.registry.transport import READ, Transport
from sematic.oci.requirements.indexes import Indexes
from sematic.oci.requirements.lock import Locked
from sematic.oci.requirements.logins import Logins, without_login

_CHUNK = 256 << 10


class Downloads:
    """A folder of files by their hash, and the way to those that are not in it yet.

    Called from several threads at once.

    :param folder: where they are kept: ``SHA256/NAME``.
    """

    def __init__(self, folder: Path, indexes: Indexes, listener: Listener) -> None:
        self.folder = folder
        self._listener = listener
        environment = indexes.environment()
        self._transport = Transport(Routes(indexes.insecure, environment), listener=listener)
        self.logins = Logins(indexes.addresses, environment)
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self.fetched: dict[str, int] = {}
        """Bytes of what was fetched, by hash."""

    def file(self, locked: Locked) -> Path:
        """A file on this machine, fetched if it is not there yet.

        :raises RequirementsError: it cannot be had.
        :raises WheelError: it is another file than was locked.
        """
        path = self.folder / locked.sha256 / locked.file
        with self._lock:
            lock = self._locks.setdefault(locked.sha256, threading.Lock())
        with lock:
            if path.is_file():
                os.utime(path)  # it is of use
            else:
                self._fetch(locked, path)
        return path

    def stop(self) -> None:
        """Give up: nothing is waited for any more."""
        self._transport.stop()

    def _fetch(self, locked: Locked, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=".part-")
        except OSError as error:
            raise RequirementsError(f"cannot keep {locked.file}: {error}") from None
        try:
            with os.fdopen(descriptor, "wb") as file:
                own = hashlib.sha256()
                size = 0
                for chunk in self._told(locked):
                    own.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
            if own.hexdigest() != locked.sha256:
                raise WheelError(
                    f"{locked.file} is sha256:{own.hexdigest()} by its bytes, and sha256:"
                    f"{locked.sha256} was locked ({without_login(locked.location)}).\n"
                    "It has been replaced or damaged: make the lock anew if the new one is meant"
                )
            os.replace(part, path)
            self.fetched[locked.sha256] = size
        finally:
            Path(part).unlink(missing_ok=True)

    def _told(self, locked: Locked) -> Iterator[bytes]:
        """A file's bytes, while the listener is told of them."""
        name = f"fetch {locked.file}"
        total = locked.size or 0
        self._listener(Started(name, total))
        taken = 0
        for chunk in self._chunks(locked):
            taken += len(chunk)
            if locked.size is not None and taken > locked.size:
                raise WheelError(
                    f"{locked.file} has more than the {locked.size} bytes that were locked "
                    f"({without_login(locked.location)}): it has been replaced"
                )
            yield chunk
            self._listener(Moved(name, len(chunk), min(1.0, taken / max(1, total, taken))))

    def _chunks(self, locked: Locked) -> Iterator[bytes]:
        scheme = urlsplit(locked.location).scheme
        if scheme in ("http", "https"):
            return self._remote(locked)
        if scheme == "file":
            return _local(Path(url2pathname(urlsplit(locked.location).path)), locked)
        return _local(Path(locked.location), locked)

    def _remote(self, locked: Locked) -> Iterator[bytes]:
        url = without_login(locked.location)
        headers = self.logins.header(locked.location)

        def ask(position: int) -> Answer:
            more = {"Range": f"bytes={position}-"} if position else {}
            answer = self._transport.request("GET", url, {**headers, **more}, manner=READ)
            if answer.chunks is None:
                raise RequirementsError(_refused(locked, url, answer.status))
            return answer

        try:
            yield from carried_on(ask, locked.size)
        except RegistryError as error:
            raise RequirementsError(
                f"cannot fetch {locked.file} of {locked.title}: {error}"
            ) from None


def _local(path: Path, locked: Locked) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while data := file.read(_CHUNK):
                yield data
    except OSError as error:
        raise RequirementsError(f"cannot read {path} of {locked.title}: {error.strerror}") from None


def _refused(locked: Locked, url: str, status: int) -> str:
    host = urlsplit(url).netloc
    if status in (401, 403):
        return (
            f"{host} does not give {locked.file} of {locked.title}: it answered {status}.\n"
            "Give a user name and password for it in the index's address, or in ~/.netrc"
        )
    if status in (404, 410):
        return (
            f"{host} does not have {locked.file} of {locked.title} any more ({url} answered "
            f"{status}).\nMake the lock anew, or resolve anew with --upgrade"
        )
    return f"{host} does not give {locked.file} of {locked.title}: it answered {status}"
