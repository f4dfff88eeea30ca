"""Blobs to be delivered in tests."""

from __future__ import annotations

from collections.abc import Iterator

from sematic.oci.blob import Source
from sematic.oci.layer import Bytes
from sematic.oci.manifest import OCI_CONFIG, OCI_MANIFEST, Descriptor, Document, Manifest

LAYER = "application/vnd.oci.image.layer.v1.tar"
DATA = bytes(range(256)) * 4096  # 1 MiB


class Streamed:
    """A blob whose digest is known when it has been read. `failure` is raised in its midst."""

    name = "streamed"
    origin: Source | None = None

    def __init__(self, data: bytes = DATA, failure: BaseException | None = None) -> None:
        self.data = data
        self.failure = failure
        self.opened = 0
        self.descriptor: Descriptor | None = None

    def open(self) -> Iterator[bytes]:
        self.opened += 1
        middle = len(self.data) // 2
        yield self.data[:middle]
        if self.failure:
            raise self.failure
        self.descriptor = Descriptor.of(LAYER, self.data)
        yield self.data[middle:]


def known(data: bytes = DATA, origin: Source | None = None, media_type: str = LAYER) -> Bytes:
    """A blob whose digest is known beforehand."""
    return Bytes("known", Descriptor.of(media_type, data), data, origin)


def manifest(*layers: Descriptor) -> Document:
    return Manifest(OCI_MANIFEST, Descriptor.of(OCI_CONFIG, b"{}"), layers).document()


def unheard(count: int) -> None:
    """Progress that nobody asks for."""
