"""Connections to hosts: plain or TLS, and through proxies."""

from __future__ import annotations

import base64
import socket
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from sematic.oci.registry.exchange import BadAnswer, Reader, Socket, read_head
from sematic.oci.values import frozen

if TYPE_CHECKING:
    import ssl

_PORTS = {"http": 80, "https": 443}


class NotReached(ConnectionError):
    """There is no connection to a host; its cause says why."""


class ProxyFailed(ConnectionError):
    """There is none through a proxy."""


@frozen
class Address:
    """A host's name (IPv6 without brackets), and its port."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Address:
        """:raises ValueError: it is no URL with a host."""
        parts = urlsplit(url)
        if not parts.hostname or parts.scheme not in _PORTS:
            raise ValueError("it has no host")
        return cls(parts.hostname, parts.port or _PORTS[parts.scheme])

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def dial(address: Address, tls: ssl.SSLContext | None, name: str, seconds: float) -> Socket:
    """A connection to a host.

    :param name: whom its certificate has to be for, "" for the host.
    :raises NotReached: there is none; socket.gaierror where the host has no address.
    :raises OSError: TLS failed.
    """
    try:
        # As bytes: of text, all of the codec for international names would be imported.
        host = address.host.encode() if address.host.isascii() else address.host.encode("idna")
        where = cast(tuple[str, int], (host, address.port))
        plain = socket.create_connection(where, seconds)
    except UnicodeError as error:
        raise socket.gaierror(str(error)) from None
    except socket.gaierror:
        raise
    except OSError as error:
        raise NotReached from error
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _secured(plain, tls, name or address.host) if tls else cast(Socket, plain)


def dial_through(
    proxy: str, address: Address, tls: ssl.SSLContext | None, name: str, seconds: float
) -> Socket:
    """A connection through a proxy: to the proxy itself for plain http, a tunnel for TLS.

    :raises ProxyFailed: there is none.
    :raises OSError: TLS failed with the host.
    """
    try:
        outer = dial(Address.of(proxy), _proxy_tls(proxy), "", seconds)
    except OSError as error:
        raise ProxyFailed from error
    if tls is None:
        return outer
    try:
        _open_tunnel(outer, address, proxy_authorization(proxy))
    except OSError as error:
        outer.close()
        raise ProxyFailed from error
    return _secured(outer, tls, name or address.host)


def proxy_authorization(proxy: str) -> str:
    """What shows a proxy who asks, "" where its URL has no user."""
    user = unquote(urlsplit(proxy).netloc.rpartition("@")[0])
    return f"Basic {base64.b64encode(user.encode()).decode()}" if user else ""


def _proxy_tls(proxy: str) -> ssl.SSLContext | None:
    if urlsplit(proxy).scheme != "https":
        return None
    import os

    from sematic.oci.registry.certificates import tls_context

    return tls_context(os.environ)


def _open_tunnel(outer: Socket, address: Address, authorization: str) -> None:
    """RFC 9110, 9.3.6."""
    lines = [f"CONNECT {address} HTTP/1.1", f"Host: {address}"]
    if authorization:
        lines.append(f"Proxy-Authorization: {authorization}")
    outer.sendall("\r\n".join((*lines, "", "")).encode("latin-1"))
    reader = Reader(outer)
    _, status, _ = read_head(reader)
    if not reader.is_empty():
        raise BadAnswer("it sent more than was asked for")
    if not 200 <= status < 300:
        raise BadAnswer(f"it answered {status}")


def _secured(outer: Socket, tls: ssl.SSLContext, name: str) -> Socket:
    import ssl

    name = name.partition("%")[0].rstrip(".")
    tls.set_alpn_protocols(["http/1.1"])
    try:
        if isinstance(outer, ssl.SSLSocket):
            from sematic.oci.registry.tls_in_tls import Inner

            return Inner(outer, tls, name)
        return cast(Socket, tls.wrap_socket(cast(socket.socket, outer), server_hostname=name))
    except BaseException:
        outer.close()
        raise
