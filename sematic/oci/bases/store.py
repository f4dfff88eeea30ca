"""Packages and wheels that were downloaded, by their digest, in the cache of this machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from sematic.oci.errors import BaseError

_CHUNK = 1 << 20


class Store:
    """A folder of files whose names are their digests.

    :param folder: made when the first file comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file(self, name: str, sha256: str, fetch: Callable[[], Iterator[bytes]]) -> Path:
        """A file, fetched unless it is there.

        :param name: for people.
        :raises BaseError: what was fetched is not what was locked.
        """
        path = self._folder / sha256
        if path.is_file() and _digest(path) == sha256:
            with suppress(OSError):
                os.utime(path)  # it is of use, which `cache prune` asks
            return path
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".{sha256}-{os.getpid()}-{os.urandom(4).hex()}"
        try:
            found = hashlib.sha256()
            with partial.open("xb") as file:
                for chunk in fetch():
                    found.update(chunk)
                    file.write(chunk)
            if found.hexdigest() != sha256:
                raise BaseError(
                    f"{name} is not the file that was locked: its sha256 is {found.hexdigest()}, "
                    f"the lock says {sha256}.\nTake another mirror or index (--mirror), or make "
                    "a new lock with `sematic-oci base lock`."
                )
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return path


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            found.update(data)
    return found.hexdigest()
