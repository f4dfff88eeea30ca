"""Layers: made from entries when they are asked for, or lying somewhere already."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from sematic.oci.blob import Source
from sematic.oci.compression import Compression
from sematic.oci.errors import LayerChanged
from sematic.oci.files import FileEntry
from sematic.oci.manifest import Descriptor, Format, layer_media_type
from sematic.oci.tar import in_order, source_date_epoch, tar_chunks, tar_size
from sematic.oci.values import field, frozen

DEFAULT_COMPRESSION = Compression.parse("zstd")


@frozen
class Made:
    """What came out when a layer was made.

    :param diff_id: digest of the tar, before compression (image-spec, config.md).
    :param tar_size: bytes of the tar.
    :param digest: digest of the compressed layer.
    :param size: bytes of the compressed layer.
    """

    diff_id: str
    tar_size: int
    digest: str
    size: int


class Layer:
    """A layer made of entries: a recipe, and what came out of it once it was made.

    The bytes are not kept. They are made each time they are asked for, straight into
    whatever takes them, and must come out the same.

    :param name: what it is, for people and for the image's history.
    :param entries: what goes in, in any order; or what makes them, where they are many.
    :param made: what is remembered of an earlier time, if anything is.
    :param keep: told what came out whenever the layer was made.
    :param size: bytes of content, where it is known without making the entries.
    :param origin: who says that it lies there as it was made, if somebody else made it.
    :param is_of_base: it is to be a base's, and none of those that are put on one.
    """

    def __init__(
        self,
        name: str,
        entries: Iterable[FileEntry] | Callable[[], Iterable[FileEntry]],
        *,
        compression: Compression = DEFAULT_COMPRESSION,
        format: Format = "oci",
        made: Made | None = None,
        keep: Callable[[Made], None] | None = None,
        size: int | None = None,
        origin: Source | None = None,
        is_of_base: bool = False,
    ) -> None:
        # It ends up in JSON, and a file's name need not be UTF-8.
        self.name = os.fsencode(name).decode(errors="replace")
        self.compression = compression
        self.format = format
        self.made = made
        self.origin = origin
        self._keep = keep
        self.is_of_base = is_of_base
        self.taken = 0
        """Bytes of its tar that have gone in, while it is made."""
        self._entries: Sequence[FileEntry] | None = None
        if callable(entries):
            self._find = entries
        else:
            found = tuple(entries)
            self._find = lambda: found
        self._size = size
        self._tar_size: int | None = None

    @property
    def entries(self) -> Sequence[FileEntry]:
        """What goes in, in the order in which it is written."""
        if self._entries is None:
            self._entries = in_order(self._find())
        return self._entries

    @property
    def content_size(self) -> int:
        """Bytes of content, before tar and compression."""
        if self._size is None:
            self._size = sum(entry.size for entry in self.entries)
        return self._size

    @property
    def descriptor(self) -> Descriptor | None:
        if self.made is None:
            return None
        return Descriptor(
            layer_media_type(self.compression.algorithm, self.format),
            self.made.digest,
            self.made.size,
        )

    def recognise(self, known: Iterable[Made]) -> bool:
        """Whether it is one of these, found by its tar without compressing anything."""
        candidates = list(known)
        if candidates:
            diff_id = hashlib.sha256()
            for chunk in self.tar():
                diff_id.update(chunk)
            for made in candidates:
                if made.diff_id == f"sha256:{diff_id.hexdigest()}":
                    self._settle(made)
                    return True
        return False

    @property
    def diff_id(self) -> str | None:
        return self.made.diff_id if self.made else None

    def tar_size(self) -> int:
        """Bytes of its tar, known without reading a file."""
        if self._tar_size is None:
            self._tar_size = tar_size(self.entries)
        return self._tar_size

    def tar(self) -> Iterator[bytes]:
        """Its tar, not compressed."""
        return tar_chunks(self.entries, source_date_epoch())

    def open(self) -> Iterator[bytes]:
        """Make it: its bytes, compressed. Before the last chunk is given, ``made`` is set.

        :raises LayerChanged: what comes out is not what was remembered.
        :raises FileChanged: a file is not what it was when it was found.
        """
        stream = self.compression.start(self.tar_size())
        diff_id, digest = hashlib.sha256(), hashlib.sha256()
        tar_size = size = 0
        for chunk in self.tar():
            diff_id.update(chunk)
            tar_size += len(chunk)
            self.taken = tar_size
            data = stream.compress(chunk)
            if data:
                digest.update(data)
                size += len(data)
                yield data
        data = stream.flush()
        digest.update(data)
        size += len(data)
        self._settle(
            Made(
                f"sha256:{diff_id.hexdigest()}",
                tar_size,
                f"sha256:{digest.hexdigest()}",
                size,
            )
        )
        yield data

    def _settle(self, made: Made) -> None:
        before, self.made = self.made, made
        if self._keep is not None and before != made:
            self._keep(made)
        if before is not None and before != made:
            raise LayerChanged(
                f"layer {self.name!r} was {before.digest} and is now {made.digest}, "
                "though its files look the same from outside"
            )


@frozen
class ExistingLayer:
    """A layer that lies in a registry or an image layout, as those of a base image do."""

    descriptor: Descriptor
    diff_id: str
    origin: Source
    name: str = field(default="base")

    def open(self) -> Iterator[bytes]:
        """Its bytes from where they lie, verified."""
        return self.origin.blob(self.descriptor)


@frozen
class Bytes:
    """A blob that is at hand, as a config is."""

    name: str
    descriptor: Descriptor
    data: bytes
    origin: Source | None = None

    def open(self) -> Iterator[bytes]:
        yield self.data
