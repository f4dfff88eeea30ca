"""Azure: Microsoft Entra, the identity endpoint of App Service, and a registry."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import jwt

from tests.peers.internet import Asked, Reply, Site, document
from tests.peers.tokens import TokenRequest, TokenServer

HOST = "name.azurecr.io"
ENTRA = "login.microsoftonline.com"
NAMES = (HOST, ENTRA)
TENANT, CLIENT = "72f988bf-0000-0000-0000-2d7cd011db47", "8f3c0000-0000-0000-0000-00000000c11e"
_AUDIENCE = "https://containerregistry.azure.net"
_KEY = "the registry's own, which nobody else knows"


@dataclass
class Azure:
    """A tenant with one application.

    :param seconds: how long the registry's refresh tokens are good for.
    """

    tokens: TokenServer
    secret: str = field(default_factory=lambda: secrets.token_hex(20))
    identity_header: str = field(default_factory=lambda: secrets.token_hex(20))
    federated_token: str = field(default_factory=lambda: secrets.token_hex(20))
    seconds: int = 3 * 3600
    allowed: bool = True
    clock: Callable[[], float] = time.time
    issued: set[str] = field(default_factory=set)

    def variables(self) -> dict[str, str]:
        """Of a service principal."""
        return {
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": CLIENT,
            "AZURE_CLIENT_SECRET": self.secret,
        }

    def workload(self, folder: Path) -> dict[str, str]:
        """Of a pod with workload identity."""
        file = folder / "federated"
        file.write_text(self.federated_token)
        return {
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": CLIENT,
            "AZURE_FEDERATED_TOKEN_FILE": str(file),
        }

    def entra(self, asked: Asked) -> Reply:
        base = f"https://{ENTRA}/{TENANT}"
        if asked.path.endswith("/discovery/instance"):
            return document({"tenant_discovery_endpoint": f"{base}/.well-known/x", "metadata": []})
        if "/.well-known/" in asked.path:
            return document(
                {
                    "issuer": f"{base}/v2.0",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                }
            )
        assert asked.path == f"/{TENANT}/oauth2/v2.0/token", asked.path
        fields = asked.fields
        assert fields["client_id"] == CLIENT and fields["scope"] == f"{_AUDIENCE}/.default"
        shown = fields.get("client_secret"), fields.get("client_assertion")
        if shown in ((self.secret, None), (None, self.federated_token)):
            return self._entra_token()
        words = "AADSTS7000215: Invalid client secret provided."
        return document({"error": "invalid_client", "error_description": words}, 401)

    def identity(self, asked: Asked) -> Reply:
        """App Service's endpoint for a managed identity."""
        if asked.headers.get("X-IDENTITY-HEADER") != self.identity_header:
            return Reply(401)
        assert asked.fields["resource"] == _AUDIENCE
        return self._entra_token()

    def registry(self, behind: Site) -> Site:
        """A registry with its token server at the same host."""

        def answer(asked: Asked) -> Reply:
            if asked.path == "/oauth2/exchange":
                return self._exchange(asked)
            if asked.path == "/oauth2/token":
                return self._token(asked)
            return behind(asked)

        return answer

    def _entra_token(self) -> Reply:
        token = secrets.token_hex(40)
        self.issued.add(token)
        good = {"expires_in": "3599", "expires_on": str(int(time.time()) + 3599)}
        return document({"access_token": token, "token_type": "Bearer", **good})

    def _exchange(self, asked: Asked) -> Reply:
        fields = asked.fields
        assert fields["grant_type"] == "access_token" and fields["service"] == asked.host
        if not self.allowed or fields["access_token"] not in self.issued:
            return _unauthorized("authentication required, the principal has no role here")
        good = {"exp": self.clock() + self.seconds, "jti": self.tokens.refresh_token("me")}
        return document({"refresh_token": jwt.encode(good, _KEY, "HS256")})

    def _token(self, asked: Asked) -> Reply:
        fields = {name: [value] for name, value in asked.fields.items()}
        if asked.method == "POST":
            given = fields["refresh_token"][0]
            # Its time is told by this clock, not by the machine's.
            shown = jwt.decode(given, _KEY, algorithms=["HS256"], options={"verify_exp": False})
            if shown["exp"] <= self.clock():
                return _unauthorized("the refresh token has expired")
            fields["refresh_token"] = [shown["jti"]]
        status, answered = self.tokens.answer(TokenRequest(asked.method, asked.headers, fields))
        return document(answered, status)


def _unauthorized(message: str) -> Reply:
    return document({"errors": [{"code": "UNAUTHORIZED", "message": message}]}, 401)
