"""What can happen to a request on its way to a registry and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from tests.peers.doors import Reply
from tests.peers.proxy import MOVED, Exchange, Fault

STALL = 20.0
"""Seconds that a stalled answer takes."""

WRONG_DIGEST = "sha256:" + "0" * 64


def _reset_before(exchange: Exchange) -> None:
    exchange.reset()


def _reset_after(exchange: Exchange) -> None:
    exchange.read()
    exchange.reset()


def _half(exchange: Exchange) -> None:
    exchange.send_half(exchange.forward())


def _stall(exchange: Exchange) -> None:
    reply = exchange.forward()
    exchange.wait(STALL)
    exchange.send(reply)


def _new_challenge(exchange: Exchange) -> None:
    """As if the token had run out; the realm is another than before."""
    realm = f"{exchange.tokens}?renewed=1"
    error = 'error="invalid_token"'
    offer = f'Bearer realm="{realm}",service="registry of the tests",{error}'
    headers = {"Www-Authenticate": offer if exchange.tokens else 'Basic realm="tokens"'}
    exchange.send(_refusal(exchange, 401, headers))


def _answer(exchange: Exchange, status: int, headers: Mapping[str, str]) -> None:
    """In place of the server."""
    exchange.send(_refusal(exchange, status, headers))


def _wrong_digest(exchange: Exchange) -> None:
    reply = exchange.forward()
    if reply.status < 300:
        reply = reply.with_headers(Docker_Content_Digest=WRONG_DIGEST)
    exchange.send(reply)


def _truncated(exchange: Exchange) -> None:
    """Half of the body, in a message that looks whole: of the request if it has one."""
    data = exchange.read()
    if data:
        exchange.send(exchange.forward(body=data[: len(data) // 2]))
        return
    reply = exchange.forward()
    if exchange.request.method == "HEAD":
        size = int(reply.headers.get("Content-Length", "0"))
        exchange.send(reply.with_headers(Content_Length=str(size // 2)))
    else:
        exchange.send(replace(reply, body=reply.body[: len(reply.body) // 2]))


def _elsewhere(exchange: Exchange, status: int) -> None:
    """A redirect to another host, which has the same."""
    exchange.send(Reply(status, {"Location": exchange.elsewhere}))


def _relative(exchange: Exchange) -> None:
    """A Location without a host: the answer's own, or a redirect of what is only read."""
    method, url = exchange.request.method, exchange.request.url
    if method in ("GET", "HEAD"):
        exchange.send(Reply(307, {"Location": f"{url}{'&' if '?' in url else '?'}{MOVED}"}))
        return
    reply = exchange.forward()
    if location := reply.headers.get("Location"):
        parts = urlsplit(location)
        reply = reply.with_headers(Location=parts._replace(scheme="", netloc="").geturl())
    exchange.send(reply)


def _declined_mount(exchange: Exchange) -> None:
    """As registries do it that do not mount: an upload is opened instead."""
    exchange.send(exchange.forward(url=urlsplit(exchange.request.url).path))


def _no_content(exchange: Exchange) -> None:
    exchange.send(replace(exchange.forward(), status=204, body=b""))


_CODES = {
    401: "UNAUTHORIZED",
    403: "DENIED",
    429: "TOOMANYREQUESTS",
    500: "UNKNOWN",
    503: "UNAVAILABLE",
}
_LOST = {"manifests": "MANIFEST_UNKNOWN", "uploads": "BLOB_UPLOAD_UNKNOWN", "blobs": "BLOB_UNKNOWN"}


def _refusal(exchange: Exchange, status: int, headers: Mapping[str, str]) -> Reply:
    """As registries write it; what gateways say (502, 522) is in HTML."""
    code = _CODES.get(status, "")
    if status == 404:
        code = next((_LOST[part] for part in _LOST if f"/{part}/" in exchange.request.url), "")
        if exchange.request.method == "POST":
            code = "NAME_UNKNOWN"
    if not code:
        return Reply(status, {"Content-Type": "text/html", **headers}, b"<html>sorry</html>")
    body = json.dumps({"errors": [{"code": code, "message": "as the test wants it"}]}).encode()
    return Reply(status, {"Content-Type": "application/json", **headers}, body)


def _status(status: int, **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(str(status), partial(_answer, status=status, headers=named))


REFUSED = Fault("refused", None)
RESET_BEFORE = Fault("reset before body", _reset_before)
RESET_AFTER = Fault("reset after body", _reset_after)
HALF = Fault("half", _half)
UNAUTHORIZED = Fault("401", _new_challenge)
FORBIDDEN = _status(403)
NOT_FOUND = _status(404)
FAILED = _status(500)
PASSING = (_status(408), FAILED, *map(_status, (502, 503, 522)))
WAIT = _status(429, Retry_After="7")
SLOW = Fault("20 s", _stall)
STALLED = Fault("stall", _stall)
OTHER_DIGEST = Fault("digest", _wrong_digest)
TRUNCATED = Fault("truncated", _truncated)
FOUND_ELSEWHERE = Fault("302", partial(_elsewhere, status=302))
MOVED_ELSEWHERE = Fault("307", partial(_elsewhere, status=307))
RELATIVE = Fault("relative", _relative)
DECLINED_MOUNT = Fault("202", _declined_mount)
NO_CONTENT = Fault("204", _no_content)
OUT_OF_RANGE = _status(416)

FAULTS = (
    *(REFUSED, RESET_BEFORE, RESET_AFTER, HALF, SLOW, STALLED),
    *(UNAUTHORIZED, FORBIDDEN, NOT_FOUND, *PASSING[:1], WAIT, *PASSING[1:]),
    *(OTHER_DIGEST, TRUNCATED, FOUND_ELSEWHERE, MOVED_ELSEWHERE, RELATIVE),
    *(DECLINED_MOUNT, NO_CONTENT, OUT_OF_RANGE),
)
