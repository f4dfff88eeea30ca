"""Docker's config.json and podman's auth.json (containers-auth.json(5)), as they are read."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sematic.oci.errors import Denied
from sematic.oci.reference import DOCKER_HUB
from sematic.oci.registry.credentials.credential import Credential
from sematic.oci.untrusted import parse_json

_HUB_NAMES = {"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}


class AuthFile:
    """A file that may hold credentials; one that is not there holds none.

    :raises Denied: it cannot be read, or is not JSON.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._config = read_config(path)

    def helper(self, host: str) -> str:
        """The name of the credential helper for a host, "" if there is none.

        A host may be excepted from ``credsStore`` by an empty name of its own.
        """
        own = _of_host(self._config.get("credHelpers"), host)
        return str((self._config.get("credsStore") if own is None else own) or "")

    def credential(self, place: str) -> Credential | None:
        """What the file itself holds for ``HOST[/REPOSITORY]``: for the longest part of it.

        :raises Denied: what it holds is no credential.
        """
        for part in _parts(place):
            entry = _of_host(self._config.get("auths"), part)
            if isinstance(entry, dict) and (found := _credential(entry, f"{self.path}", part)):
                return found
        return None


def read_config(path: Path) -> dict[str, Any]:
    """What a file holds; nothing where it is not there, or empty.

    :raises Denied: it cannot be read, is not JSON, or not such a file.
    """
    try:
        data = path.read_bytes()
        config = parse_json(data) if data.strip() else {}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise Denied(
            f"{path}, where registry credentials may be, cannot be read: {error.strerror}"
        ) from None
    except ValueError as error:
        raise _unusable(path, f"is not JSON: {error}") from None
    if not isinstance(config, dict) or not isinstance(config.get("auths") or {}, dict):
        raise _unusable(path, "does not look like docker's config.json")
    return config


def _unusable(path: Path, why: str) -> Denied:
    return Denied(
        f"{path}, where registry credentials may be, {why}\nRepair it, or move it out of the way."
    )


def key_place(key: str) -> str:
    """What a key is about: a host however it is written, or podman's ``HOST/NAMESPACE``."""
    is_url = "://" in key
    host, _, path = key.partition("://")[2 if is_url else 0].partition("/")
    is_host = is_url or not path or path.partition("/")[0] in ("v1", "v2")
    return canonical(host) if is_host else f"{canonical(host)}/{path}"


def canonical(host: str) -> str:
    """One name per registry: Docker Hub has several."""
    host = host.lower()
    return DOCKER_HUB if host in _HUB_NAMES else host


def _parts(place: str) -> Iterator[str]:
    """``host/team/app``, ``host/team``, ``host``: podman keeps credentials for any of them."""
    while place:
        yield place
        place = place.rpartition("/")[0]


def _of_host(entries: Any, place: str) -> Any:
    """What a mapping with hosts, URLs or namespaces as keys has for a place."""
    if not isinstance(entries, dict):
        return None
    if place in entries:
        return entries[place]
    return next((value for key, value in entries.items() if key_place(key) == place), None)


def _credential(entry: Mapping[str, Any], source: str, place: str) -> Credential | None:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if auth := entry.get("auth"):
        try:
            decoded = base64.b64decode(str(auth), validate=True).decode().rstrip("\0")
        except ValueError:
            decoded = ""
        username, colon, password = decoded.partition(":")
        if not colon:
            raise Denied(f"{source}: what stands there for {place} is not USER:PASSWORD in base64")
    token = str(entry.get("registrytoken") or "")
    if not re.fullmatch("[!-~]*", token):
        raise Denied(f"{source}: the registrytoken that stands there for {place} is none")
    identity_token = str(entry.get("identitytoken") or "")
    found = Credential(username, password, identity_token, token, source)
    return found if found.basic or found.registry_token else None
