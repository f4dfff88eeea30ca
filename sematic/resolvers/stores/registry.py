"""A repository of a registry as a store.

A registry keeps blobs by digest, and whatever can pull an image reaches it. A name is a tag of an
artifact manifest (image-spec, "Guidelines for Artifact Usage") whose layers are the document and
the artifacts it speaks of: so a registry's garbage collection, which follows manifests, keeps them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from sematic.oci.blob import Source
from sematic.oci.errors import BlobsMissing, NotFound, OCIError, RegistryError
from sematic.oci.layer import Bytes
from sematic.oci.manifest import OCI_MANIFEST, Descriptor, Document, Manifest, to_json
from sematic.oci.memo import Forgetful
from sematic.oci.reference import RegistryReference, parse_reference
from sematic.oci.registry import Registries, Repository
from sematic.resolvers.stores.errors import StoreError
from sematic.resolvers.stores.store import Artifact, check_name, chunks_of

SCHEME = "registry://"

_KIND = "application/vnd.sematic.artifacts.v1+json"
_BLOB = "application/vnd.sematic.artifact.v1"
_EMPTY = Bytes("empty", Descriptor.of("application/vnd.oci.empty.v1+json", b"{}"), b"{}")


class RegistryStore:
    """A repository as a store.

    :param repository: ``HOST/REPOSITORY``.
    """

    def __init__(self, repository: str, registries: Registries | None = None) -> None:
        reference = parse_reference(repository)
        if not isinstance(reference, RegistryReference) or reference.tag or reference.digest:
            raise StoreError(f"{SCHEME}{repository}: write {SCHEME}HOST/REPOSITORY, without a tag")
        self._name = reference.name
        registries = registries or Registries(reference.host, memo=Forgetful())
        self._repository: Repository = registries.repository(reference, push=True)

    @property
    def url(self) -> str:
        return SCHEME + self._name

    def holds(self, artifact: Artifact) -> bool:
        with _explained(f"look for the artifact {artifact.digest}"):
            return self._repository.has(_descriptor(artifact))

    def write(self, artifact: Artifact, file: IO[bytes]) -> None:
        with _explained(f"store the artifact {artifact.digest} ({artifact.size} bytes)"):
            self._repository.put(_FileBlob(_descriptor(artifact), file), _unheard)

    def read(self, artifact: Artifact) -> Iterator[bytes]:
        with _explained(f"read the artifact {artifact.digest}"):
            yield from self._repository.blob(_descriptor(artifact))

    def bind(self, name: str, document: bytes, artifacts: Iterable[Artifact] = ()) -> None:
        own = Bytes(name, Descriptor.of(_BLOB, document), document)
        layers = list(dict.fromkeys([_artifact(own.descriptor), *artifacts]))
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": _KIND,
            "config": _EMPTY.descriptor.to_dict(),
            "layers": [_descriptor(layer).to_dict() for layer in layers],
        }
        tag = check_name(name)
        with _explained(f"store {name}"):
            for last in (False, False, True):
                for blob in (own, _EMPTY):
                    self._repository.put(blob, _unheard)
                try:
                    self._repository.finish(Document(OCI_MANIFEST, to_json(manifest)), [tag], ())
                    return
                except BlobsMissing:  # another writes the same blobs just now
                    if last:
                        raise

    def bound(self, name: str) -> bytes | None:
        with _explained(f"read {name}"):
            try:
                manifest = Manifest.from_document(self._repository.manifest(check_name(name)))
            except NotFound:
                return None
            return b"".join(self._repository.blob(manifest.layers[0]))


@dataclass(slots=True)
class _FileBlob:
    """A file on its way into a registry; it may be sent again from where it began."""

    descriptor: Descriptor | None
    file: IO[bytes]
    origin: Source | None = None
    name: str = "artifact"

    def open(self) -> Iterator[bytes]:
        self.file.seek(0)
        return chunks_of(self.file)


def _descriptor(artifact: Artifact) -> Descriptor:
    return Descriptor(_BLOB, artifact.digest, artifact.size)


def _artifact(descriptor: Descriptor) -> Artifact:
    return Artifact(descriptor.digest, descriptor.size)


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    try:
        yield
    except OCIError as error:
        is_passing = isinstance(error, RegistryError) and error.status in (0, 408, 429, 500, 503)
        raise StoreError(f"cannot {doing}: {error}", is_passing=is_passing) from error


def _unheard(count: int) -> None:
    """Progress that nobody watches."""
