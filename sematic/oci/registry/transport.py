"""HTTP as the registry client needs it: connections, redirects, waiting and trying again.

Knows nothing of images or credentials.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import sematic
from sematic.oci.errors import RegistryError
from sematic.oci.events import Listener, ignore
from sematic.oci.memo import Forgetful, Memo
from sematic.oci.registry.answer import Answer
from sematic.oci.registry.backoff import Backoff, Patience
from sematic.oci.registry.body import Body, BodyFailure
from sematic.oci.registry.failures import NoAnswer, no_answer
from sematic.oci.registry.pointers import pointed
from sematic.oci.registry.routes import Routes, origin
from sematic.oci.untrusted import MOST_BYTES, one_line
from sematic.oci.values import frozen

if TYPE_CHECKING:
    from sematic.oci.registry.connections import Connections
    from sematic.oci.registry.exchange import Answered

_MOST_OF_ERROR = 64 * 1024
_LONGEST = 300.0  # seconds that an answer may take once it has begun
_REDIRECTS = (301, 302, 303, 307, 308)
_SHOWN = {"digest", "mount", "from", "scope", "service", "n", "last"}


@frozen
class Manner:
    """How a request is made.

    :param connect: seconds to connect, and to send one piece of a body.
    :param read: seconds to wait for bytes of the answer.
    :param stream: leave the body of a 2xx answer to be read from :attr:`Answer.chunks`.
    :param replay: make it again where that may help.
    :param wait: when the host has asked for that.
    """

    connect: float = 10
    read: float = 60
    stream: bool = False
    replay: bool = True
    wait: bool = True


ASK = Manner()
ONCE = Manner(replay=False)
READ = Manner(stream=True)
SEND = Manner(connect=60, read=600, replay=False)  # large blobs are hashed before the answer
CANCEL = Manner(connect=3, read=5, replay=False, wait=False)


class Transport:
    """Connections to any number of hosts, shared by threads.

    :param memo: keeps which hosts speak plain http, of those that may.
    :param connections: kept open per host.
    """

    def __init__(
        self,
        routes: Routes | None = None,
        *,
        patience: Patience | None = None,
        listener: Listener = ignore,
        memo: Memo | None = None,
        connections: int = 16,
    ) -> None:
        self.routes = routes or Routes()
        self.patience = patience or Patience()
        self._listener = listener
        self._memo = memo or Forgetful()
        self._connections = connections
        self._lock = threading.Lock()
        self._base_lock = threading.Lock()
        self._backoffs: dict[str, Backoff] = {}
        self._bases: dict[str, str] = {}
        self._believed: set[str] = set()
        self._pools: dict[tuple[str, str, Path | None], Connections] = {}
        self._stopped = threading.Event()

    def base(self, host: str) -> str:
        """``http://HOST`` or ``https://HOST``; the former only where plain http is allowed.

        A host that may be spoken to in plain http is asked which of the two it speaks. That it
        does is remembered: see :meth:`is_mistaken`.
        """
        with self._base_lock:
            if host not in self._bases:
                plain = self.routes.may_be_plain(host) and self._is_plain(host)
                self._bases[host] = f"{'http' if plain else 'https'}://{host}"
            return self._bases[host]

    def is_mistaken(self, host: str, base: str, outcome: Answer | NoAnswer) -> bool:
        """Whether what a request came to shows that its base is not the host's any more.

        The first one to a host that is remembered to speak plain http shows it; it is asked then.
        """
        with self._base_lock:
            if host in self._believed:
                self._believed.remove(host)
                if _is_doubtful(outcome):
                    self._memo.remember(_plain_key(host), b"")
                    del self._bases[host]
        return self.base(host) != base

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        body: bytes | Body = b"",
        manner: Manner = ASK,
    ) -> Answer:
        """Make a request, again where that may help, and give the last answer.

        :param body: a :class:`Body` goes once, so it wants :data:`SEND`.
        :raises NoAnswer: there was none.
        """
        backoff = self._backoff(urlsplit(url).netloc)
        started = self.patience.clock()
        tries = 0
        while True:
            if manner.wait:
                backoff.wait()
            tries += 1
            try:
                answer = self._follow(method, url, dict(headers or {}), body, manner)
            except NoAnswer as error:
                backoff.failed(error.why)
                replay = manner.replay and error.is_passing
                if not replay or backoff.is_exhausted(tries, started):
                    raise
                continue
            if not answer.is_passing:
                backoff.answered()
                return answer
            backoff.failed(f"answered {answer.status}", retry_after(answer), answered=True)
            if not manner.replay or backoff.is_exhausted(tries, started):
                return answer

    def hold_off(self, host: str, why: str) -> None:
        """Let the next request to a host wait, as after a failure that passes.

        :param why: for people, after the host's name.
        """
        self._backoff(host).failed(why, answered=True)

    def stop(self) -> None:
        """Give up: whoever waits to make a request fails at once, until :meth:`resume`."""
        self._stopped.set()

    def resume(self) -> None:
        self._stopped.clear()

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def _backoff(self, host: str) -> Backoff:
        with self._lock:
            if host not in self._backoffs:
                self._backoffs[host] = Backoff(host, self.patience, self._listener, self._stopped)
            return self._backoffs[host]

    def _is_plain(self, host: str) -> bool:
        if self._memo.recall(_plain_key(host)):
            self._believed.add(host)
            return True
        try:
            answer = self.request("GET", f"http://{host}/v2/")
        except NoAnswer as error:
            if not error.is_broken:
                raise
            return False
        if answer.status == 400 and b"HTTPS" in answer.data.upper():
            return False
        self._memo.remember(_plain_key(host), b"1")
        return True

    def _follow(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | Body,
        manner: Manner,
    ) -> Answer:
        """Make a request once; follow redirects where the method allows it."""
        for _ in range(6):
            answer = self._once(method, url, headers, body, manner)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or method not in ("GET", "HEAD") or not location:
                return answer
            target = pointed(url, location, self.routes)
            if origin(target) != origin(url):
                headers.pop("Authorization", None)
            url = target
        raise RegistryError(f"{urlsplit(url).netloc} redirects {method} requests in circles")

    def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Body,
        manner: Manner,
    ) -> Answer:
        from sematic.oci.registry.connections import CannotAsk

        started = self.patience.clock()
        read = min(manner.read, self.patience.read)
        status = 0
        try:
            answered = self._pool(url).ask(
                method,
                url,
                {**_framing(method, body), **headers},
                body,
                connect=manner.connect,
                read=read,
            )
            status = answered.status
            return _answer(url, answered, read if manner.stream else None, self.patience.clock)
        except (CannotAsk, OSError, BodyFailure) as error:
            if isinstance(body, Body) and body.failure:
                raise body.failure from None
            raise no_answer(urlsplit(url).netloc, error, read) from error
        finally:
            _log(method, url, status, self.patience.clock() - started)

    def _pool(self, url: str) -> Connections:
        """:raises RegistryError: the URL asks for plain http where that is not allowed."""
        from sematic.oci.registry.connections import Connections

        parts = urlsplit(url)
        if parts.scheme != "https" and not (
            parts.scheme == "http" and self.routes.may_be_plain(parts.netloc)
        ):
            raise RegistryError(
                f"{_hidden(url)} is not asked, because it is not https.\nIf this host is to be "
                "trusted without encryption, name it in SEMATIC_INSECURE_REGISTRIES."
            )
        is_secure = parts.scheme == "https"
        proxy = self.routes.proxy(parts.scheme, parts.netloc)
        folder = self.routes.certificates(parts.netloc) if is_secure else None
        key = parts.scheme, proxy, folder
        with self._lock:
            if key not in self._pools:
                tls = self.routes.tls(folder) if is_secure else None
                self._pools[key] = Connections(proxy, tls, self._connections)
            return self._pools[key]


def _plain_key(host: str) -> str:
    return f"plain:{host}"


def _is_doubtful(outcome: Answer | NoAnswer) -> bool:
    """Whether what came of a request in plain http may mean that the host speaks https.

    Most servers say so with 400 and a word about it, which an answer to HEAD does not hold.
    """
    return outcome.is_broken if isinstance(outcome, NoAnswer) else outcome.status == 400


def _framing(method: str, body: bytes | Body) -> dict[str, str]:
    """The headers that every request has."""
    headers = {"User-Agent": f"sematic/{sematic.__version__}"}
    size = body.size if isinstance(body, Body) else len(body)
    if size is not None and method not in ("GET", "HEAD"):
        headers["Content-Length"] = str(size)
    return headers


def _answer(
    url: str, answered: Answered, seconds: float | None, clock: Callable[[], float]
) -> Answer:
    """:param seconds: that each piece of a stream may take; None where none is wanted."""
    status, headers = answered.status, answered.headers
    is_good = status < 300
    if seconds is not None and 200 <= status < 300:
        return Answer(url, status, headers, chunks=_chunks(url, answered, seconds))
    with closing(answered):
        data, is_whole = _read(answered, MOST_BYTES if is_good else _MOST_OF_ERROR, clock)
    if is_good and not is_whole:
        raise RegistryError(
            f"{urlsplit(url).netloc} sent more than {MOST_BYTES >> 20} MiB, or for more than "
            f"{_LONGEST:.0f} s, where a manifest or a message was expected"
        )
    return Answer(url, status, headers, data)


def _read(answered: Answered, most: int, clock: Callable[[], float]) -> tuple[bytes, bool]:
    """A body, or its first bytes, and whether that is all of it."""
    until = clock() + _LONGEST
    data = bytearray()
    while piece := answered.read1(most + 1 - len(data)):
        data += piece
        if len(data) > most or clock() > until:
            return bytes(data[:most]), False
    return bytes(data), True


def _chunks(url: str, answered: Answered, seconds: float) -> Generator[bytes, None, None]:
    try:
        yield from iter(answered.read1, b"")
    except OSError as error:
        raise no_answer(urlsplit(url).netloc, error, seconds) from error
    finally:
        answered.close()  # does nothing at its end


def retry_after(answer: Answer) -> float | None:
    """The seconds that a server asks to wait (RFC 9110, 10.2.3: a number, or a date)."""
    value = answer.headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isdecimal():
        return float(value)
    import time
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _log(method: str, url: str, status: int, seconds: float) -> None:
    import logging

    logger = logging.getLogger("sematic.oci.registry")
    if logger.isEnabledFor(logging.DEBUG):
        outcome = status or "no answer"
        logger.debug("%s %s: %s in %.3f s", method, _hidden(url), outcome, seconds)


def _hidden(url: str) -> str:
    """A URL to be shown: what of its query may be a secret is not."""
    parts = urlsplit(url)
    query = [
        (name, value if name in _SHOWN else "...")
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    netloc = parts.netloc.rpartition("@")[2]
    shown = parts._replace(netloc=netloc, query=urlencode(query, safe=":/,.")).geturl()
    return one_line(shown, 500)
