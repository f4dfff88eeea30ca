"""A folder as a store: on this machine, or a volume that the pods mount."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sematic.resolvers.stores.errors import StoreError
from sematic.resolvers.stores.store import Artifact, check_name, chunks_of, copy_into


class FolderStore:
    """``blobs/sha256/HEX`` and ``names/NAME`` in a folder; each is complete once it is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    @property
    def url(self) -> str:
        return self._folder.as_uri()

    def holds(self, artifact: Artifact) -> bool:
        try:
            return self._blob(artifact).stat().st_size == artifact.size
        except OSError:
            return False

    def write(self, artifact: Artifact, file: IO[bytes]) -> None:
        with self._written(self._blob(artifact)) as target:
            copy_into(file, target)

    def read(self, artifact: Artifact) -> Iterator[bytes]:
        explained = _explained(f"{self.url}: cannot read the artifact {artifact.digest}")
        with explained, self._blob(artifact).open("rb") as file:
            yield from chunks_of(file)

    def bind(self, name: str, document: bytes, artifacts: Iterable[Artifact] = ()) -> None:
        with self._written(self._name(name)) as target:
            target.write(document)

    def bound(self, name: str) -> bytes | None:
        with _explained(f"{self.url}: cannot read {name}"):
            try:
                return self._name(name).read_bytes()
            except FileNotFoundError:
                return None

    def _blob(self, artifact: Artifact) -> Path:
        return self._folder / "blobs" / "sha256" / artifact.digest.partition(":")[2]

    def _name(self, name: str) -> Path:
        return self._folder / "names" / check_name(name)

    @contextmanager
    def _written(self, path: Path) -> Iterator[IO[bytes]]:
        """A file that gets its name when it is complete."""
        with _explained(f"{self.url}: cannot write {path.name}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            number, hidden = tempfile.mkstemp(prefix=".incoming-", dir=path.parent)
            try:
                with open(number, "wb") as file:
                    yield file
                os.chmod(hidden, 0o644)
                os.replace(hidden, path)
            except BaseException:
                Path(hidden).unlink(missing_ok=True)
                raise


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StoreError(f"{doing}: it is not there ({error.filename})") from None
    except OSError as error:
        raise StoreError(f"{doing}: {error.strerror or error}") from None
