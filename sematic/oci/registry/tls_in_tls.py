"""TLS within a TLS connection, as a tunnel through an https proxy needs it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from typing import TypeVar

_Value = TypeVar("_Value")
_PIECE = 64 << 10


class Inner:
    """A connection within another one.

    :raises OSError: TLS failed.
    """

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext, name: str) -> None:
        self._outer = outer
        self._come, self._to_go = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._come, self._to_go, server_hostname=name)
        self._do(self._tls.do_handshake)

    def sendall(self, data: bytes, /) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            self._write(view[start : start + _PIECE])

    def _write(self, piece: memoryview) -> None:
        while piece:
            piece = piece[self._do(partial(self._tls.write, piece)) :]

    def recv(self, most: int, /) -> bytes:
        try:
            return self._do(partial(self._tls.read, most))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def settimeout(self, seconds: float | None, /) -> None:
        self._outer.settimeout(seconds)

    def fileno(self) -> int:
        return self._outer.fileno()

    def shutdown(self, how: int, /) -> None:
        self._outer.shutdown(how)

    def close(self) -> None:
        self._outer.close()

    def _do(self, work: Callable[[], _Value]) -> _Value:
        while True:
            try:
                value = work()
            except ssl.SSLWantReadError:
                self._flush()
                if data := self._outer.recv(_PIECE):
                    self._come.write(data)
                else:
                    self._come.write_eof()
                continue
            self._flush()
            return value

    def _flush(self) -> None:
        if data := self._to_go.read():
            self._outer.sendall(data)
