"""What is known of layers before they are made: from this machine, and from where they go.

A machine that remembers nothing, as in continuous integration, would compress and send all of an
environment again. But the image that a tag stands for says what its layers were made from: their
diff_ids and, in an annotation, the size of their tars. A layer whose tar has that size is read
once, and if it has that diff_id it is there already.
"""

from __future__ import annotations

import re
import threading

from sematic.oci.base import find_base
from sematic.oci.blob import Source
from sematic.oci.cache import Cache
from sematic.oci.compression import Compression
from sematic.oci.errors import OCIError
from sematic.oci.layer import SIZE_ANNOTATION, Made
from sematic.oci.manifest import layer_compression


class Known:
    """Layers that have been made before; asked for by the size of their tar.

    :param previous: the image that will be replaced, if it can be read. It is looked at when
        something is asked for the first time.
    """

    def __init__(self, cache: Cache, previous: Source | None = None) -> None:
        self._cache = cache
        self._source = previous
        self._lock = threading.Lock()
        self._there: list[tuple[str, Made]] | None = None

    def __call__(self, tar_size: int, compression: Compression) -> list[Made]:
        there = [
            made
            for algorithm, made in self._previous()
            if (algorithm, made.tar_size) == (compression.algorithm, tar_size)
        ]
        return [*self._cache.layers_of_size(tar_size, compression), *there]

    def _previous(self) -> list[tuple[str, Made]]:
        with self._lock:
            if self._there is None:
                self._there = [] if self._source is None else self._read(self._source)
            return self._there

    def _read(self, source: Source) -> list[tuple[str, Made]]:
        try:
            image = find_base(source, self._cache)
        except OCIError:
            return []  # there is none yet, or it is of another kind
        found = []
        for layer in image.layers:
            size = layer.descriptor.annotations.get(SIZE_ANNOTATION, "")
            if re.fullmatch("[0-9]{1,19}", size):
                blob = layer.descriptor
                made = Made(layer.diff_id, int(size), blob.digest, blob.size)
                found.append((layer_compression(blob.media_type), made))
        return found
