"""Doors: ports on loopback that HTTP/1.1 requests come in by, and go on from to real servers."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_FRAMING = {"connection", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Request:
    """A request, without its body. Names of headers are in lower case."""

    door: str
    method: str
    url: str
    headers: Mapping[str, str]
    status: list[int] = field(default_factory=list, compare=False)
    """What it was answered with, once it was."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def with_headers(self, **headers: str) -> Reply:
        """With these instead of those it has; write _ for -."""
        new = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in self.headers.items() if name not in new}
        return replace(self, headers={**kept, **new})


class Gone(Exception):
    """The client has hung up, or was hung up on."""


class Door:
    """A port. Shut, it refuses connections, and nobody else can have it."""

    def __init__(self, name: str, serve: Callable[[Connection], None]) -> None:
        self._name = name
        self._serve = serve
        self._lock = threading.Lock()
        self._connections: set[Connection] = set()
        # A socket that was bound to any port loses it when it listens no longer.
        self._placeholder = socket.socket()
        self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._placeholder.bind(("127.0.0.1", 0))
        self.port = int(self._placeholder.getsockname()[1])
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=32)
        self._is_open = True
        self._start()

    def shut(self) -> None:
        with self._lock:
            if self._is_open:
                self._is_open = False
                self._listener.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        with self._lock:
            if not self._is_open:
                self._is_open = True
                self._listener.listen(32)
                self._start()

    def close(self) -> None:
        self.shut()
        self._listener.close()
        self._placeholder.close()
        with self._lock:
            left = list(self._connections)
        for connection in left:
            connection.hang_up()

    def _start(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                connection = Connection(self._name, client)
                with self._lock:
                    self._connections.add(connection)
                threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: Connection) -> None:
        try:
            self._serve(connection)
        finally:
            connection.close()
            with self._lock:
                self._connections.discard(connection)


class _Wire:
    """A connection on which messages are read and written."""

    def __init__(self, end: socket.socket) -> None:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = end
        self._stream = end.makefile("rb")

    def head(self) -> tuple[list[str], dict[str, str]]:
        """The words of the first line, and headers by their names in lower case."""
        words = self._line().split(None, 2)
        headers = {}
        while text := self._line():
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        return words, headers

    def body(self, headers: Mapping[str, str]) -> bytes:
        if "chunked" not in headers.get("transfer-encoding", ""):
            return self._exactly(int(headers.get("content-length", "0")))
        parts = []
        while size := int(self._line(), 16):
            parts.append(self._exactly(size))
            self._line()
        self._line()
        return b"".join(parts)

    def send(self, first: str, headers: Mapping[str, str], body: bytes) -> None:
        self.socket.sendall(message(first, headers, body))

    def close(self) -> None:
        self._stream.close()
        self.socket.close()

    def _line(self) -> str:
        return self._stream.readline().decode("latin-1").rstrip()

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise Gone
        return data


def message(first: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """The bytes of a message with this first line."""
    lines = [first, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


class Connection:
    """A client's connection to a door, and those to servers that go with it."""

    def __init__(self, door: str, client: socket.socket) -> None:
        self._door = door
        self._client = _Wire(client)
        self._servers: dict[str, _Wire] = {}

    def request(self) -> Request | None:
        """The head of the next request; None where there is none."""
        words, headers = self._client.head()
        if len(words) != 3:  # the end, or no HTTP
            return None
        return Request(self._door, words[0], words[1], headers)

    def body(self, request: Request) -> bytes:
        return self._client.body(request.headers)

    def ask(self, address: str, request: Request, url: str, body: bytes) -> Reply:
        if address not in self._servers:
            host, _, port = address.partition(":")
            self._servers[address] = _Wire(socket.create_connection((host, int(port)), timeout=60))
        server = self._servers[address]
        headers = _without_framing(request.headers)
        if body or request.method not in ("GET", "HEAD"):
            headers["content-length"] = str(len(body))
        server.send(f"{request.method} {url} HTTP/1.1", headers, body)
        (_, status, *_), found = server.head()
        has_body = request.method != "HEAD" and status != "204"
        data = server.body(found) if has_body else b""
        kept = _without_framing(found) if has_body else found
        return Reply(int(status), {name.title(): value for name, value in kept.items()}, data)

    def send(self, data: bytes) -> None:
        self._client.socket.sendall(data)

    def is_gone(self, seconds: float) -> bool:
        """Whether the client hangs up within so many seconds."""
        poll = select.poll()  # select() takes no large numbers
        poll.register(self._client.socket, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def reset(self) -> None:
        self._client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    def hang_up(self) -> None:
        with suppress(OSError):
            self._client.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for wire in (self._client, *self._servers.values()):
            wire.close()


def _without_framing(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _FRAMING}
