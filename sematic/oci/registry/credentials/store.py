"""Where logins are kept: where docker would keep them."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any

from sematic.oci.errors import Denied
from sematic.oci.registry.credentials.credential import Credential
from sematic.oci.registry.credentials.edit import edited
from sematic.oci.registry.credentials.files import AuthFile, key_place
from sematic.oci.registry.credentials.helpers import Helper, server_key
from sematic.oci.registry.credentials.search import auth_files


class Store:
    """The first file in which credentials are looked for, and the helper it names for a place.

    :param place: ``HOST``, or podman's ``HOST/NAMESPACE``.
    :raises Denied: the file cannot be read or is not JSON; its helper knows no namespaces.
    """

    def __init__(self, place: str, environ: Mapping[str, str] = os.environ) -> None:
        self.path = next(auth_files(environ))
        self.helper: Helper | None = None
        self._place = place
        self._host = place.partition("/")[0]
        if name := AuthFile(self.path).helper(self._host):
            self.helper = Helper(name, f"{self.path} for {self._host}", environ)

    def check(self) -> None:
        """:raises Denied: the place is a namespace, of which the helper knows nothing."""
        if self.helper and self._place != self._host:
            raise Denied(
                f"{self.helper.command}, named in {self.helper.origin}, keeps credentials for "
                f"whole registries only, not for {self._place}.\n"
                f"Log in to {self._host}, or name another file in REGISTRY_AUTH_FILE."
            )

    def keep(self, credential: Credential) -> str:
        """Keep a credential in place of any other; where, for messages.

        :raises Denied: it cannot be written, or the helper is missing or fails.
        """
        self.check()
        if self.helper:
            self.helper.store(self._host, credential)
        with edited(self.path) as config:
            auths = config["auths"] = config.get("auths") or {}
            # docker marks in its file what a helper keeps.
            _put(auths, self._place, {} if self.helper else _entry(credential))
        return self.helper.command if self.helper else str(self.path)

    def forget(self) -> list[str]:
        """Forget the credential of the place; where there was one, for messages.

        :raises Denied: it cannot be written, or the helper is missing or fails.
        """
        places = []
        if self.helper and self._place == self._host and self.helper.erase(self._host):
            places.append(self.helper.command)
        if not self.path.exists():
            return places
        with edited(self.path) as config:
            auths = config.get("auths") or {}
            keys = [key for key in auths if key_place(key) == self._place]
            entries = [auths.pop(key) for key in keys]
        if any(entries):  # those that mark what a helper keeps are empty
            places.append(str(self.path))
        return places


def _put(auths: dict[str, Any], place: str, entry: Mapping[str, str]) -> None:
    """Have one key for a place, where the first was that there may have been."""
    own_key = place if "/" in place else server_key(place)
    before = list(auths.items())
    auths.clear()
    for key, value in before:
        if key_place(key) != place:
            auths[key] = value
        else:
            auths[own_key] = entry
    auths[own_key] = entry


def _entry(credential: Credential) -> dict[str, str]:
    """As docker writes it: an identity token stands beside a user name without password."""
    pair = f"{credential.username}:{credential.password}"
    entry = {"auth": base64.b64encode(pair.encode()).decode()}
    if credential.identity_token:
        entry["identitytoken"] = credential.identity_token
    return entry
