"""An internet on loopback: a proxy that is itself every host that a test says there is.

It ends the TLS of a tunnel with a certificate of a private authority, so a client that uses it as
HTTPS_PROXY, and trusts the authority, talks to real names and checks them. What it is asked
directly, in plain http, is for the host 127.0.0.1: there clouds' metadata servers may be.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.peers.certificates import privately_signed
from tests.peers.registry import Registry

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Asked:
    method: str
    host: str
    target: str
    headers: Message
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def fields(self) -> dict[str, str]:
        """Those of the query and of a form, the first of each name."""
        form = self.headers.get_content_type() == "application/x-www-form-urlencoded"
        text = self.body.decode() if form else ""
        found = {**parse_qs(urlsplit(self.target).query), **parse_qs(text)}
        return {name: values[0] for name, values in found.items()}


@dataclass(frozen=True)
class Reply:
    status: int = 200
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Site = Callable[[Asked], Reply]


def document(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    kind = {"Content-Type": "application/json"}
    return Reply(status, json.dumps(value).encode(), {**kind, **(headers or {})})


class Internet:
    """`sites` are those that answer; other hosts cannot be reached."""

    def __init__(self, port: int, authority: Path) -> None:
        self.port = port
        self.authority = authority
        self.sites: dict[str, Site] = {}
        self.asked: list[Asked] = []

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        """The variables of a client that is connected to it, and to nothing else."""
        return {"HTTPS_PROXY": self.url, "SSL_CERT_FILE": str(self.authority)}

    def hosts(self) -> list[str]:
        """Who was asked something, in order."""
        return [asked.host for asked in self.asked]

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        try:
            return self.sites[asked.host](asked)
        except Exception:
            return Reply(500, traceback.format_exc().encode())


def relay(registry: Registry) -> Site:
    """A real registry as it is behind a front end that ends TLS."""

    def answer(asked: Asked) -> Reply:
        connection = http.client.HTTPConnection(registry.host, timeout=30)
        headers = {name: value for name, value in asked.headers.items() if name not in _HOPS}
        headers |= {"Host": asked.host, "X-Forwarded-Proto": "https"}
        try:
            connection.request(asked.method, asked.target, asked.body or None, headers)
            response = connection.getresponse()
            return Reply(response.status, response.read(), dict(response.getheaders()))
        finally:
            connection.close()

    return answer


_HOPS = ("Transfer-Encoding", "Content-Length", "Connection")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    internet: Internet
    tls: ssl.SSLContext
    host = LOOPBACK

    def do_CONNECT(self) -> None:
        host = self.path.rpartition(":")[0]
        if host not in self.internet.sites:
            self.send_error(502, "no such host")
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.host = host
        self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
        self.close_connection = False

    def answer(self) -> None:
        asked = Asked(self.command, self.host, self.path, self.headers, self._body())
        reply = self.internet.answer(asked)
        self.send_response(reply.status)
        sized = {"Content-Length": str(len(reply.data)), **reply.headers}
        for name, value in sized.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients hang up


@contextmanager
def internet(folder: Path, names: Sequence[str]) -> Iterator[Internet]:
    """A running one, that may have the hosts of these names (`*.` for one label)."""
    tls = privately_signed(folder, [f"DNS:{name}" for name in names])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    server = _Server((LOOPBACK, 0), _Handler)
    made = Internet(server.server_address[1], tls.authority)
    server.RequestHandlerClass = type("Handler", (_Handler,), {"internet": made, "tls": context})
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
