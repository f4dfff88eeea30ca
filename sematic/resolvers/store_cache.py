"""Results of former runs, in their store."""

from __future__ import annotations

import json
import logging

from sematic.resolvers.documents import Handle, handle_from_json, handle_to_json
from sematic.resolvers.step import Returned
from sematic.resolvers.stores import Artifact, Store, StoreError

_log = logging.getLogger("sematic.resolvers")


class StoreCache:
    """What funcs with ``cache=True`` gave, bound to ``cache-KEY``. A store that fails has none."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def recall(self, key: str) -> Returned | None:
        try:
            data = self._store.bound(f"cache-{key}")
        except StoreError as error:
            _log.warning("no cached result is looked for: %s", error)
            return None
        return None if data is None else Returned(handle_from_json(json.loads(data)))

    def remember(self, key: str, handle: Handle) -> None:
        artifacts = [handle] if isinstance(handle, Artifact) else []
        try:
            self._store.bind(f"cache-{key}", json.dumps(handle_to_json(handle)).encode(), artifacts)
        except StoreError as error:
            _log.warning("a result is not cached: %s", error)
