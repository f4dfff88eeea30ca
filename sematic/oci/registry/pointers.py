"""Where a host may send its clients: redirects, upload locations, realms, next pages.

What a registry says is followed from inside the user's network. So that a hostile one cannot
have requests made to what it cannot reach itself (a cloud's metadata service, a neighbour's
router), no host may point to one that is less public than it is.
"""

from __future__ import annotations

from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urljoin, urlsplit

from sematic.oci.errors import RegistryError
from sematic.oci.registry.routes import Routes, is_loopback, origin


class Reach(IntEnum):
    """Who can reach an address: this machine or link, a private network, everybody."""

    LINK = 0
    PRIVATE = 1
    PUBLIC = 2


def pointed(url: str, location: str, routes: Routes) -> str:
    """What a Location, Link or realm stands for in an answer to a URL.

    :raises RegistryError: it is no address, or that of a host which is less public. Hosts that
        the user named as insecure are trusted with that.
    """
    try:
        target = urljoin(url, location)
        host = origin(target)[1]
    except ValueError:
        raise RegistryError(
            f"{urlsplit(url).netloc} pointed to {location.partition('?')[0]!r}, which is no address"
        ) from None
    if host != origin(url)[1] and not routes.is_trusted(urlsplit(target).netloc):
        _check(url, target, routes)
    return target


def _check(url: str, target: str, routes: Routes) -> None:
    reach = _reach(target, routes)
    if reach < Reach.PUBLIC and reach < _reach(url, routes):
        host = urlsplit(target).netloc.rpartition("@")[2]
        raise RegistryError(
            f"{urlsplit(url).netloc} pointed to {host}, which is an address of "
            f"{'this machine or link' if reach == Reach.LINK else 'a private network'}, though it "
            "is itself reached from farther away.\n"
            f"If that is meant to be so, name {host} in SEMATIC_INSECURE_REGISTRIES."
        )


def _reach(url: str, routes: Routes) -> Reach:
    """The reach of a URL's host: of the least public of its addresses."""
    parts = urlsplit(url)
    if is_loopback(parts.netloc):
        return Reach.LINK
    is_proxied = bool(routes.proxy(parts.scheme, parts.netloc))
    addresses = _addresses(parts.hostname or "", resolves=not is_proxied)
    return min(map(reach_of, addresses), default=Reach.PUBLIC)


def _addresses(host: str, *, resolves: bool) -> list[IPv4Address | IPv6Address]:
    """The addresses of a host; none where it has none, or where the proxy is to look them up."""
    import socket

    flags = 0 if resolves else socket.AI_NUMERICHOST
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError):
        return []  # the request will say so
    return [ip_address(str(address[0]).partition("%")[0]) for *_, address in found]


def reach_of(address: IPv4Address | IPv6Address) -> Reach:
    """Who can reach an address (RFC 6890)."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    address = mapped or address
    if address.is_global and not address.is_multicast:
        return Reach.PUBLIC
    is_near = address.is_loopback or address.is_link_local or address.is_unspecified
    return Reach.LINK if is_near or address.is_multicast else Reach.PRIVATE
