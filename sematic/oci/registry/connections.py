"""Connections to any hosts, kept open for the requests that follow. Imported with the first one."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from sematic.oci.registry.dialing import Address, dial, dial_through, proxy_authorization
from sematic.oci.registry.exchange import Answered, Connection

if TYPE_CHECKING:
    import ssl

_LINE = re.compile(r"[ -~\x80-\xff\t]*")


class CannotAsk(ValueError):
    """A request that cannot be put into words."""


class Connections:
    """Connections that are made in one way; threads may share them.

    :param proxy: its URL, "" where there is none.
    :param tls: None for plain http.
    :param kept: so many are kept open per host.
    :param name: whom the certificate of every host has to be for, "" for the host.
    """

    def __init__(
        self, proxy: str = "", tls: ssl.SSLContext | None = None, kept: int = 16, name: str = ""
    ) -> None:
        self._proxy = proxy
        self._tls = tls
        self._kept = kept
        self._name = name
        self._lock = threading.Lock()
        self._idle: dict[Address, list[Connection]] = {}

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] = b"",
        *,
        connect: float,
        read: float | None,
    ) -> Answered:
        """Make a request once.

        :param body: in chunks where no header says how long it is.
        :param connect: seconds to connect, and to send one piece of the body.
        :param read: seconds to wait for bytes of the answer; None for ever.
        :raises CannotAsk: the URL or a header cannot be sent.
        :raises OSError: there was no answer; see also :mod:`.dialing` and :mod:`.exchange`.
        """
        try:
            address = Address.of(url)
        except ValueError as error:
            raise CannotAsk(str(error)) from None
        pieces = (body,) if isinstance(body, bytes) else body
        chunked = not isinstance(body, bytes) and "Content-Length" not in headers
        head = self._head(method, url, headers, chunked)
        connection = self._take(address) or self._open(address, connect)
        try:
            is_whole = connection.send(head, pieces, chunked=chunked, seconds=connect)
            return connection.answer(
                method, read, lambda done: self._release(address, done, is_whole)
            )
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close those that are not in use."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for connection in (each for several in idle.values() for each in several):
            connection.close()

    def _head(self, method: str, url: str, headers: Mapping[str, str], chunked: bool) -> bytes:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        if not target.startswith("/"):
            target = f"/{target}"
        lines = {"Host": host, **headers}
        if chunked:
            lines["Transfer-Encoding"] = "chunked"
        if self._proxy and self._tls is None:
            target = f"{parts.scheme}://{host}{target}"
            if authorization := proxy_authorization(self._proxy):
                lines["Proxy-Authorization"] = authorization
        target = re.sub("[^!-~]", lambda found: quote(found[0]), target)
        if not all(map(_LINE.fullmatch, lines.values())):
            raise CannotAsk("a header has characters that cannot be sent")
        text = [f"{method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in lines.items()), "", ""]
        return "\r\n".join(text).encode("latin-1")

    def _open(self, address: Address, seconds: float) -> Connection:
        if self._proxy:
            return Connection(dial_through(self._proxy, address, self._tls, self._name, seconds))
        return Connection(dial(address, self._tls, self._name, seconds))

    def _take(self, address: Address) -> Connection | None:
        """One that is open still."""
        while True:
            with self._lock:
                idle = self._idle.get(address)
                connection = idle.pop() if idle else None
            if connection is None or connection.is_quiet():
                return connection
            connection.close()

    def _release(self, address: Address, connection: Connection, is_whole: bool) -> None:
        with self._lock:
            idle = self._idle.setdefault(address, [])
            if is_whole and len(idle) < self._kept:
                idle.append(connection)
                return
        connection.close()
