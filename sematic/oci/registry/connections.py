"""urllib3's connections, with an end to answers that never get to their body.

http.client passes over interim answers (100 Continue) and trailers, however many there are.
Imported with urllib3, so with the first request.
"""

from __future__ import annotations

import http.client
import io
from typing import Any, cast

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

_MOST_LINES = 1000  # in a row; http.client takes 100 headers


class _Lines:
    """A file that gives so many lines in a row, and no more."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self._count = 0

    def readline(self, limit: int = -1) -> bytes:
        self._count += 1
        if self._count > _MOST_LINES:
            raise http.client.HTTPException(f"got more than {_MOST_LINES} lines")
        return self._file.readline(limit)

    def __getattr__(self, name: str) -> Any:
        self._count = 0
        return getattr(self._file, name)


class _Response(http.client.HTTPResponse):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fp = cast(io.BufferedReader, _Lines(self.fp))


class _Plain(HTTPConnection):
    response_class = _Response


class _Secure(HTTPSConnection):
    response_class = _Response


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


def bounded(manager: PoolManager) -> PoolManager:
    """A pool manager whose connections are such ones."""
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return manager
