"""HTTP/1.1 on one connection (RFC 9112): a request is written, and an answer read.

Answers are taken only whole, and only bounded ones. http.client takes the end of a connection for
the end of a head, so that a digest or Location that was cut off would look as if the server had not
sent it; it passes over interim answers (100 Continue) and trailers, however many there are; and
importing it takes longer than all requests of an edit.
"""

from __future__ import annotations

import re
import select
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

_PIECE = 256 << 10
_HEAD = 16 << 10
_LONGEST_LINE = 64 << 10
_MOST_LINES = 100
"""Of headers in one head, of trailers, and of interim answers."""

_STATUS = re.compile(rb"HTTP/1\.([0-9]) ([1-5][0-9][0-9])(?: .*)?\r?\n", re.DOTALL)
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)", re.DOTALL)
_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?\n", re.DOTALL)
_LISTS = ("www-authenticate", "link")
"""Headers that may come in several lines and mean all of them."""


class BadAnswer(ConnectionError):
    """What came is no answer, or not all of one."""


class HeadTooLarge(BadAnswer):
    """A head that is larger than any has to be."""


class Socket(Protocol):
    """What is asked of a connection's bytes."""

    def sendall(self, data: bytes, /) -> None: ...
    def recv(self, most: int, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def fileno(self) -> int: ...
    def shutdown(self, how: int, /) -> None: ...
    def close(self) -> None: ...


class Reader:
    """Lines and bytes from a socket."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._held = b""
        self._at = 0

    def is_empty(self) -> bool:
        """Whether nothing has come that was not taken."""
        return self._at == len(self._held)

    def line(self, at_end: str = "it ended within an answer") -> bytes:
        """A whole line.

        :param at_end: what is wrong if nothing comes.
        """
        while (end := self._held.find(b"\n", self._at) + 1) == 0:
            rest = self._held[self._at :]
            if len(rest) > _LONGEST_LINE:
                break
            data = self._socket.recv(_HEAD)
            if not data:
                raise BadAnswer("it ended within a line of an answer" if rest else at_end)
            self._held, self._at = rest + data, 0
        if end - self._at > _LONGEST_LINE or not end:
            raise HeadTooLarge(f"got more than {_LONGEST_LINE} bytes in a line")
        line, self._at = self._held[self._at : end], end
        return line

    def some(self, most: int) -> bytes:
        """What has come, waited for; nothing at the end."""
        if self.is_empty():
            return self._socket.recv(most)
        data = self._held[self._at : self._at + most]
        self._at += len(data)
        return data


class Connection:
    """A connection to a server, or to a proxy, on which requests follow one another."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._reader = Reader(socket)

    def is_quiet(self) -> bool:
        """Whether nothing has come since the last answer: an end is what would."""
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return self._reader.is_empty() and not poll.poll(0)

    def send(self, head: bytes, body: Iterable[bytes], *, chunked: bool, seconds: float) -> bool:
        """Write a request; whether all of it went.

        Where the server will not read on, it has answered, as often as not.

        :param seconds: that each piece may take.
        """
        self._socket.settimeout(seconds)
        try:
            for piece in _framed(body) if chunked else body:
                self._socket.sendall(b"".join((head, piece)))  # in one packet if it is small
                head = b""
            if head:
                self._socket.sendall(head)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def answer(
        self, method: str, seconds: float | None, release: Callable[[Connection], None]
    ) -> Answered:
        """Read the head of an answer.

        :param seconds: to wait for bytes, here and when the body is read; None for ever.
        :param release: takes the connection when another request may follow.
        """
        self._socket.settimeout(seconds)
        minor, status, headers = read_head(self._reader)
        return Answered(self, self._reader, method, minor, status, headers, release)

    def shutdown(self) -> None:
        """End it from another thread: whoever reads from it has come to its end."""
        self._socket.shutdown(2)

    def close(self) -> None:
        self._socket.close()


class Answered:
    """An answer whose body is read bit by bit.

    :param headers: with names in lower case.
    """

    def __init__(
        self,
        connection: Connection,
        reader: Reader,
        method: str,
        minor: int,
        status: int,
        headers: dict[str, str],
        release: Callable[[Connection], None],
    ) -> None:
        self.status = status
        self.headers: Mapping[str, str] = headers
        self._data: bytes | None = None
        self._connection: Connection | None = connection
        self._reader = reader
        self._release = release
        coding = headers.get("transfer-encoding", "").lower()
        self._is_chunked = coding == "chunked"
        self._left: int | None = 0 if self._is_chunked else _length(headers)
        wish = headers.get("connection", "").lower()
        self._may_follow = "close" not in wish and (minor > 0 or "keep-alive" in wish)
        if method == "HEAD" or status in (204, 304):
            self._is_chunked, self._left = False, 0
        elif self._left is None:
            self._may_follow = False
        if not self._is_chunked and self._left == 0:
            self._end()

    def read1(self, most: int = _PIECE) -> bytes:
        """What has come of the body, waited for; nothing at its end.

        :raises BadAnswer: it broke off.
        """
        if self._connection is None:
            return b""
        if self._is_chunked and not self._left:
            self._left = self._next_chunk()
            if not self._left:
                self._end()
                return b""
        if self._left is not None:
            most = min(most, self._left)
        data = self._reader.some(most)
        if self._left is None:
            if not data:
                self._end()
            return data
        if not data:
            raise BadAnswer("it ended within the body of an answer")
        self._left -= len(data)
        if not self._left:
            if self._is_chunked:
                _expect_empty_line(self._reader)
            else:
                self._end()
        return data

    @property
    def data(self) -> bytes:
        """All of the body, read when it is first asked for."""
        if self._data is None:
            self._data = b"".join(iter(self.read1, b""))
        return self._data

    def shutdown(self) -> None:
        """End it from another thread."""
        if connection := self._connection:
            connection.shutdown()

    def close(self) -> None:
        """Want no more of it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        assert connection is not None
        if self._may_follow:
            self._release(connection)
        else:
            connection.close()

    def _next_chunk(self) -> int:
        """The size of the next chunk; 0 when trailers have been read after the last one."""
        line = self._reader.line()
        match = _CHUNK.fullmatch(line)
        if not match:
            raise BadAnswer("what it sent is not HTTP")
        size = int(match[1], 16)
        if not size:
            _read_headers(self._reader)
        return size


def _framed(body: Iterable[bytes]) -> Iterator[bytes]:
    """A body in chunks, which says itself where it ends."""
    for piece in body:
        if piece:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def read_head(reader: Reader) -> tuple[int, int, dict[str, str]]:
    """The minor version, status and headers of an answer; interim ones are passed over."""
    for _ in range(_MOST_LINES):
        line = reader.line("it closed the connection without an answer")
        match = _STATUS.fullmatch(line)
        if not match:
            raise BadAnswer("what it sent is not HTTP")
        minor, status = int(match[1]), int(match[2])
        headers = _read_headers(reader)
        if status >= 200:
            return minor, status, headers
    raise HeadTooLarge(f"got more than {_MOST_LINES} interim answers")


def _read_headers(reader: Reader) -> dict[str, str]:
    headers: dict[str, str] = {}
    name = ""
    for _ in range(_MOST_LINES + 1):
        line = reader.line().rstrip(b"\r\n")
        if not line:
            return headers
        match = _HEADER.fullmatch(line)
        value = (match[2] if match else line).decode("latin-1").strip(" \t")
        if match:
            name = match[1].decode().lower()
            headers[name] = _together(name, headers.get(name), value)
        elif name and line[0] in b" \t":  # an old way to go on in the next line
            headers[name] = f"{headers[name]} {value}".strip()
        else:
            raise BadAnswer("what it sent is not HTTP")
    raise HeadTooLarge(f"got more than {_MOST_LINES} headers")


def _together(name: str, before: str | None, value: str) -> str:
    """What a header says that came before: of most, the last one counts."""
    if before is None or before == value:
        return value
    if name in ("content-length", "transfer-encoding"):
        raise BadAnswer(f"it sent unmatching {name} headers")
    return f"{before}, {value}" if name in _LISTS else value


def _length(headers: Mapping[str, str]) -> int | None:
    """How long the body is; None where it ends with the connection."""
    value = headers.get("content-length", "")
    is_told = "transfer-encoding" not in headers and re.fullmatch("[0-9]{1,18}", value)
    return int(value) if is_told else None


def _expect_empty_line(reader: Reader) -> None:
    if reader.line().strip(b"\r\n"):
        raise BadAnswer("what it sent is not HTTP")
