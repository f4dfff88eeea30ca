"""The body of a request, made while it is sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from sematic.oci.blob import Progress
from sematic.oci.errors import DigestError

# One send of a piece has a time limit, whatever the chunks are that the blob comes in.
_PIECE = 256 * 1024


class BodyFailure(Exception):
    """A body raised an OSError, which must not be taken for the connection's."""


class Body:
    """A blob's bytes on their way, counted. Can be iterated over once.

    :param name: of the blob, for people.
    :param size: the bytes there must be; None if nobody knows yet.
    """

    def __init__(
        self, name: str, chunks: Iterator[bytes], size: int | None, progress: Progress
    ) -> None:
        self.size = size
        self.sent = 0
        self.is_complete = False
        self.failure: BaseException | None = None
        """What the blob raised while it was read, which is not the registry's failure."""
        self._name = name
        self._chunks = chunks
        self._progress = progress

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._chunks:
                self._check_room(len(chunk))
                yield from self._pieces(chunk)
            self._check_end()
        except GeneratorExit:
            raise
        except OSError as error:
            self.failure = error
            raise BodyFailure from error
        except BaseException as error:
            self.failure = error
            raise
        self.is_complete = True

    def close(self) -> None:
        """Let go of what the chunks are made from."""
        if close := getattr(self._chunks, "close", None):
            close()

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        view = memoryview(chunk)
        for start in range(0, len(view), _PIECE):
            piece = view[start : start + _PIECE]
            yield piece  # type: ignore[misc]  # sockets take any buffer
            self.sent += len(piece)
            self._progress(len(piece))

    def _check_room(self, count: int) -> None:
        if self.size is None or self.sent + count <= self.size:
            return
        deque(self._chunks, maxlen=0)  # it may say better at its end what is wrong with it
        raise DigestError(f"{self._name} has more than the {self.size} bytes it was announced with")

    def _check_end(self) -> None:
        if self.size is not None and self.sent < self.size:
            raise DigestError(
                f"{self._name} has {self.sent} of the {self.size} bytes it was announced with"
            )
