"""Any file system that fsspec knows as a store: ``s3://``, ``gs://``, ``abfs://``, ``memory://``..."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from sematic.resolvers.stores.errors import StoreError
from sematic.resolvers.stores.store import Artifact, check_name, chunks_of, copy_into


class FsspecStore:
    """A folder of a file system that fsspec knows; what is written there appears when complete.

    :param url: ``PROTOCOL://PATH``; credentials and options are those of the protocol's library.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        protocol = url.partition("://")[0]
        try:
            fsspec = importlib.import_module("fsspec.core")
        except ImportError:
            raise StoreError(f"{url}: install fsspec, and what {protocol} needs") from None
        try:
            self._files, self._root = fsspec.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise StoreError(f"{url} cannot be used as a store: {error}") from None

    def holds(self, artifact: Artifact) -> bool:
        with self._explained(f"look for the artifact {artifact.digest}"):
            try:
                return bool(self._files.size(self._blob(artifact)) == artifact.size)
            except FileNotFoundError:
                return False

    def write(self, artifact: Artifact, file: IO[bytes]) -> None:
        explained = self._explained(f"store the artifact {artifact.digest} ({artifact.size} bytes)")
        with explained, self._opened(self._blob(artifact), "wb") as target:
            copy_into(file, target)

    def read(self, artifact: Artifact) -> Iterator[bytes]:
        explained = self._explained(f"read the artifact {artifact.digest}")
        with explained, self._opened(self._blob(artifact), "rb") as file:
            yield from chunks_of(file)

    def bind(self, name: str, document: bytes, artifacts: Iterable[Artifact] = ()) -> None:
        with self._explained(f"store {name}"), self._opened(self._name(name), "wb") as target:
            target.write(document)

    def bound(self, name: str) -> bytes | None:
        with self._explained(f"read {name}"):
            try:
                with self._opened(self._name(name), "rb") as file:
                    return bytes(file.read())
            except FileNotFoundError:
                return None

    def _blob(self, artifact: Artifact) -> str:
        return f"{self._root}/blobs/sha256/{artifact.digest.partition(':')[2]}"

    def _name(self, name: str) -> str:
        return f"{self._root}/names/{check_name(name)}"

    def _opened(self, path: str, mode: str) -> Any:
        if mode == "wb":
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        return self._files.open(path, mode)

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Every library behind fsspec has exceptions of its own."""
        try:
            yield
        except (StoreError, GeneratorExit):
            raise
        except FileNotFoundError as error:
            raise StoreError(f"{self.url}: cannot {doing}: it is not there") from error
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise StoreError(f"{self.url}: cannot {doing}: {why}", is_passing=True) from error
