"""What happens during a delivery, told as it happens. Listening changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, Union

from sematic.oci.blob import Fate
from sematic.oci.values import frozen


@frozen
class Started:
    """A layer is being delivered. Of one that is known to be there only the end is told.

    :param size: bytes to come: compressed where that is known, else before compression.
    """

    layer: str
    size: int


@frozen
class Moved:
    """So many more bytes of a layer have been written or sent.

    :param fraction: of the layer that is done, from 0 to 1.
    """

    layer: str
    bytes: int
    fraction: float


@frozen
class Finished:
    """A layer is where it should be.

    :param sent: bytes written or sent.
    :param size: bytes of the compressed layer.
    """

    layer: str
    fate: Fate
    sent: int
    size: int


@frozen
class Waiting:
    """Nothing moves for a while, and why (``registry.example.com asks to wait 7 s``)."""

    reason: str


@frozen
class Noticed:
    """Something the user should know, though the work goes on."""

    message: str


Event = Union[Started, Moved, Finished, Waiting, Noticed]
Listener: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener that is not interested."""
