"""Where inputs, outcomes and logs of steps lie.

A store has two kinds of things: artifacts, which are bytes by their digest and never change, and
names, which stand for a small document and keep the artifacts it speaks of.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Protocol, cast

from sematic.resolvers.stores.errors import StoreError

CHUNK = 1 << 20
_IN_MEMORY = 8 << 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Artifact:
    """Bytes that lie in a store.

    :param digest: ``sha256:<hex>``.
    :param size: in bytes.
    """

    digest: str
    size: int

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.digest) or self.size < 0:
            raise StoreError(f"no artifact: {self.digest!r} with {self.size!r} bytes")


class Store(Protocol):
    """A place for artifacts and names. Threads and processes may share it.

    All of its methods raise :class:`StoreError`.
    """

    @property
    def url(self) -> str:
        """What :func:`sematic.resolvers.stores.open_store` opens it by, on any machine."""

    def holds(self, artifact: Artifact) -> bool:
        """Whether an artifact is there."""

    def write(self, artifact: Artifact, file: IO[bytes]) -> None:
        """Bring an artifact there; whoever interrupts it leaves nothing that can be seen.

        :param file: its bytes, from the present position on.
        """

    def read(self, artifact: Artifact) -> Iterator[bytes]:
        """An artifact's bytes, in chunks, as they are found; :func:`fetch` verifies them."""

    def bind(self, name: str, document: bytes, artifacts: Iterable[Artifact] = ()) -> None:
        """Let a name stand for a document from now on, which keeps those artifacts alive."""

    def bound(self, name: str) -> bytes | None:
        """The document that a name stands for, None if there is none."""


def keep(store: Store, file: IO[bytes]) -> Artifact:
    """Put a file's bytes, from its beginning, into a store that may have them already."""
    file.seek(0)
    found, size = hashlib.sha256(), 0
    while data := file.read(CHUNK):
        found.update(data)
        size += len(data)
    artifact = Artifact(f"sha256:{found.hexdigest()}", size)
    if not store.holds(artifact):
        file.seek(0)
        store.write(artifact, file)
    return artifact


def fetch(store: Store, artifact: Artifact) -> IO[bytes]:
    """An artifact as a file at its beginning; large ones lie on disk. Close it.

    :raises StoreError: it is not there, or not what its digest says. Then nothing is given.
    """
    file = scratch()
    found, size = hashlib.sha256(), 0
    try:
        for chunk in store.read(artifact):
            size += len(chunk)
            if size > artifact.size:
                break
            found.update(chunk)
            file.write(chunk)
        if (f"sha256:{found.hexdigest()}", size) != (artifact.digest, artifact.size):
            raise StoreError(
                f"{store.url}: the artifact {artifact.digest} ({artifact.size} bytes) is damaged "
                "there: what came has another digest.\nRun the step that made it again."
            )
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def scratch() -> IO[bytes]:
    """A file for as long as it is open: in memory while it is small, else on disk."""
    return cast("IO[bytes]", tempfile.SpooledTemporaryFile(_IN_MEMORY))


def chunks_of(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of a file."""
    while data := file.read(CHUNK):
        yield data


def copy_into(file: IO[bytes], target: IO[bytes]) -> None:
    shutil.copyfileobj(file, target, CHUNK)


def check_name(name: str) -> str:
    """The name itself.

    :raises StoreError: it is none: up to 128 of ``a-z0-9._-``, as tags have to be everywhere.
    """
    if not _NAME.fullmatch(name):
        raise StoreError(f"{name!r} is no name for a store")
    return name
