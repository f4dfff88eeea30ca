"""The door that counts, in front of a real registry."""

from __future__ import annotations

import http.client
import os
import socket

from benchmarks.traffic import Traffic, door
from tests.peers.registry import Registry


def exchange(host: str, request: bytes) -> bytes:
    """The answer to a request that asks for the connection to be closed."""
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port))) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(1 << 16):
            answer += data
    return answer


def test_every_byte_of_an_exchange_is_counted(docker_registry: Registry) -> None:
    with door(docker_registry) as opened:
        before = opened.traffic()
        request = b"GET /v2/ HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n"
        answer = exchange(opened.host, request)
        assert answer.startswith(b"HTTP/1.1 200")
        assert opened.traffic() - before == Traffic(len(request), len(answer), 1)


def test_a_large_body_arrives_whole_and_is_counted(docker_registry: Registry) -> None:
    body = os.urandom(5_000_000)
    with door(docker_registry) as opened:
        before = opened.traffic()
        connection = http.client.HTTPConnection(opened.host, timeout=60)
        connection.request("POST", "/v2/counted/blobs/uploads/")
        upload = connection.getresponse()
        upload.read()
        path = (upload.getheader("Location") or "").partition(opened.host)[2]
        connection.request("PATCH", path, body)
        answer = connection.getresponse()
        answer.read()
        assert (upload.status, answer.status) == (202, 202)
        assert answer.getheader("Range") == f"0-{len(body) - 1}"
        moved = opened.traffic() - before
        connection.close()
    assert moved.requests == 2
    assert 0 < moved.sent - len(body) < 2000


def test_what_goes_past_the_door_is_no_bytes_of_it(docker_registry: Registry) -> None:
    with door(docker_registry) as opened:
        before = opened.traffic()
        request = b"GET /v2/ HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n"
        exchange(docker_registry.host, request)
        moved = opened.traffic() - before
    assert (moved.sent, moved.received) == (0, 0)
