"""A registry in this process that does what a real one will not do on demand.

It stores blobs and manifests as the distribution spec says, except where a test has scripted
something else: `registry.script("PUT", "/blobs/uploads/", Reply(503))` answers one such request.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Request:
    method: str
    url: str
    headers: Message
    body: bytes = b""
    client: int = 0
    """The port that it came from."""

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.path and urlsplit(self.url).query, keep_blank_values=True)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Reply:
    """An answer. Breaks the connection after `breaks_at` bytes of data; before any if that is 0.

    `unread`: it is given before the request's body is read, and the connection is closed.
    `raw`: what is sent in place of an HTTP answer, for as long as it is taken.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytes = b""
    breaks_at: int | None = None
    unread: bool = False
    raw: Iterable[bytes] | None = None


DROP = Reply(0, breaks_at=0)
"""No answer at all."""

Action = Callable[[Request], "Reply | None"]


@dataclass
class _Rule:
    method: str
    part: str
    action: Reply | Action
    times: int

    def matches(self, request: Request) -> bool:
        return self.times > 0 and request.method == self.method and self.part in request.url


def error(status: int, code: str, message: str = "", **headers: str) -> Reply:
    """An error as the distribution spec writes it."""
    data = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Reply(status, {"Content-Type": "application/json", **headers}, data)


class ScriptedRegistry:
    def __init__(self, host: str) -> None:
        self.host = host
        self.requests: list[Request] = []
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.uploads: dict[str, bytes] = {}
        self.users: dict[str, str] | None = None
        self.tokens: dict[str, str] = {}
        self.auth = ""
        self.token_seconds: int | None = 300
        self.refused_scopes: set[str] = set()
        self.has_referrers = False
        self._sessions = itertools.count(1)
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()

    def script(self, method: str, part: str, action: Reply | Action, times: int = 1) -> None:
        """Answer the next requests whose URL contains a part in another way."""
        self._rules.append(_Rule(method, part, action, times))

    def asked(self, method: str = "", part: str = "") -> list[Request]:
        """What was asked, without the first look whether plain http is spoken."""
        return [
            request
            for request in self.requests
            if request.url != "/v2/"
            and (not method or request.method == method)
            and part in request.url
        ]

    def log(self) -> list[str]:
        return [str(request) for request in self.asked()]

    # --- answering

    def scripted(self, request: Request) -> Reply | Action | None:
        """What a test wants for a request, whose body has not been read yet."""
        with self._lock:
            rule = next((rule for rule in self._rules if rule.matches(request)), None)
            if rule is None:
                return None
            rule.times -= 1
            return rule.action

    def answer(self, request: Request) -> Reply:
        if request.path == "/token":
            return self._token(request)
        if refusal := self._unauthorized(request):
            return refusal
        if request.path == "/v2/":
            return Reply(200)
        repository, _, rest = request.path.removeprefix("/v2/").partition("/blobs/")
        if rest:
            return self._blob(request, repository, rest)
        repository, _, rest = request.path.removeprefix("/v2/").partition("/manifests/")
        return self._manifest(request, repository, rest) if rest else Reply(404)

    def _blob(self, request: Request, repository: str, rest: str) -> Reply:
        if rest.startswith("uploads/"):
            return self._upload(request, repository, rest.removeprefix("uploads/"))
        data = self.blobs.get((repository, rest))
        if data is None:
            return error(404, "BLOB_UNKNOWN")
        wanted = request.headers.get("Range")
        if not wanted:
            return Reply(200, {}, data)
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        span = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return Reply(206, {"Content-Range": span}, data[start:])

    def _upload(self, request: Request, repository: str, session: str) -> Reply:
        if request.method == "POST":
            mounted = request.query.get("mount", [""])[0]
            source = request.query.get("from", [""])[0]
            if data := self.blobs.get((source, mounted)):
                self.blobs[repository, mounted] = data
                return Reply(201, {"Location": f"/v2/{repository}/blobs/{mounted}"})
            session = str(next(self._sessions))
            self.uploads[session] = b""
            return Reply(202, {"Location": self._location(repository, session)})
        if session not in self.uploads:
            return error(404, "BLOB_UPLOAD_UNKNOWN")
        if request.method == "DELETE":
            del self.uploads[session]
            return Reply(204)
        self.uploads[session] += request.body
        if request.method == "PATCH":
            return Reply(202, {"Location": self._location(repository, session)})
        return self._commit(repository, session, request.query["digest"][0])

    def _commit(self, repository: str, session: str, digest: str) -> Reply:
        data = self.uploads.pop(session)
        if sha256(data) != digest:
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.blobs[repository, digest] = data
        return Reply(201, {"Docker-Content-Digest": digest})

    def _location(self, repository: str, session: str) -> str:
        return f"http://{self.host}/v2/{repository}/blobs/uploads/{session}?_state=secret"

    def _manifest(self, request: Request, repository: str, reference: str) -> Reply:
        if request.method == "PUT":
            digest = sha256(request.body)
            stored = request.headers["Content-Type"], request.body
            self.manifests[repository, reference] = self.manifests[repository, digest] = stored
            headers = {"Docker-Content-Digest": digest}
            if self.has_referrers:
                headers["OCI-Subject"] = "it has"
            return Reply(201, headers)
        found = self.manifests.get((repository, reference))
        if found is None:
            return error(404, "MANIFEST_UNKNOWN")
        media_type, data = found
        headers = {"Content-Type": media_type, "Docker-Content-Digest": sha256(data)}
        return Reply(200, headers, data)

    # --- who may

    def _unauthorized(self, request: Request) -> Reply | None:
        shown = request.headers.get("Authorization", "")
        if not self.auth or shown.removeprefix("Bearer ") in self.tokens:
            return None
        if self.auth == "basic" and self._user_of(shown):
            return None
        repository = request.path.removeprefix("/v2/").partition("/blobs/")[0]
        repository = repository.partition("/manifests/")[0]
        action = "pull" if request.method in ("GET", "HEAD") else "pull,push"
        bearer = (
            f'Bearer realm="http://{self.host}/token",service="scripted",'
            f'scope="repository:{repository}:{action}"'
        )
        offer = 'Basic realm="scripted"' if self.auth == "basic" else bearer
        return error(401, "UNAUTHORIZED", "authentication required", **{"WWW-Authenticate": offer})

    def _user_of(self, shown: str) -> str:
        user, _, password = base64.b64decode(shown.removeprefix("Basic ")).decode().partition(":")
        return user if self.users and self.users.get(user) == password else ""

    def _token(self, request: Request) -> Reply:
        fields = request.query if request.method == "GET" else parse_qs(request.body.decode())
        scopes = " ".join(fields.get("scope", []))
        if self.users is not None and not self._may_have_token(request, fields):
            return error(401, "UNAUTHORIZED", "incorrect username or password")
        if self.refused_scopes.intersection(scopes.split()):
            return error(403, "DENIED")
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = scopes
        name = "token" if request.method == "GET" else "access_token"
        document: dict[str, Any] = {name: token}
        if self.token_seconds is not None:
            document["expires_in"] = self.token_seconds
        return Reply(200, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def _may_have_token(self, request: Request, fields: Mapping[str, list[str]]) -> bool:
        if request.method == "POST":
            assert self.users is not None
            return fields["refresh_token"][0] in self.users.values()
        shown = request.headers.get("Authorization", "")
        return bool(shown and self._user_of(shown))


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: ScriptedRegistry

    def handle_any(self) -> None:
        request = Request(self.command, self.path, self.headers, client=self.client_address[1])
        scripted = self.registry.scripted(request)
        if isinstance(scripted, Reply) and scripted.unread:
            self.registry.requests.append(request)
            self.close_connection = True
            self._send(scripted)
            return
        body = self._body()
        if body is None:
            self.close_connection = True
            return
        request.body = body
        self.registry.requests.append(request)
        if scripted is not None and not isinstance(scripted, Reply):
            scripted = scripted(request)
        self._send(scripted or self.registry.answer(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def _body(self) -> bytes | None:
        """None where the client broke off."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            size = int(self.headers.get("Content-Length", "0"))
            data = self.rfile.read(size)
            return data if len(data) == size else None
        data = b""
        while line := self.rfile.readline():
            size = int(line, 16)
            data += self.rfile.read(size)
            self.rfile.readline()
            if not size:
                return data
        return None

    def _send(self, reply: Reply) -> None:
        if reply.breaks_at == 0:
            self.close_connection = True
            return
        if reply.raw is not None:
            self.close_connection = True
            for data in reply.raw:
                self.wfile.write(data)
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204 and "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(reply.data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.data[: reply.breaks_at])
        if reply.breaks_at is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the tests."""


@contextmanager
def scripted_registry(name: str = "127.0.0.1") -> Iterator[ScriptedRegistry]:
    """A running registry, reachable as `name`:PORT."""
    server = _Server(("127.0.0.1", 0), _Handler)
    registry = ScriptedRegistry(f"{name}:{server.server_address[1]}")
    server.RequestHandlerClass = type("Handler", (_Handler,), {"registry": registry})
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
