"""Objects of one kind as they change: one list, then a watch that is resumed whenever it ends.

Kubernetes, "Efficient detection of changes".
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sematic.resolvers.pods.kubernetes.client import Api, Object
from sematic.resolvers.pods.kubernetes.errors import ApiError

if TYPE_CHECKING:
    from sematic.oci.registry.exchange import Answered

_SECONDS = 45  # a connection that has died unnoticed is missed for so long
_SILENCE = 60.0
_REST_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Listed:
    """All that there is, at one time: what is not among it is gone."""

    objects: list[Object]


@dataclass(frozen=True, slots=True)
class Changed:
    """One object, and whether it was deleted."""

    object: Object
    is_deleted: bool = False


class Watch:
    """Follows what a selector fits.

    :param query: ``labelSelector`` or ``fieldSelector``.
    """

    def __init__(self, api: Api, resource: str, query: dict[str, str]) -> None:
        self._api = api
        self._resource = resource
        self._query = query
        self._response: Answered | None = None
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Listed | Changed | None]:
        """What changes, until it is closed; None when a list is about to be made.

        :raises PodsError: the API server refuses, or cannot be reached for long.
        """
        version = ""
        while not self._closed.is_set():
            if not version:
                yield None
                found = self._api.request("list", self._resource, query=self._query)
                version = found["metadata"]["resourceVersion"]
                yield Listed(found.get("items") or [])
            for event in self._events(version):
                if event["type"] == "ERROR":
                    version = ""  # it is too long ago, most likely
                    break
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    yield Changed(event["object"], event["type"] == "DELETED")
            self._closed.wait(_REST_SECONDS)

    def close(self) -> None:
        """End it, from another thread."""
        self._closed.set()
        response = self._response
        with suppress(Exception):  # it has ended by itself
            if response is not None:
                response.shutdown()

    def _events(self, version: str) -> Iterator[Any]:
        """The events of one connection."""
        query = {
            **self._query,
            "watch": "1",
            "resourceVersion": version,
            "timeoutSeconds": str(_SECONDS),
            "allowWatchBookmarks": "true",
        }
        try:
            response = self._api.stream("watch", self._resource, query=query, silence=_SILENCE)
        except ApiError as error:
            if not error.is_gone:
                raise
            yield {"type": "ERROR"}
            return
        self._response = response
        try:
            rest = b""
            while not self._closed.is_set() and (chunk := response.read1()):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from map(json.loads, filter(None, lines))
        except OSError:
            return  # resumed where it was
        finally:
            self._response = None
            response.close()
