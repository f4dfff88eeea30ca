"""What to show to a registry."""

from __future__ import annotations

import base64
from math import inf

from sematic.oci.values import field, frozen


@frozen
class Credential:
    """What to show to one registry.

    :param identity_token: to be exchanged for tokens (OAuth2), instead of a password.
    :param registry_token: to be shown to the registry as it is.
    :param source: where it comes from, for messages.
    :param expires: when it ends, in seconds since 1970. Those of clouds do.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    source: str = ""
    expires: float = inf

    @property
    def basic(self) -> str:
        """The value of an Authorization header, "" if there is no secret to put there."""
        secret = self.password or self.identity_token
        if not secret:
            return ""
        return "Basic " + base64.b64encode(f"{self.username}:{secret}".encode()).decode()

    @property
    def secrets(self) -> set[str]:
        """What of it nobody may see."""
        basic = self.basic.removeprefix("Basic ")
        return {self.password, self.identity_token, self.registry_token, basic} - {""}

    def __str__(self) -> str:
        # Everybody has the same name in a cloud's registry.
        named = self.username and self.expires == inf
        return f"{self.source} (user {self.username!r})" if named else self.source


def renewal(now: float, seconds: float) -> float:
    """When to renew what is good for so long from now on.

    When a quarter of its time is left, so that what begins with it is well under way, but never
    more than a minute early.
    """
    return now + seconds - min(seconds / 4, 60)
