"""What is known of layers before they are made: from this machine, and from where they go.

A machine that remembers nothing, as in continuous integration, would compress and send all of an
environment again. But the image that a tag stands for says what its layers are called and which
diff_ids they have. A layer of the same name is read once, and if it has that diff_id it is there
already. Where this machine delivered that image, it remembers the layers anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from sematic.oci.base import find_base
from sematic.oci.blob import Source
from sematic.oci.cache import Cache
from sematic.oci.errors import OCIError
from sematic.oci.layer import ExistingLayer, Layer, Made
from sematic.oci.manifest import layer_compression

_LARGE = 4 << 20
_FEW = 4
"""So many small layers are made sooner than a registry answers."""


class Known:
    """Layers that have been made before; asked for what a layer may come out as.

    :param previous: the image that will be replaced, if it can be read. It is looked at when a
        large layer is asked for, or more than a few.
    """

    def __init__(self, cache: Cache, previous: Source | None = None) -> None:
        self._cache = cache
        self._source = previous
        self._lock = threading.Lock()
        self._asked = 0
        self._there: dict[str, list[ExistingLayer]] | None = None

    def __call__(self, layer: Layer) -> Iterator[Made]:
        """What has the size of its tar, or its name."""
        size, compression = layer.tar_size(), layer.compression
        yield from self._cache.layers_of_size(size, compression)
        for there in self._previous(size).get(layer.name, ()):
            blob = there.descriptor
            if layer_compression(blob.media_type) == compression.algorithm:
                yield Made(there.diff_id, size, blob.digest, blob.size)

    def delivered(self, digest: str) -> None:
        """Remember that this machine has put an image in the place of the previous one."""
        if self._source is not None:
            self._cache.remember(_key(self._source), digest.encode())

    def _previous(self, size: int) -> dict[str, list[ExistingLayer]]:
        """The layers of the previous image by their names."""
        with self._lock:
            self._asked += 1
            is_worth_it = size > _LARGE or self._asked > _FEW
            if self._there is None and self._source is not None and is_worth_it:
                self._there = self._read(self._source)
            return self._there or {}

    def _read(self, source: Source) -> dict[str, list[ExistingLayer]]:
        found: dict[str, list[ExistingLayer]] = {}
        try:
            if self._is_own(source):
                return found
            image = find_base(source, self._cache)
        except OCIError:
            return found  # there is none yet, or it is of another kind
        for name, layer in zip(image.layer_names(), image.layers, strict=True):
            found.setdefault(name, []).append(layer)
        return found

    def _is_own(self, source: Source) -> bool:
        own = self._cache.recall(_key(source))
        return own is not None and source.head(_tag(source)) == own.decode()


def _key(source: Source) -> str:
    return f"own {source.reference}"


def _tag(source: Source) -> str:
    return source.reference.tag or "latest"
