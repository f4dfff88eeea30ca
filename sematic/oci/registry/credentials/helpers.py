"""Credential helpers: programs named ``docker-credential-NAME`` that keep credentials.

They speak docker's protocol (https://github.com/docker/docker-credential-helpers).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sematic.oci.errors import Denied
from sematic.oci.reference import DOCKER_HUB
from sematic.oci.registry.credentials.credential import Credential

HUB_KEY = "https://index.docker.io/v1/"
SECONDS = 30.0


@dataclass(frozen=True, slots=True)
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
        said = self._run("get", HUB_KEY if host == DOCKER_HUB else host)
        return self._read(said) if said else None

    def _run(self, verb: str, told: str) -> str:
        """What it answers, "" where it has nothing for the host."""
        import subprocess

        try:
            done = subprocess.run(
                [self.command, verb],
                input=told,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=self.seconds,
                env=dict(self.environ),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._broken(f"did not answer within {self.seconds:g} s") from None
        except OSError as error:
            raise self._broken(error.strerror or str(error)) from None
        said = done.stdout.strip() or done.stderr.strip()
        if done.returncode:
            if "credentials not found" in said.lower():
                return ""
            raise self._broken(said or f"exit status {done.returncode}")
        return said

    def _read(self, said: str) -> Credential | None:
        try:
            answer = json.loads(said)
            username, secret = str(answer.get("Username") or ""), str(answer.get("Secret") or "")
        except (ValueError, AttributeError, RecursionError):
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
