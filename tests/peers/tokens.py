"""A token server for registries: JSON web tokens by GET and by OAuth2's POST.

https://distribution.github.io/distribution/spec/auth/token/, jwt/ and oauth/ beside it. It runs
in this process; `registry(..., tokens=server)` starts a docker-registry that trusts it.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt

from tests.peers.certificates import Tls, self_signed

# docker-registry takes a token for so long after its "exp", because clocks differ.
_LEEWAY = 60
_ALL = {"*": "pull,push,delete"}

Grants = Mapping[str, str]
"""Actions by repository, as {"team/*": "pull,push"}; the first pattern that fits counts."""


@dataclass(frozen=True)
class Account:
    password: str
    grants: Grants = field(default_factory=lambda: _ALL)


@dataclass(frozen=True)
class TokenRequest:
    """What was asked: `fields` are those of the query or of the form."""

    method: str
    headers: Message
    fields: Mapping[str, Sequence[str]]

    def first(self, name: str) -> str:
        return self.fields.get(name, [""])[0]

    @property
    def scopes(self) -> list[str]:
        """In the order in which they were asked for."""
        return " ".join(self.fields.get("scope", ())).split()

    @property
    def wants_refresh_token(self) -> bool:
        return self.first("offline_token") == "true" or self.first("access_type") == "offline"


class TokenServer:
    """Gives tokens to those it knows, with as much of the scopes as they may have.

    Its attributes may be changed while it runs:

    :param accounts: by user name.
    :param anonymous: what those may who show no password; None refuses them.
    :param seconds: how long a token is good for.
    :param announced: the seconds that clients are told; None tells the truth.
    :param has_oauth: whether it knows POST; otherwise that is answered 404.
    """

    service = "registry of the tests"
    issuer = "token server of the tests"

    def __init__(
        self, url: str, signer: Tls, accounts: Mapping[str, Account], anonymous: Grants | None
    ) -> None:
        self.realm = f"{url}/token"
        self.accounts = dict(accounts)
        self.anonymous = anonymous
        self.seconds = 300
        self.announced: int | None = None
        self.has_oauth = True
        self.requests: list[TokenRequest] = []
        self.certificate = signer.certificate
        self._key = signer.key.read_text()
        der = ssl.PEM_cert_to_DER_cert(self.certificate.read_text())
        self._shown_certificate = base64.b64encode(der).decode()
        self._refresh_tokens: dict[str, str] = {}

    def refresh_token(self, user: str) -> str:
        """What a client gets that asks for an offline token: docker's "identity token"."""
        token = secrets.token_hex(16)
        self._refresh_tokens[token] = user
        return token

    def forget(self, refresh_token: str) -> None:
        del self._refresh_tokens[refresh_token]

    def answer(self, request: TokenRequest) -> tuple[int, Mapping[str, object]]:
        """Status and document."""
        self.requests.append(request)
        if request.method == "GET":
            return self._get(request)
        return self._post(request) if self.has_oauth else _refusal(404, "UNSUPPORTED")

    def _get(self, request: TokenRequest) -> tuple[int, Mapping[str, object]]:
        shown = request.headers.get("Authorization", "")
        user, password = _basic(shown)
        if shown and not self._knows(user, password):
            return _refusal(401, "UNAUTHORIZED", "incorrect username or password")
        if not shown and self.anonymous is None:
            return _refusal(401, "UNAUTHORIZED", "authentication required")
        document = self._document(request, user)
        if user and request.wants_refresh_token:
            document["refresh_token"] = self.refresh_token(user)
        return 200, {**document, "token": document["access_token"]}

    def _post(self, request: TokenRequest) -> tuple[int, Mapping[str, object]]:
        if not request.first("client_id") or not request.first("service"):
            return 400, {"error": "invalid_request"}
        kind = request.first("grant_type")
        refresh_token = request.first("refresh_token")
        if kind == "refresh_token":
            user = self._refresh_tokens.get(refresh_token, "")
        elif kind == "password":
            user, password = request.first("username"), request.first("password")
            user = user if self._knows(user, password) else ""
        else:
            return 400, {"error": "unsupported_grant_type"}
        if not user:
            return 400, {"error": "invalid_grant", "error_description": f"not a good {kind}"}
        document = self._document(request, user)
        if request.wants_refresh_token:
            document["refresh_token"] = refresh_token or self.refresh_token(user)
        return 200, document

    def _knows(self, user: str, password: str) -> bool:
        return user in self.accounts and self.accounts[user].password == password

    def _document(self, request: TokenRequest, user: str) -> dict[str, object]:
        grants = self.accounts[user].grants if user else self.anonymous or {}
        access = [entry for scope in request.scopes if (entry := _granted(scope, grants))]
        now = int(time.time())
        announced = self.seconds if self.announced is None else self.announced
        return {
            "access_token": self._sign(user, request.first("service"), access, now),
            "scope": " ".join(map(_scope, access)),
            "expires_in": announced,
            "issued_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        }

    def _sign(self, user: str, audience: str, access: list[dict[str, Any]], now: int) -> str:
        claims = {
            "iss": self.issuer,
            "sub": user,
            "aud": audience,
            "exp": now + 1 + self.seconds - _LEEWAY,  # `now` is up to a second ago
            "nbf": now - _LEEWAY,
            "iat": now,
            "jti": secrets.token_hex(8),
            "access": access,
        }
        headers = {"x5c": [self._shown_certificate]}
        return jwt.encode(claims, self._key, "ES256", headers=headers)


def _granted(scope: str, grants: Grants) -> dict[str, Any] | None:
    """The access entry for a scope, with the actions that are granted; None if there are none."""
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    allowed = next((grants[each] for each in grants if fnmatchcase(name, each)), "").split(",")
    granted = [action for action in actions.split(",") if action in allowed]
    return {"type": kind, "name": name, "actions": granted} if granted else None


def _scope(access: Mapping[str, Any]) -> str:
    return f"{access['type']}:{access['name']}:{','.join(access['actions'])}"


def _basic(shown: str) -> tuple[str, str]:
    """User and password of an Authorization header; ("", "") if it has none."""
    scheme, _, encoded = shown.partition(" ")
    try:
        decoded = base64.b64decode(encoded).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        decoded = ""
    user, _, password = decoded.partition(":")
    return user, password


def _refusal(status: int, code: str, message: str = "") -> tuple[int, Mapping[str, object]]:
    return status, {"errors": [{"code": code, "message": message}]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tokens: TokenServer

    def do_GET(self) -> None:
        self._answer(urlsplit(self.path).query)

    def do_POST(self) -> None:
        self._answer(self._body().decode())

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        data = b""
        while size := int(self.rfile.readline(), 16):  # in chunks, as skopeo sends it
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _answer(self, fields: str) -> None:
        request = TokenRequest(self.command, self.headers, parse_qs(fields))
        status, document = self.tokens.answer(request)
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="tokens"')
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def token_server(
    folder: Path,
    accounts: Mapping[str, Account],
    *,
    anonymous: Grants | None = None,
    tls: Tls | None = None,
) -> Iterator[TokenServer]:
    """A running token server; `folder` gets the key that it signs with."""
    folder.mkdir(parents=True, exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    tokens = TokenServer(url, self_signed(folder), accounts, anonymous)
    server.RequestHandlerClass = type("Handler", (_Handler,), {"tokens": tokens})
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield tokens
    finally:
        server.shutdown()
        server.server_close()
