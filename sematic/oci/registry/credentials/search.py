"""The order in which credentials are looked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from sematic.oci.errors import Denied
from sematic.oci.registry.credentials.clouds import Clouds
from sematic.oci.registry.credentials.credential import Credential
from sematic.oci.registry.credentials.files import AuthFile, canonical
from sematic.oci.registry.credentials.helpers import PASSWORD, SECONDS, Helper
from sematic.oci.registry.failures import missing_credentials


class Credentials:
    """The credentials of one user. Each place is looked up once; threads may share it.

    :param target: the host that is pushed to: the SEMATIC_REGISTRY_* variables are for it,
        unless SEMATIC_REGISTRY_HOST names another.
    :param clouds: asked last; None asks none.
    :param helper_seconds: so long a credential helper may take.
    """

    def __init__(
        self,
        target: str = "",
        environ: Mapping[str, str] = os.environ,
        *,
        clouds: Clouds | None = None,
        helper_seconds: float = SECONDS,
    ) -> None:
        self._target = target
        self._environ = environ
        self._clouds = clouds
        self._helper_seconds = helper_seconds
        self._lock = threading.Lock()
        self._found: dict[str, Credential | Denied | None] = {}
        self._files: list[AuthFile] = []
        self._helped: dict[tuple[str, str], Credential | None] = {}

    def find(self, place: str) -> Credential | None:
        """The credential for ``HOST`` or ``HOST/REPOSITORY``, None if there is none.

        :raises Denied: a configuration file or a credential helper is broken.
        """
        host, slash, repository = place.partition("/")
        host = canonical(host)
        place = host + slash + repository
        with self._lock:
            if place not in self._found:
                try:
                    self._found[place] = next(self.candidates(place), None)
                except Denied as error:
                    self._found[place] = error
            found = self._found[place]
            if found is None and self._clouds:
                return self._clouds.credential(host)
        if isinstance(found, Denied):
            raise found
        return found

    def advice(self, host: str) -> str:
        """What to do where a host wants credentials and :meth:`find` found none."""
        advice = missing_credentials(host)
        with self._lock:
            failure = self._clouds.failure(canonical(host)) if self._clouds else ""
        return f"{failure}\n{advice}" if failure else advice

    def candidates(self, place: str) -> Iterator[Credential]:
        """What the environment and files hold for a place in its canonical form, in that order.

        :raises Denied: as :meth:`find`.
        """
        host = place.partition("/")[0]
        if found := self._from_environment(host):
            yield found
        for file in self._read_files():
            if found := self._from_helper(file, host) or file.credential(place):
                yield found

    def _from_environment(self, host: str) -> Credential | None:
        username = self._environ.get("SEMATIC_REGISTRY_USERNAME", "")
        password = self._environ.get(PASSWORD, "")
        own_host = self._environ.get("SEMATIC_REGISTRY_HOST") or self._target
        if not (username or password) or not own_host or canonical(own_host) != host:
            return None
        if not (username and password):
            raise Denied(
                f"for {host} only one of SEMATIC_REGISTRY_USERNAME and SEMATIC_REGISTRY_PASSWORD "
                "is set: set both"
            )
        return Credential(username, password, source="SEMATIC_REGISTRY_USERNAME")

    def _read_files(self) -> Iterator[AuthFile]:
        """The files, each read when those before it did not help."""
        for number, path in enumerate(auth_files(self._environ)):
            if number == len(self._files):
                self._files.append(AuthFile(path))
            yield self._files[number]

    def _from_helper(self, file: AuthFile, host: str) -> Credential | None:
        name = file.helper(host)
        if not name:
            return None
        key = name, host
        if key not in self._helped:
            origin = f"{file.path} for {host}"
            helper = Helper(name, origin, self._environ, self._helper_seconds)
            self._helped[key] = helper.get(host)
        return self._helped[key]


def auth_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where credentials may be kept, whether the files are there or not."""
    home = Path(environ.get("HOME") or Path.home())
    if explicit := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(explicit)
    yield Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers/auth.json"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers/auth.json"
