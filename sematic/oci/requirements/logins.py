"""User names and passwords for indexes: in their addresses, else in a netrc file."""

from __future__ import annotations

import base64
import netrc
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sematic.oci.registry.routes import origin


class Logins:
    """What is shown to the hosts of indexes. As pip and uv have it, a login is for a whole host.

    :param addresses: of indexes, some with ``USER:PASSWORD@``.
    """

    def __init__(self, addresses: Iterable[str], environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._known: dict[tuple[str, str, int], str] = {}
        for address in addresses:
            if (login := _of_address(address)) is not None:
                self._known.setdefault(origin(address), login)

    def header(self, url: str) -> Mapping[str, str]:
        """The header that goes with a request, if there is a login for its host."""
        login = _of_address(url) or self._known.get(origin(url)) or self._of_netrc(url)
        if login is None:
            return {}
        return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}

    def _of_netrc(self, url: str) -> str | None:
        home = Path(self._environ.get("HOME") or Path.home())
        own = self._environ.get("NETRC")
        for path in [Path(own)] if own else [home / ".netrc", home / "_netrc"]:
            try:
                found = netrc.netrc(path).authenticators(urlsplit(url).hostname or "")
            except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
                continue
            if found is not None:
                return f"{found[0]}:{found[2] or ''}"
        return None


def without_login(url: str) -> str:
    """An address without its user name and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _of_address(url: str) -> str | None:
    user, found, _ = urlsplit(url).netloc.rpartition("@")
    if not found:
        return None
    name, _, password = user.partition(":")
    return f"{unquote(name)}:{unquote(password)}"
