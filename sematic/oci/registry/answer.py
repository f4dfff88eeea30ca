"""What a server said."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from sematic.oci.values import frozen


@frozen
class Answer:
    """What a server said.

    :param url: what was asked in the end, after redirects.
    :param headers: with names in lower case.
    :param chunks: the body where it was asked for as a stream and the status is 2xx; raises
        :class:`NoAnswer` where the connection breaks.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    data: bytes = b""
    chunks: Generator[bytes, None, None] | None = None

    @property
    def is_passing(self) -> bool:
        """Whether the same request may well succeed later."""
        return is_passing(self.status)


def is_passing(status: int) -> bool:
    """Whether a request that was answered with this status may well succeed later."""
    # 501 says that there is no such method, which will not pass.
    return status in (408, 429, 499) or (500 <= status < 600 and status != 501)
