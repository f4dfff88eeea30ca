"""What to show to a registry."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field


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
