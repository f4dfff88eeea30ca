"""Google: the token endpoints, the metadata server of its machines, and the registry."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.peers.internet import Asked, Reply, Site, document
from tests.peers.tokens import Account, TokenRequest, TokenServer

HOST = "europe-docker.pkg.dev"
OAUTH, STS = "oauth2.googleapis.com", "sts.googleapis.com"
NAMES = (HOST, OAUTH, STS)
EMAIL = "pusher@project.iam.gserviceaccount.com"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_PEM = serialization.Encoding.PEM
_PKCS8 = serialization.PrivateFormat.PKCS8
_PLAIN = serialization.NoEncryption()


@dataclass
class Google:
    """A service account. `tokens` gives the registry's own tokens for access tokens."""

    tokens: TokenServer
    refresh_token: str = field(default_factory=lambda: secrets.token_hex(20))
    key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    def service_account(self, key: rsa.RSAPrivateKey | None = None) -> str:
        """A key file, which may have a key that is not the account's."""
        pem = (key or self.key).private_bytes(_PEM, _PKCS8, _PLAIN).decode()
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "project",
                "private_key_id": "1",
                "private_key": pem,
                "client_email": EMAIL,
                "token_uri": f"https://{OAUTH}/token",
            }
        )

    def user(self) -> str:
        """What `gcloud auth application-default login` writes."""
        return json.dumps(
            {
                "type": "authorized_user",
                "client_id": "client",
                "client_secret": "client-secret",
                "refresh_token": self.refresh_token,
            }
        )

    def federation(self, subject_token: Path) -> str:
        """Workload identity federation with a token in a file."""
        return json.dumps(
            {
                "type": "external_account",
                "audience": "//iam.googleapis.com/projects/1/locations/global/pools/x/providers/y",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": f"https://{STS}/v1/token",
                "credential_source": {"file": str(subject_token)},
            }
        )

    def oauth(self, asked: Asked) -> Reply:
        fields = asked.fields
        if fields["grant_type"] == "refresh_token":
            known = (fields["client_secret"], fields["refresh_token"])
            if known == ("client-secret", self.refresh_token):
                return document(self._access_token())
            refused = {"error": "invalid_grant", "error_description": "Bad Request"}
            return document(refused, 400)
        try:
            claims = jwt.decode(
                fields["assertion"],
                self.key.public_key(),
                algorithms=["RS256"],
                audience=f"https://{OAUTH}/token",
                issuer=EMAIL,
            )
        except jwt.InvalidTokenError:
            refused = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return document(refused, 400)
        assert claims["scope"] == _SCOPE
        return document(self._access_token())

    def sts(self, asked: Asked) -> Reply:
        assert asked.fields["scope"] == _SCOPE
        if asked.fields["subject_token"] != "subject-secret":
            return document({"error": "invalid_grant"}, 400)
        kind = "urn:ietf:params:oauth:token-type:access_token"
        return document({**self._access_token(), "issued_token_type": kind})

    def metadata(self, asked: Asked) -> Reply:
        flavor = {"Metadata-Flavor": "Google"}
        if asked.headers.get("Metadata-Flavor") != "Google":
            return Reply(403)
        account = "/computeMetadata/v1/instance/service-accounts/"
        if asked.path == "/":
            return Reply(200, b"computeMetadata/\n", flavor)
        if asked.path == "/computeMetadata/v1/project/project-id":
            return Reply(200, b"project", {**flavor, "Content-Type": "application/text"})
        if asked.path == f"{account}default/":
            return document({"email": EMAIL, "scopes": [_SCOPE]}, headers=flavor)
        if asked.path in (f"{account}default/token", f"{account}{EMAIL}/token"):
            return document(self._access_token(), headers=flavor)
        return Reply(404)

    def registry(self, behind: Site) -> Site:
        """A registry with its token server at the same host."""

        def answer(asked: Asked) -> Reply:
            if asked.path != "/v2/token":
                return behind(asked)
            fields = {name: [value] for name, value in asked.fields.items()}
            status, answered = self.tokens.answer(TokenRequest(asked.method, asked.headers, fields))
            return document(answered, status)

        return answer

    def _access_token(self) -> dict[str, object]:
        token = "ya29." + secrets.token_hex(30)
        self.tokens.accounts["oauth2accesstoken"] = Account(token)
        return {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}
