"""A relay before a server that keeps everything its clients send."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Relay:
    """Clients say `host` for the server, which `target` may change.

    `sent` are the bytes of all their connections, mixed.
    """

    host: str
    target: str
    sent: bytearray = field(default_factory=bytearray)


@contextmanager
def relay(target: str) -> Iterator[Relay]:
    """A relay to HOST:PORT."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            host, _, port = made.target.rpartition(":")
            with socket.create_connection((host, int(port))) as onward:
                back = threading.Thread(target=_copy, args=(onward, self.request, bytearray()))
                back.start()
                _copy(self.request, onward, made.sent)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made = Relay(f"127.0.0.1:{server.server_address[1]}", target)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        server.shutdown()


def _copy(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    """Until either side hangs up, which the other side is told."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            kept += data
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
