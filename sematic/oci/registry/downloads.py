"""Reading from a server: checked, and carried on where the connection breaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from sematic.oci.errors import DigestError
from sematic.oci.manifest import Descriptor, new_hash
from sematic.oci.registry.client import RegistryClient
from sematic.oci.registry.failures import NoAnswer

if TYPE_CHECKING:
    from sematic.oci.registry.answer import Answer

_TRIES = 5
_RANGE = re.compile(r"\s*bytes[ =]*([0-9]{1,19})-")


def download(client: RegistryClient, descriptor: Descriptor) -> Iterator[bytes]:
    """A blob's bytes; the last chunk is given once size and digest have proved right.

    :raises NotFound: there is no such blob.
    :raises DigestError: it is not what its descriptor says.
    """
    what = f"the blob {descriptor.digest} ({client.host}/{client.repository})"
    own = new_hash(descriptor.digest)
    size = 0
    held = b""
    for chunk in _chunks(client, descriptor):
        size += len(chunk)
        if size > descriptor.size:
            raise DigestError(f"{what} has more than the {descriptor.size} bytes it should have")
        own.update(chunk)
        if held:
            yield held
        held = chunk
    if size < descriptor.size:
        raise DigestError(f"{what} has {size} bytes where it should have {descriptor.size}")
    if own.hexdigest() != descriptor.digest.partition(":")[2]:
        raise DigestError(f"{what} is {own.name}:{own.hexdigest()} by its bytes")
    if held:
        yield held


def _chunks(client: RegistryClient, descriptor: Descriptor) -> Iterator[bytes]:
    def ask(position: int) -> Answer:
        return client.open_blob(descriptor.digest, position)

    return carried_on(ask, descriptor.size)


def carried_on(ask: Callable[[int], Answer], size: int | None) -> Iterator[bytes]:
    """What a server gives, over as many connections as it takes.

    :param ask: opens a stream that begins at a position, or before it.
    :param size: of all of it (bytes), where it is known.
    :raises NoAnswer: the connection breaks, again and again.
    """
    position = 0
    failures = 0
    while failures < _TRIES and (size is None or position < size):
        start = position
        failure = None
        answer = ask(position)
        try:
            for chunk in _from(position, answer):
                position += len(chunk)
                yield chunk
        except NoAnswer as error:
            failure = error
        if failure is None and size is None:
            return
        # An answer that does not say how long it is may end too early as if nothing had happened.
        failures = 1 if position > start else failures + 1
        is_over = failures >= _TRIES or (failure is not None and not failure.is_passing)
        if failure and is_over and (size is None or position < size):
            raise failure


def _from(position: int, answer: Answer) -> Iterator[bytes]:
    """The bytes of an answer from a position on, whatever part of the blob the answer is."""
    assert answer.chunks is not None
    skip = position - first_byte(answer)
    if skip < 0:
        raise DigestError(f"{answer.url} left out bytes when it was to carry on at {position}")
    with closing(answer.chunks):
        for chunk in answer.chunks:
            if skip < len(chunk):
                yield chunk[skip:]
            skip = max(0, skip - len(chunk))


def first_byte(answer: Answer) -> int:
    """The first byte of the blob that an answer has (RFC 9110, 14.4)."""
    if answer.status != 206:
        return 0
    found = _RANGE.match(answer.headers.get("content-range", ""))
    return int(found[1]) if found else 0
