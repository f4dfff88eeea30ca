"""Credential helpers: programs named ``docker-credential-NAME`` that keep credentials.

They speak docker's protocol (https://github.com/docker/docker-credential-helpers).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from sematic.oci.errors import Denied
from sematic.oci.reference import DOCKER_HUB
from sematic.oci.registry.credentials.credential import Credential
from sematic.oci.untrusted import parse_json
from sematic.oci.values import frozen

HUB_KEY = "https://index.docker.io/v1/"
PASSWORD = "SEMATIC_REGISTRY_PASSWORD"
SECONDS = 30.0


def server_key(host: str) -> str:
    """What docker calls a host, in its file and to helpers."""
    return HUB_KEY if host == DOCKER_HUB else host


@frozen
class Helper:
    """A credential helper.

    :param name: what follows ``docker-credential-``.
    :param origin: the file that names it, for messages.
    :param seconds: so long it may take to answer.
    """

    name: str
    origin: str
    environ: Mapping[str, str]
    seconds: float = SECONDS

    @property
    def command(self) -> str:
        return f"docker-credential-{self.name}"

    def get(self, host: str) -> Credential | None:
        """What it keeps for a host.

        :raises Denied: it is missing, fails, or answers something else.
        """
        said = self._run("get", server_key(host))
        return self._read(said) if said else None

    def store(self, host: str, credential: Credential) -> None:
        """Have it keep a credential for a host, in place of any other.

        :raises Denied: it is missing, or fails.
        """
        secret = credential.identity_token or credential.password
        username = "<token>" if credential.identity_token else credential.username
        told = {"ServerURL": server_key(host), "Username": username, "Secret": secret}
        self._run("store", json.dumps(told), secret)

    def erase(self, host: str) -> bool:
        """Have it forget what it keeps for a host; whether there was something.

        :raises Denied: it is missing, or fails.
        """
        is_kept = self.get(host) is not None
        if is_kept:
            self._run("erase", server_key(host))
        return is_kept

    def _run(self, verb: str, told: str, secret: str = "") -> str:
        """What it answers, "" where it has nothing for the host.

        :param secret: is not to be repeated in an error.
        """
        import subprocess

        try:
            done = subprocess.run(
                [self.command, verb],
                input=told,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=self.seconds,
                env={key: value for key, value in self.environ.items() if key != PASSWORD},
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._broken(f"did not answer within {self.seconds:g} s") from None
        except (OSError, ValueError) as error:  # a ValueError if its name has a NUL
            raise self._broken(getattr(error, "strerror", "") or str(error)) from None
        said = done.stdout.strip() or done.stderr.strip()
        if done.returncode:
            if "credentials not found" in said.lower():
                return ""
            if said.startswith("{") or (
                secret and (secret in said or json.dumps(secret)[1:-1] in said)
            ):
                said = ""  # it may hold the secret
            raise self._broken(said or f"exit status {done.returncode}")
        return said

    def _read(self, said: str) -> Credential | None:
        try:
            answer = parse_json(said.encode())
            username, secret = str(answer.get("Username") or ""), str(answer.get("Secret") or "")
        except (ValueError, AttributeError):
            # What it said may hold the secret.
            raise self._broken("its answer is not the JSON it should be") from None
        if not secret:
            return None
        if username == "<token>":
            return Credential(identity_token=secret, source=self.command)
        return Credential(username, secret, source=self.command)

    def _broken(self, failure: str) -> Denied:
        failure = " ".join(failure.split())[:300]
        return Denied(
            f"the credential helper {self.command}, named in {self.origin}, failed: {failure}\n"
            "Install or repair it, or take it out of that file and log in again."
        )
