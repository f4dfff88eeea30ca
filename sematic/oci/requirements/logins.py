"""User names and passwords for indexes: in their addresses, a netrc file, or a keyring."""

from __future__ import annotations

import base64
import netrc
import subprocess
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from sematic.oci.registry.routes import origin

Origin: TypeAlias = "tuple[str, str, int]"


class Logins:
    """What is shown to the hosts of indexes. As pip and uv have it, a login is for a whole host.

    :param addresses: of indexes, some with ``USER:PASSWORD@``.
    """

    def __init__(self, addresses: Iterable[str], environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._known: dict[Origin, str] = {}
        self._users: dict[Origin, tuple[str, str]] = {}  # without passwords, and where
        self._lock = threading.Lock()
        for address in addresses:
            login = _of_address(address)
            if login is None:
                continue
            if not login.endswith(":"):
                self._known.setdefault(origin(address), login)
            else:
                self._users.setdefault(origin(address), (login, without_login(address)))

    def header(self, url: str) -> Mapping[str, str]:
        """The header that goes with a request, if there is a login for its host."""
        own = _of_address(url)
        login = own or self._known.get(origin(url)) or self._of_netrc(url) or self._of_user(url)
        if login is None:
            return {}
        return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}

    def _of_user(self, url: str) -> str | None:
        """A login whose password is in no address: a keyring has it, or there is none."""
        with self._lock:
            login, address = self._users.pop(origin(url), (None, ""))
            if login is None:
                return self._known.get(origin(url))
            if self._environ.get("UV_KEYRING_PROVIDER") == "subprocess":
                login += self._of_keyring(address, login[:-1])
            self._known[origin(url)] = login
            return login

    def _of_keyring(self, address: str, user: str) -> str:
        """A password as the program ``keyring`` gives it: for an index, else for its host."""
        for service in (address, urlsplit(address).netloc):
            try:
                done = subprocess.run(
                    ["keyring", "get", service, user],
                    env=dict(self._environ),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    check=False,
                )
            except OSError:
                break  # there is no such program; the index says what it wants
            if done.returncode == 0:
                return done.stdout.decode().rstrip("\r\n")
        return ""

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
