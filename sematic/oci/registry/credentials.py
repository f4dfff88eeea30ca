"""Who to be at a registry: what docker, podman and the environment say.

Read in this order, the first that knows the host counts:

1. ``SEMATIC_REGISTRY_USERNAME`` and ``SEMATIC_REGISTRY_PASSWORD``, for one host only;
2. ``$REGISTRY_AUTH_FILE``;
3. ``$DOCKER_CONFIG/config.json``, else ``~/.docker/config.json``;
4. podman's ``$XDG_RUNTIME_DIR/containers/auth.json``, ``~/.config/containers/auth.json``.

Nothing is read before a registry asks for credentials.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sematic.oci.errors import Denied
from sematic.oci.reference import DOCKER_HUB

_HUB_NAMES = {"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Credential:
    """What to show to one registry.

    :param identity_token: to be exchanged for tokens (OAuth2), instead of a password.
    :param registry_token: to be shown to the registry as it is.
    :param source: where it comes from, for messages.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    source: str = ""

    @property
    def basic(self) -> str:
        """The value of an Authorization header, "" if there is no secret to put there."""
        secret = self.password or self.identity_token
        if not secret:
            return ""
        return "Basic " + base64.b64encode(f"{self.username}:{secret}".encode()).decode()

    def __str__(self) -> str:
        return f"{self.source} (user {self.username!r})" if self.username else self.source


class Credentials:
    """The credentials of one user. Each host is looked up once; threads may share it.

    :param target: the host that is pushed to: the SEMATIC_REGISTRY_* variables are for it,
        unless SEMATIC_REGISTRY_HOST names another.
    """

    def __init__(
        self,
        target: str = "",
        environ: Mapping[str, str] = os.environ,
        *,
        helper_seconds: float = _HELPER_SECONDS,
    ) -> None:
        self._target = target
        self._environ = environ
        self._helper_seconds = helper_seconds
        self._lock = threading.Lock()
        self._found: dict[str, Credential | Denied | None] = {}

    def find(self, host: str) -> Credential | None:
        """The credential for a host, None if there is none.

        :raises Denied: a configuration file or a credential helper is broken.
        """
        host = _canonical(host)
        with self._lock:
            if host not in self._found:
                try:
                    self._found[host] = self._look_up(host)
                except Denied as error:
                    self._found[host] = error
            found = self._found[host]
        if isinstance(found, Denied):
            raise found
        return found

    def _look_up(self, host: str) -> Credential | None:
        if found := self._from_environment(host):
            return found
        for path in self._files():
            if found := self._from_file(path, host):
                return found
        return None

    def _from_environment(self, host: str) -> Credential | None:
        username = self._environ.get("SEMATIC_REGISTRY_USERNAME", "")
        password = self._environ.get("SEMATIC_REGISTRY_PASSWORD", "")
        own_host = self._environ.get("SEMATIC_REGISTRY_HOST") or self._target
        if not (username or password) or not own_host or _canonical(own_host) != host:
            return None
        if not (username and password):
            raise Denied(
                f"for {host} only one of SEMATIC_REGISTRY_USERNAME and SEMATIC_REGISTRY_PASSWORD "
                "is set: set both"
            )
        return Credential(username, password, source="SEMATIC_REGISTRY_USERNAME")

    def _files(self) -> Iterator[Path]:
        environ = self._environ
        home = Path(environ.get("HOME") or Path.home())
        if explicit := environ.get("REGISTRY_AUTH_FILE"):
            yield Path(explicit)
        yield Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
        if runtime := environ.get("XDG_RUNTIME_DIR"):
            yield Path(runtime) / "containers/auth.json"
        yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers/auth.json"

    def _from_file(self, path: Path, host: str) -> Credential | None:
        config = _read(path)
        helper = _entry(config.get("credHelpers"), host) or config.get("credsStore")
        if helper:
            origin = f"{path} for {host}"
            if found := self._from_helper(str(helper), host, origin):
                return found
        entry = _entry(config.get("auths"), host)
        return _from_entry(entry, f"{path}", host) if isinstance(entry, dict) else None

    def _from_helper(self, name: str, host: str, origin: str) -> Credential | None:
        """Ask a credential helper (docker's protocol: the host on stdin, JSON on stdout)."""
        import subprocess

        command = f"docker-credential-{name}"
        try:
            done = subprocess.run(
                [command, "get"],
                input=_HUB_KEY if host == DOCKER_HUB else host,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=self._helper_seconds,
                env=dict(self._environ),
                check=False,
            )
        except subprocess.TimeoutExpired:
            failure = f"did not answer within {self._helper_seconds:g} s"
            raise _broken_helper(command, origin, failure) from None
        except OSError as error:
            raise _broken_helper(command, origin, error.strerror or str(error)) from None
        said = done.stdout.strip() or done.stderr.strip()
        if done.returncode:
            if "credentials not found" in said.lower():
                return None
            raise _broken_helper(command, origin, said or f"exit status {done.returncode}")
        return _from_helper_answer(said, command, origin)


def _canonical(host: str) -> str:
    """One name per registry: Docker Hub has several."""
    host = host.lower()
    return DOCKER_HUB if host in _HUB_NAMES else host


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise Denied(
            f"{path}, where registry credentials may be, cannot be read: {error}"
        ) from None
    except ValueError as error:
        raise Denied(f"{path}, where registry credentials may be, is not JSON: {error}") from None
    return config if isinstance(config, dict) else {}


def _entry(entries: Any, host: str) -> Any:
    """What a mapping with hosts or URLs as keys has for a host."""
    if not isinstance(entries, dict):
        return None
    if host in entries:
        return entries[host]
    return next((value for key, value in entries.items() if _key_host(key) == host), None)


def _key_host(key: str) -> str:
    """The host that a key is about; podman's keys of a namespace are about no host."""
    is_url = "://" in key
    host, _, path = key.partition("://")[2 if is_url else 0].partition("/")
    return _canonical(host) if is_url or not path or path.startswith(("v1", "v2")) else ""


def _from_entry(entry: Mapping[str, Any], source: str, host: str) -> Credential | None:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if auth := entry.get("auth"):
        try:
            decoded = base64.b64decode(str(auth), validate=True).decode().rstrip("\0")
        except (binascii.Error, UnicodeDecodeError):
            decoded = ""
        username, colon, password = decoded.partition(":")
        if not colon:
            raise Denied(f"{source}: what stands there for {host} is not USER:PASSWORD in base64")
    found = Credential(
        username,
        password,
        str(entry.get("identitytoken") or ""),
        str(entry.get("registrytoken") or ""),
        source,
    )
    return found if found.basic or found.registry_token else None


def _from_helper_answer(said: str, command: str, origin: str) -> Credential | None:
    try:
        answer = json.loads(said)
        username, secret = str(answer.get("Username") or ""), str(answer.get("Secret") or "")
    except (ValueError, AttributeError):
        # What it said may hold the secret.
        raise _broken_helper(command, origin, "its answer is not the JSON it should be") from None
    if not secret:
        return None
    if username == "<token>":
        return Credential(identity_token=secret, source=command)
    return Credential(username, secret, source=command)


def _broken_helper(command: str, origin: str, failure: str) -> Denied:
    failure = " ".join(failure.split())[:300]
    return Denied(
        f"the credential helper {command}, named in {origin}, failed: {failure}\n"
        "Install or repair it, or take it out of that file and log in again."
    )
