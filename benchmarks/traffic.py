"""Bytes to and from a registry, counted by a door in front of it.

    python -m benchmarks.traffic HOST:PORT

is the door: a process that hands on what comes without looking at it (`splice`: not even copied
into its memory), says its port, and what it has counted whenever it reads a line.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.peers.registry import Registry

_CHECKOUT = Path(__file__).parents[1]
_MOST = 1 << 20
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Traffic:
    """What has gone through a door so far.

    :param sent: bytes to the registry, of bodies and heads.
    :param received: bytes from it.
    :param requests: that it has answered.
    """

    sent: int
    received: int
    requests: int

    def __add__(self, after: Traffic) -> Traffic:
        return Traffic(
            self.sent + after.sent,
            self.received + after.received,
            self.requests + after.requests,
        )

    def __sub__(self, before: Traffic) -> Traffic:
        return Traffic(
            self.sent - before.sent,
            self.received - before.received,
            self.requests - before.requests,
        )


NO_TRAFFIC = Traffic(0, 0, 0)


@dataclass(frozen=True)
class Door:
    """A registry that is reached through its door.

    :param host: ``HOST:PORT`` of the door.
    """

    host: str
    registry: Registry
    _process: subprocess.Popen[str]

    def traffic(self) -> Traffic:
        """Everything whose answer has arrived before this call is in it, but not itself."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        sent, received = json.loads(self._process.stdout.readline())
        return Traffic(sent, received, len(self.registry.requests()))


@contextmanager
def door(registry: Registry) -> Iterator[Door]:
    """A door in front of a registry of plain http."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.traffic", registry.host],
        cwd=_CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield Door(f"127.0.0.1:{int(process.stdout.readline())}", registry, process)
        process.communicate()


def main(target: str) -> None:
    counts: Counter[str] = Counter()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=_serve, args=(listener, target, counts), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    for _ in sys.stdin:
        print(json.dumps([counts["sent"], counts["received"]]), flush=True)


def _serve(listener: socket.socket, target: str, counts: Counter[str]) -> None:
    host, _, port = target.rpartition(":")
    while True:
        client, _ = listener.accept()
        server = socket.create_connection((host, int(port)))
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, source, sink in (("sent", client, server), ("received", server, client)):
            given = (source, sink, counts, name)
            threading.Thread(target=_copy, args=given, daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket, counts: Counter[str], name: str) -> None:
    """Until either side hangs up, which the other side is told."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _MOST)
    with suppress(OSError):
        while count := os.splice(source.fileno(), writer, _MOST):
            with _LOCK:
                counts[name] += count
            while count:
                count -= os.splice(reader, sink.fileno(), count)
    for end in (reader, writer):
        os.close(end)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(sys.argv[1])
