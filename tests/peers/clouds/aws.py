"""AWS: ECR's API with signed requests, where roles' credentials come from, and the registry."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.peers.internet import Asked, Reply, Site, document

ACCOUNT, REGION = "123456789012", "eu-west-1"
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
API = f"api.ecr.{REGION}.amazonaws.com"
PUBLIC_HOST, PUBLIC_API = "public.ecr.aws", "api.ecr-public.us-east-1.amazonaws.com"
NAMES = (HOST, API, PUBLIC_HOST, PUBLIC_API)


@dataclass
class Aws:
    """An account with one user.

    :param seconds: how long an authorization token is good for.
    """

    key: str = "AKIAIOSFODNN7EXAMPLE"
    secret: str = field(default_factory=lambda: secrets.token_hex(20))
    session_token: str = ""
    seconds: float = 12 * 3600
    allowed: bool = True
    clock: Callable[[], float] = time.time
    tokens: dict[str, float] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_SESSION_TOKEN": self.session_token,
        }

    def profile(self) -> str:
        """A credentials file."""
        return f"[default]\naws_access_key_id = {self.key}\naws_secret_access_key = {self.secret}\n"

    def api(self, asked: Asked) -> Reply:
        """GetAuthorizationToken, of ECR and of ECR Public."""
        service = "ecr-public" if asked.host == PUBLIC_API else "ecr"
        region = "us-east-1" if service == "ecr-public" else REGION
        operation = asked.headers["X-Amz-Target"].partition(".")[2]
        assert operation == "GetAuthorizationToken", operation
        if failure := self._unsigned(asked, service, region):
            return document({"__type": failure[0], "message": failure[1]}, 400)
        if not self.allowed:
            message = f"User: arn:aws:iam::{ACCOUNT}:user/me is not authorized"
            return document({"__type": "AccessDeniedException", "message": message}, 400)
        if service == "ecr":
            assert json.loads(asked.body) == {"registryIds": [ACCOUNT]}
        data = self.authorization()
        return document({"authorizationData": [data] if service == "ecr" else data})

    def registry(self, behind: Site) -> Site:
        """A registry that wants authorization tokens, and lets `behind` do the work."""

        def answer(asked: Asked) -> Reply:
            shown = asked.headers.get("Authorization", "").removeprefix("Basic ")
            if self.tokens.get(shown, 0) > self.clock():
                del asked.headers["Authorization"]
                return behind(asked)
            challenge = f'Basic realm="https://{asked.host}/",service="ecr.amazonaws.com"'
            return Reply(401, headers={"WWW-Authenticate": challenge})

        return answer

    def metadata(self, asked: Asked) -> Reply:
        """Of a container (the agent's URL), and of an instance (IMDSv2)."""
        if asked.path == "/container":
            shown = asked.headers.get("Authorization")
            return self._role() if shown == "container-secret" else Reply(401)
        if (asked.method, asked.path) == ("PUT", "/latest/api/token"):
            return Reply(200, b"imds-secret")
        if asked.headers.get("X-aws-ec2-metadata-token") != "imds-secret":
            return Reply(401)
        roles = "/latest/meta-data/iam/security-credentials/"
        if asked.path == roles:
            return Reply(200, b"pusher")
        return self._role() if asked.path == f"{roles}pusher" else Reply(404)

    def authorization(self) -> dict[str, Any]:
        """A new token."""
        token = base64.b64encode(f"AWS:{secrets.token_hex(30)}".encode()).decode()
        self.tokens[token] = self.clock() + self.seconds
        return {"authorizationToken": token, "expiresAt": self.tokens[token]}

    def _role(self) -> Reply:
        expiration = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        return document(
            {
                "Code": "Success",
                "Type": "AWS-HMAC",
                "AccessKeyId": self.key,
                "SecretAccessKey": self.secret,
                "Token": self.session_token,
                "Expiration": expiration,
            }
        )

    def _unsigned(self, asked: Asked, service: str, region: str) -> tuple[str, str] | None:
        """What is wrong with a request's signature; botocore's own signer is the judge."""
        shown = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=(\w+)/\d+/([\w-]+)/([\w-]+)/aws4_request, "
            r"SignedHeaders=([\w;-]+), Signature=(\w+)",
            asked.headers.get("Authorization", ""),
        )
        if not shown:
            return "MissingAuthenticationTokenException", "Missing Authentication Token"
        if shown[1] != self.key:
            invalid = "The security token included in the request is invalid."
            return "UnrecognizedClientException", invalid
        assert (shown[2], shown[3]) == (region, service)
        assert (asked.headers.get("X-Amz-Security-Token") or "") == self.session_token
        signed = {name: asked.headers[name] for name in shown[4].split(";")}
        request = AWSRequest(asked.method, f"https://{asked.host}/", signed, asked.body)
        request.context["timestamp"] = asked.headers["X-Amz-Date"]
        signer = SigV4Auth(Credentials(self.key, self.secret), service, region)
        canonical = signer.canonical_request(request)
        if signer.signature(signer.string_to_sign(request, canonical), request) == shown[5]:
            return None
        wrong = "The request signature we calculated does not match the signature you provided. "
        advice = "Check your AWS Secret Access Key and signing method.\n\n"
        repeated = f"The Canonical String for this request should have been\n'{canonical}'\n"
        return "InvalidSignatureException", wrong + advice + repeated
