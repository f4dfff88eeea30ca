"""urllib3's connections, which take whole answers only, and bounded ones.

http.client takes the end of a connection for the end of a head: a digest or Location that was cut
off would look as if the server had not sent it. And it passes over interim answers (100 Continue)
and trailers, however many there are. Imported with urllib3, so with the first request.
"""

from __future__ import annotations

import http.client
import io
import ssl
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from urllib3 import (
    HTTPConnectionPool,
    HTTPSConnectionPool,
    PoolManager,
    ProxyManager,
    make_headers,
)
from urllib3.connection import HTTPConnection, HTTPSConnection

_MOST_LINES = 1000  # in a row; http.client takes 100 headers


class _Lines:
    """A file that gives whole lines, and so many in a row, and no more."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self._count = 0

    def readline(self, limit: int = -1) -> bytes:
        self._count += 1
        if self._count > _MOST_LINES:
            raise http.client.HTTPException(f"got more than {_MOST_LINES} lines")
        line = self._file.readline(limit)
        if not line.endswith(b"\n") and (limit < 0 or len(line) < limit):
            raise http.client.RemoteDisconnected("it ended within a line of an answer")
        return line

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


def new_pool(proxy: str, tls: ssl.SSLContext | None, connections: int) -> PoolManager:
    """Connections to any hosts.

    :param proxy: its URL, "" where there is none.
    :param connections: kept open per host.
    """
    if proxy:
        user = unquote(urlsplit(proxy).netloc.rpartition("@")[0])
        headers = make_headers(proxy_basic_auth=user) if user else None
        pool: PoolManager = ProxyManager(
            proxy, maxsize=connections, ssl_context=tls, proxy_headers=headers
        )
    else:
        pool = PoolManager(maxsize=connections, ssl_context=tls)
    pool.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return pool
