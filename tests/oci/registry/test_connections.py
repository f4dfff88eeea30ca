"""Requests on sockets; http.client is the judge of answers."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sematic.oci.registry.connections import CannotAsk, Connections
from sematic.oci.registry.dialing import NotReached, ProxyFailed
from sematic.oci.registry.exchange import BadAnswer, Connection, HeadTooLarge, Socket
from tests.peers.certificates import Tls, self_signed

SECONDS = 20.0
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
Serve = Callable[[socket.socket], None]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return self_signed(tmp_path_factory.mktemp("tls"))


@contextmanager
def served(*each: Serve) -> Iterator[str]:
    """The address of a host that treats each connection in another way."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        server.settimeout(SECONDS)

        def serve() -> None:
            done: list[Future[None]] = []
            for treat in each:
                client, _ = server.accept()
                client.settimeout(SECONDS)
                done.append(pool.submit(_treat, treat, client))
            for one in done:
                one.result(SECONDS)

        serving = pool.submit(serve)
        yield f"127.0.0.1:{server.getsockname()[1]}"
        serving.result(SECONDS)


def _treat(treat: Serve, client: socket.socket) -> None:
    with client:
        treat(client)


def head_of(client: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        piece = client.recv(1)
        if not piece:
            break
        data += piece
    return data


def answering(*answers: bytes, heads: list[bytes] | None = None) -> Serve:
    """Each request on a connection gets the next answer."""

    def serve(client: socket.socket) -> None:
        for answer in answers:
            head = head_of(client)
            if heads is not None:
                heads.append(head)
            client.sendall(answer)

    return serve


def ask(
    connections: Connections, url: str, method: str = "GET", body: bytes | Sequence[bytes] = b""
) -> bytes:
    return connections.ask(method, url, {}, body, connect=SECONDS, read=SECONDS).data


def test_connections_are_used_again() -> None:
    with served(answering(EMPTY, EMPTY, EMPTY)) as host:
        connections = Connections()
        for _ in range(3):
            ask(connections, f"http://{host}/")
        connections.close()


def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    closed = threading.Event()

    def once(client: socket.socket) -> None:
        answering(EMPTY)(client)
        client.shutdown(socket.SHUT_RDWR)
        closed.set()

    with served(once, answering(EMPTY)) as host:
        connections = Connections()
        ask(connections, f"http://{host}/")
        assert closed.wait(SECONDS)
        ask(connections, f"http://{host}/", "PUT", [b"x"])
        connections.close()


def test_what_comes_after_an_answer_is_no_answer_to_the_next_request() -> None:
    with served(answering(EMPTY + EMPTY), answering(b"HTTP/1.1 200 OK\r\n\r\nmine")) as host:
        connections = Connections()
        ask(connections, f"http://{host}/")
        assert ask(connections, f"http://{host}/") == b"mine"


def test_a_body_without_a_length_goes_in_chunks() -> None:
    got: list[bytes] = []

    def serve(client: socket.socket) -> None:
        got.append(head_of(client).lower())
        got.append(head_of(client))
        client.sendall(EMPTY)

    with served(serve) as host:
        connections = Connections()
        ask(connections, f"http://{host}/", "PATCH", [b"one", b"", b"two" * 6])
        connections.close()
    assert b"\r\ntransfer-encoding: chunked\r\n" in got[0]
    assert got[1] == b"3\r\none\r\n12\r\n" + b"two" * 6 + b"\r\n0\r\n\r\n"


def test_an_answer_before_the_end_of_the_body_is_taken() -> None:
    refused = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"

    def serve(client: socket.socket) -> None:
        head_of(client)
        client.sendall(refused)
        client.shutdown(socket.SHUT_WR)
        while client.recv(1 << 16):
            pass

    with served(serve) as host:
        connections = Connections()
        headers, body = {"Content-Length": str(64 << 16)}, [bytes(1 << 16)] * 64
        answered = connections.ask(
            "PUT", f"http://{host}/", headers, body, connect=SECONDS, read=SECONDS
        )
        assert answered.status == 413
        connections.close()


def test_a_target_is_sent_with_what_it_may_hold_only() -> None:
    heads: list[bytes] = []
    with served(answering(EMPTY, EMPTY, heads=heads)) as host:
        connections = Connections()
        ask(connections, f"http://{host}/a b\u20ac?_state=%2F+|x#y")
        ask(connections, f"http://{host}?n=1")
        connections.close()
    assert heads[0].startswith(b"GET /a%20b%E2%82%AC?_state=%2F+|x HTTP/1.1\r\n")
    assert heads[1].startswith(b"GET /?n=1 HTTP/1.1\r\n")


@pytest.mark.parametrize("value", ["a\r\nX: 1", "a\n", "\x00", "\u20ac"])
def test_a_header_holds_no_other(value: str) -> None:
    with pytest.raises(CannotAsk, match="cannot be sent"):
        Connections().ask("GET", "http://127.0.0.1:1/", {"A": value}, connect=1, read=1)


@pytest.mark.parametrize("url", ["http:///x", "file:///etc/passwd", "http://[", "http://a:99999/"])
def test_what_has_no_host_is_not_asked(url: str) -> None:
    with pytest.raises(CannotAsk):
        ask(Connections(), url)


def test_nobody_there_is_another_thing_than_no_answer() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NotReached):
            ask(Connections(), f"http://127.0.0.1:{taken.getsockname()[1]}/")
    with served(lambda client: None) as host, pytest.raises((BadAnswer, ConnectionResetError)):
        ask(Connections(), f"http://{host}/")


# Proxies


def secure(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    return context


def over_tls(serve: Serve, tls: Tls) -> Serve:
    def serve_securely(client: socket.socket) -> None:
        with secure(tls).wrap_socket(client, server_side=True) as inner:
            serve(inner)

    return serve_securely


def tunnel(heads: list[bytes], status: bytes = b"200 OK") -> Serve:
    """A proxy's tunnel, to where it is asked for."""

    def serve(client: socket.socket) -> None:
        heads.append(head_of(client))
        client.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")
        if not status.startswith(b"200"):
            return
        host, _, port = heads[-1].split()[1].rpartition(b":")
        with socket.create_connection((host.decode(), int(port)), SECONDS) as server:
            thread = threading.Thread(target=copy, args=(server, client))
            thread.start()
            copy(client, server)
            thread.join(SECONDS)

    return serve


def copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other direction has ended it


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_tls_goes_through_the_tunnel_of_a_proxy(
    scheme: str, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.authority))
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    heads: list[bytes] = []
    seen: list[bytes] = []
    way = tunnel(heads) if scheme == "http" else over_tls(tunnel(heads), tls)
    behind = over_tls(answering(EMPTY, large, heads=seen), tls)
    with served(behind) as host, served(way) as proxy:
        trusting = ssl.create_default_context(cafile=str(tls.authority))
        connections = Connections(f"{scheme}://me:s%40cret@{proxy}", trusting)
        ask(connections, f"https://{host}/one")
        assert ask(connections, f"https://{host}/two") == b"x" * 300_000
        connections.close()
    assert heads[0].startswith(f"CONNECT {host} HTTP/1.1\r\n".encode())
    assert b"\r\nProxy-Authorization: Basic bWU6c0BjcmV0\r\n" in heads[0]
    assert len(seen) == 2 and b"Proxy-Authorization" not in b"".join(seen)


def test_a_proxy_that_refuses_is_told_from_the_host(tls: Tls) -> None:
    trusting = ssl.create_default_context(cafile=str(tls.authority))
    with served(tunnel([], b"407 Who are you?")) as proxy, pytest.raises(ProxyFailed) as caught:
        ask(Connections(f"http://{proxy}", trusting), "https://registry.example.com/")
    assert str(caught.value.__cause__) == "it answered 407"


def test_a_certificate_for_another_name_is_not_taken(tls: Tls) -> None:
    trusting = ssl.create_default_context(cafile=str(tls.authority))

    def serve(client: socket.socket) -> None:
        with pytest.raises(OSError):  # the client goes away, in one way or another
            over_tls(answering(EMPTY), tls)(client)

    with served(serve) as host, pytest.raises(ssl.SSLCertVerificationError):
        ask(Connections(tls=trusting, name="registry.example.com"), f"https://{host}/")


# Answers


class Wire:
    """A socket on which pieces of an answer come."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.pieces = [piece for piece in pieces if piece]

    def recv(self, most: int) -> bytes:
        if not self.pieces:
            return b""
        data, self.pieces[0] = self.pieces[0][:most], self.pieces[0][most:]
        if not self.pieces[0]:
            del self.pieces[0]
        return data

    def settimeout(self, seconds: float | None) -> None: ...

    def close(self) -> None: ...

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(b"".join(self.pieces))


def read(raw: bytes, method: str, cuts: Sequence[int] = ()) -> tuple[int, dict[str, str], bytes]:
    ends = sorted({*(cut % (len(raw) + 1) for cut in cuts), len(raw)})
    pieces = [raw[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    connection = Connection(cast(Socket, Wire(pieces)))
    answered = connection.answer(method, None, lambda done: None)
    return answered.status, dict(answered.headers), answered.data


def judged(raw: bytes, method: str) -> tuple[int, dict[str, str], bytes]:
    response = http.client.HTTPResponse(cast(socket.socket, Wire([raw])), method=method)
    response.begin()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return response.status, headers, response.read()


NAMES = st.sampled_from(["Location", "X-One", "ETag", "Docker-Content-Digest"])
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, str]:
    """An answer that is right, in any of the ways to say where it ends, and the method."""
    method = draw(st.sampled_from(["GET", "HEAD", "PUT"]))
    status = draw(st.sampled_from([200, 201, 204, 304, 404]))
    headers = [f"{name}: {value}" for name, value in draw(st.dictionaries(NAMES, VALUES)).items()]
    pieces = draw(st.lists(st.binary(min_size=1, max_size=50), max_size=4))
    data = b"".join(pieces)
    ways = ["length", "end"] if status in (204, 304) else ["length", "chunks", "end"]
    way = draw(st.sampled_from(ways))
    if way == "length":
        headers.append(f"Content-Length: {len(data)}")
    elif way == "chunks":
        headers.append("Transfer-Encoding: chunked")
        chunks = b"".join(b"%x;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        data = chunks + b"0\r\nX-Trailer: 1\r\n\r\n"
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * draw(st.integers(0, 2))
    if method == "HEAD" or status in (204, 304):
        data = b""
    head = "\r\n".join((f"HTTP/1.1 {status} As it is", *headers, "", "")).encode()
    return interim + head + data, method


@given(answers(), st.lists(st.integers(0, 500), max_size=6))
def test_answers_mean_what_http_client_takes_them_for(
    answer: tuple[bytes, str], cuts: list[int]
) -> None:
    assert read(*answer, cuts) == judged(*answer)


@given(answers(), st.integers(0, 1000))
@example((b"HTTP/1.1 200 OK\r\nLocation: /there\r\n\r\n", "HEAD"), 25)
def test_a_head_that_was_cut_off_is_none(answer: tuple[bytes, str], cut: int) -> None:
    raw, method = answer
    end = len(raw) - len(raw.partition(b"As it is")[2].partition(b"\r\n\r\n")[2])
    with pytest.raises(BadAnswer):
        read(raw[: cut % end], method)


@given(st.binary(max_size=300), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n"]))
def test_any_bytes_are_an_answer_or_none(data: bytes, before: bytes) -> None:
    try:
        read(before + data, "GET")
    except BadAnswer as error:
        assert str(error).isprintable()


def test_headers_that_are_lists_may_come_in_lines() -> None:
    lines = b"WWW-Authenticate: Basic\r\nWWW-Authenticate: Bearer\r\nETag: a\r\nETag: b\r\n"
    _, headers, _ = read(b"HTTP/1.1 401 No\r\n" + lines + b"\r\n", "HEAD")
    assert headers == {"www-authenticate": "Basic, Bearer", "etag": "b"}


def test_a_head_has_a_measure() -> None:
    for head in (b"X: 1\r\n" * 101, b"X: " + b"x" * 70_000):
        with pytest.raises(HeadTooLarge):
            read(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n", "GET")
    with pytest.raises(HeadTooLarge):
        read(b"HTTP/1.1 100 Continue\r\n\r\n" * 200, "GET")
