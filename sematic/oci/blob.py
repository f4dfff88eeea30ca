"""The two seams: where images come from and where they go.

A :class:`Source` gives manifests and blobs; a :class:`Destination` takes them. A registry
repository and an image layout are both; an archive is a destination. Either can be written
by anyone: what is here is all that the rest of the package asks of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, Protocol, TypeAlias

from sematic.oci.manifest import Descriptor, Document
from sematic.oci.reference import Reference
from sematic.oci.values import frozen

Fate = Literal["new", "reused", "mounted"]
"""What became of a blob: sent, already there, or linked there by the registry itself."""

Progress: TypeAlias = Callable[[int], None]
"""Told of bytes as they are written or sent: the number since the last call."""


class Blob(Protocol):
    """Bytes to be delivered. Its descriptor is None until the bytes have been made once."""

    @property
    def name(self) -> str: ...

    @property
    def descriptor(self) -> Descriptor | None: ...

    @property
    def origin(self) -> Source | None:
        """Where it lies already, if it does: a registry can mount it from there."""

    def open(self) -> Iterator[bytes]:
        """Its bytes, in chunks of any size; may be asked for more than once.

        When the last chunk has been taken the descriptor is known.

        :raises DigestError: the bytes are not those of the descriptor that was announced.
        :raises FileChanged: a file changed since the layer was planned.
        """


@frozen
class Receipt:
    """What a destination did with a blob.

    :param sent: bytes that were written or sent.
    """

    descriptor: Descriptor
    fate: Fate
    sent: int = 0


class Source(Protocol):
    """Where an image can be read."""

    @property
    def reference(self) -> Reference: ...

    def head(self, reference: str) -> str | None:
        """The digest that a tag or digest stands for now; None if there is no such manifest."""

    def manifest(self, reference: str) -> Document:
        """The manifest or index of a tag or digest, verified against the digest.

        :raises NotFound: there is none.
        """

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """A blob's bytes, verified by digest and size before the last chunk is given.

        :raises NotFound: there is none.
        :raises DigestError: it is not what its descriptor says.
        """


class Destination(Protocol):
    """Where an image can be delivered. Called from several threads at once, except finish."""

    @property
    def reference(self) -> Reference: ...

    def holds(self, digest: str, tags: Sequence[str]) -> bool:
        """Whether the manifest is there and every tag stands for it: then nothing is to do."""

    def has(self, descriptor: Descriptor) -> bool:
        """Whether a blob is there, as far as can be known without sending anything."""

    def remembers(self, descriptor: Descriptor) -> bool:
        """Whether a blob is known to be there without asking for it: false is no answer."""

    def put(self, blob: Blob, progress: Progress) -> Receipt:
        """See to it that a blob is there.

        A blob without a descriptor is streamed, and stored under the digest that it has in
        the end. Nothing of a blob that fails halfway is ever visible.
        """

    def doubt(self) -> None:
        """Stop trusting what is only remembered to be there: from now on, look."""

    def add(self, manifest: Document, blobs: Iterable[Descriptor]) -> None:
        """Store the manifest of an image that an index is going to list, under its digest alone.

        :param blobs: all that it needs; they have been put.
        :raises BlobsMissing: some are not there after all.
        """

    def finish(self, manifest: Document, tags: Sequence[str], blobs: Iterable[Descriptor]) -> None:
        """Store the manifest, and let every tag stand for it.

        :param manifest: of an image, or an index of manifests that have been added.
        :param blobs: all that it needs; they have been put.
        :raises BlobsMissing: some are not there after all; nothing was tagged.
        """

    def abandon(self) -> None:
        """The delivery failed: leave nothing behind that is of no use to the next one."""
