"""A reverse proxy before real registries and token servers that can spoil single exchanges.

It has a door (a port of its own) for each server, and one more, `elsewhere`, which redirects may
lead to: there every server can be had by its name, as in http://localhost:PORT/registry/v2/. All
requests are kept, in the order in which they came.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import responses

from tests.peers.doors import Connection, Door, Gone, Reply, Request, message

ELSEWHERE = "elsewhere"
MOVED = "moved=1"
"""In the query of where a redirect to the same door leads to, which is not spoiled again."""


@dataclass(frozen=True)
class Fault:
    """What may become of a request.

    :param act: does it; None: the connection is refused, for which the door is shut.
    """

    name: str
    act: Callable[[Exchange], None] | None = field(compare=False)


@dataclass(frozen=True)
class Spoiled:
    """Which requests have a fault.

    :param kind: of the request, as the proxy's `kind_of` tells it.
    :param number: the how many-th of its kind it is, from 1.
    :param for_ever: that one, and all of its kind that follow.
    :param before: how many requests have come to its door before it.
    """

    fault: Fault
    door: str
    kind: str
    number: int = 1
    for_ever: bool = False
    before: int = 0

    def hits(self, kind: str, number: int) -> bool:
        same = number >= self.number if self.for_ever else number == self.number
        return kind == self.kind and same


class Exchange:
    """One request in the hands of a fault: to be read, forwarded and answered, or not."""

    def __init__(self, proxy: Proxy, connection: Connection, request: Request) -> None:
        self.request = request
        self.elsewhere = f"{proxy.url(ELSEWHERE)}/{request.door}{request.url}"
        self.tokens = proxy.realms.get(request.door, "")
        self._proxy = proxy
        self._connection = connection
        self._body: bytes | None = None

    def read(self) -> bytes:
        """The body. The client learns nothing of whether it was read."""
        if self._body is None:
            self._body = self._connection.body(self.request)
        return self._body

    def forward(self, url: str = "", body: bytes | None = None) -> Reply:
        """What the server answers, to another URL or body where they are given."""
        data = self.read() if body is None else body
        return self._proxy.ask(self._connection, self.request, url or self.request.url, data)

    def send(self, reply: Reply) -> None:
        self.read()
        self._connection.send(self._bytes(reply))
        self.request.status.append(reply.status)
        if self._proxy.closes_connections:
            raise Gone

    def send_half(self, reply: Reply) -> None:
        """Half of the body, or of the head where there is no body; then the connection ends."""
        whole = self._bytes(reply)
        head = len(whole) - len(self._shown(reply))
        self._connection.send(whole[: (head + len(whole)) // 2 if head < len(whole) else head // 2])
        raise Gone

    def reset(self) -> None:
        self._connection.reset()
        raise Gone

    def wait(self, seconds: float) -> None:
        """:raises Gone: the client has waited no longer."""
        if self._connection.is_gone(seconds):
            raise Gone

    def _shown(self, reply: Reply) -> bytes:
        return b"" if self.request.method == "HEAD" or reply.status == 204 else reply.body

    def _bytes(self, reply: Reply) -> bytes:
        headers = dict(reply.headers)
        if reply.status != 204:
            headers.setdefault("Content-Length", str(len(reply.body)))
        if self._proxy.closes_connections:
            headers["Connection"] = "close"
        first = f"HTTP/1.1 {reply.status} {responses.get(reply.status, 'Unknown')}"
        return message(first, headers, self._shown(reply))


class Proxy:
    """Doors to servers.

    :param servers: addresses by the names of their doors.
    :param behind: the addresses by which the same can be had at `elsewhere`.
    :param realms: the token server's door and its real URL, for doors whose server names one.
    :param kind_of: names requests.
    """

    def __init__(
        self,
        servers: Mapping[str, str],
        behind: Mapping[str, str],
        realms: Mapping[str, tuple[str, str]],
        kind_of: Callable[[Request], str],
        spoiled: Sequence[Spoiled] = (),
    ) -> None:
        self.requests: list[Request] = []
        self._servers = servers
        self._behind = behind
        self._kind_of = kind_of
        self._spoiled = spoiled
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._shut = next((each for each in spoiled if each.fault.act is None), None)
        self.closes_connections = self._shut is not None
        self._doors = {name: Door(name, self._serve) for name in (*servers, ELSEWHERE)}
        self.realms: dict[str, str] = {}
        self._real_realms: dict[str, str] = {}
        for name, (door, real) in realms.items():
            self.realms[name] = f"{self.url(door)}/token"
            self._real_realms[name] = real
        self._shut_where_it_is_time()

    def host(self, door: str) -> str:
        name = "localhost" if door == ELSEWHERE else "127.0.0.1"
        return f"{name}:{self._doors[door].port}"

    def url(self, door: str) -> str:
        return f"http://{self.host(door)}"

    def has_waited(self) -> None:
        """The client has waited: a door that was shut once is opened again."""
        if self._shut and not self._shut.for_ever:
            self._doors[self._shut.door].open()

    def close(self) -> None:
        for door in self._doors.values():
            door.close()

    def ask(self, connection: Connection, request: Request, url: str, body: bytes) -> Reply:
        """What the server behind a door says."""
        address = self._servers.get(request.door, "")
        if request.door == ELSEWHERE:
            name, _, path = url[1:].partition("/")
            address, url = self._behind[name], f"/{path}"
        reply = connection.ask(address, request, url, body)
        offered = reply.headers.get("Www-Authenticate", "")
        if real := self._real_realms.get(request.door):
            offered = offered.replace(real, self.realms[request.door])
        return reply.with_headers(Www_Authenticate=offered) if offered else reply

    def _shut_where_it_is_time(self) -> None:
        if self._shut and self._asked[self._shut.door] == self._shut.before:
            self._doors[self._shut.door].shut()

    def _serve(self, connection: Connection) -> None:
        with suppress(Gone, OSError):
            while request := connection.request():
                exchange = Exchange(self, connection, request)
                fault = self._fault(request)
                if fault is None or fault.act is None:
                    exchange.send(exchange.forward())
                else:
                    fault.act(exchange)

    def _fault(self, request: Request) -> Fault | None:
        kind = self._kind_of(request)
        with self._lock:
            self.requests.append(request)
            if request.door == ELSEWHERE or MOVED in request.url:
                return None
            self._asked[request.door] += 1
            self._counts[kind] += 1
            number = self._counts[kind]
            self._shut_where_it_is_time()
        return next((each.fault for each in self._spoiled if each.hits(kind, number)), None)


@contextmanager
def proxy(
    servers: Mapping[str, str],
    behind: Mapping[str, str],
    realms: Mapping[str, tuple[str, str]],
    kind_of: Callable[[Request], str],
    spoiled: Sequence[Spoiled] = (),
) -> Iterator[Proxy]:
    """A running :class:`Proxy`."""
    made = Proxy(servers, behind, realms, kind_of, spoiled)
    try:
        yield made
    finally:
        made.close()
