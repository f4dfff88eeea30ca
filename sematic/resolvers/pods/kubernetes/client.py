"""Requests to an API server: made again while it is away, and told by name where it refuses.

Objects are plain dicts, as the API has them.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode, urlsplit

from sematic.resolvers.pods.kubernetes.errors import ApiError, refusal
from sematic.resolvers.pods.kubernetes.login import Login
from sematic.resolvers.pods.pods import PodsError

if TYPE_CHECKING:
    from ssl import SSLContext

    from sematic.oci.registry.connections import Connections
    from sematic.oci.registry.exchange import Answered

Verb = Literal["get", "list", "watch", "create", "update", "patch", "delete"]
Object = dict[str, Any]

_log = logging.getLogger("sematic.resolvers")

_METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
_REVIEWS = "/apis/authorization.k8s.io/v1"
_ROOTS = {
    "leases": "/apis/coordination.k8s.io/v1",
    "localsubjectaccessreviews": _REVIEWS,
}
# What is not in a namespace.
_ROOTS_OF_CLUSTER = {
    "namespaces": "/api/v1",
    "selfsubjectaccessreviews": _REVIEWS,
    "selfsubjectreviews": "/apis/authentication.k8s.io/v1",
    "version": "",
}
_PASSING = (429, 500, 502, 503, 504)
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 30.0
# An API server that has just started knows neither accounts nor roles for a moment.
_FORGETFUL_SECONDS = 30.0
_NOTICED_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request is made again, in seconds.

    :param total: for a server that has answered before.
    :param unheard: for one that has not: a wrong address shows soon.
    :param first: the first wait is at most this long; each that follows, twice as long.
    :param longest: no single wait is longer.
    """

    total: float = 300.0
    unheard: float = 5.0
    first: float = 0.5
    longest: float = 10.0


PATIENT = Patience()
SURE = Patience(unheard=PATIENT.total)
"""Of an address that cannot be wrong: a pod's."""
HASTY = Patience(total=5.0)


class Api:
    """One namespace of a cluster. Threads may share it.

    :param namespace: "" for the login's.
    """

    def __init__(self, login: Login, namespace: str = "", patience: Patience = PATIENT) -> None:
        self.namespace = namespace or login.namespace
        self._login = login
        self._patience = patience
        self._pool = _pool(login)
        self._has_answered = False
        self._is_away = False  # as far as it was told
        self._troubled = -_FORGETFUL_SECONDS

    @property
    def server(self) -> str:
        return self._login.server

    def request(
        self,
        verb: Verb,
        resource: str,
        name: str = "",
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        metadata_only: bool = False,
        patience: Patience | None = None,
    ) -> Object:
        """Make a request; the object that is answered.

        :param resource: the plural, as ``pods``; ``pods/log`` for a part of one.
        :raises ApiError: it is refused.
        :raises PodsError: the server cannot be reached for long.
        """
        accept = _METADATA.format("List" if verb == "list" else "") if metadata_only else _JSON
        response = self._send(
            verb, resource, name, body, query or {}, accept, _READ_SECONDS, patience
        )
        answer: Object = json.loads(response.data)
        return answer

    def stream(
        self,
        verb: Verb,
        resource: str,
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        silence: float | None,
        patience: Patience | None = None,
    ) -> Answered:
        """An answer whose body is read bit by bit; close it in the end.

        :param silence: seconds without a byte after which reading it fails; None for never.
        :raises ApiError: it is refused.
        :raises PodsError: the server cannot be reached for long.
        """
        return self._send(verb, resource, name, None, query or {}, _ANY, silence, patience)

    def _send(
        self,
        verb: Verb,
        resource: str,
        name: str,
        body: Object | None,
        query: Mapping[str, str],
        accept: str,
        read: float | None,
        patience: Patience | None,
    ) -> Answered:
        patience = patience or self._patience
        where = "" if resource in _ROOTS_OF_CLUSTER else f" in namespace {self.namespace}"
        doing = f"{verb} {resource}{where}"
        url = self._url(resource, name, query)
        started, tries = time.monotonic(), 0
        while True:
            tries += 1
            answer = self._once(verb, url, body, accept, read)
            if isinstance(answer, _Trouble):
                failed: PodsError = PodsError(
                    f"cannot {doing}: the API server {self.server} {answer.why}\n"
                    f"Its address is from {self._login.source}."
                )
                is_passing, asked = answer.is_passing, None
            else:
                if answer.status < 300:
                    self._answered()
                    return answer
                failed = refusal(
                    answer.status, answer.data, doing, self.server, is_repeated=tries > 1
                )
                is_passing, asked = self._is_passing(answer.status), _asked(answer)
            limit = patience.total if self._has_answered else patience.unheard
            delay = _delay(tries, asked, patience)
            if not is_passing or time.monotonic() + delay - started > limit:
                raise failed
            if not isinstance(failed, ApiError) or failed.status not in (401, 403):
                self._troubled = time.monotonic()
            is_noticed = delay > _NOTICED_SECONDS and patience is self._patience
            if is_noticed and not self._is_away:
                self._is_away = True
                _log.warning("%s; trying again", str(failed).partition("\n")[0])
            time.sleep(delay)

    def _once(
        self, verb: Verb, url: str, body: Object | None, accept: str, read: float | None
    ) -> Answered | _Trouble:
        from sematic.oci.registry.failures import no_answer

        kind = "application/merge-patch+json" if verb == "patch" else "application/json"
        headers = {"Accept": accept, "Content-Type": kind, "User-Agent": "sematic"}
        try:
            if authorization := self._login.authorization():
                headers["Authorization"] = authorization
            data = b"" if body is None else json.dumps(body).encode()
            if body is not None:
                headers["Content-Length"] = str(len(data))
            response = self._pool.ask(
                _METHODS.get(verb, "GET"),
                url,
                headers,
                data,
                connect=_CONNECT_SECONDS,
                read=read,
            )
            if response.status >= 300 or accept != _ANY:
                _ = response.data  # all of it, and then the connection is free again
            return response
        except OSError as error:
            told = no_answer(urlsplit(url).netloc, error, read or _READ_SECONDS)
            return _Trouble(told.why, told.is_passing or self._has_answered)

    def _answered(self) -> None:
        self._has_answered = True
        if self._is_away:
            self._is_away = False
            _log.warning("the API server %s answers again", self.server)

    def _is_passing(self, status: int) -> bool:
        forgetful = time.monotonic() - self._troubled < _FORGETFUL_SECONDS
        return status in _PASSING or (status in (401, 403) and forgetful)

    def _url(self, resource: str, name: str, query: Mapping[str, str]) -> str:
        resource, _, part = resource.partition("/")
        if resource in _ROOTS_OF_CLUSTER:
            path = [self.server + _ROOTS_OF_CLUSTER[resource]]
        else:
            root = _ROOTS.get(resource, "/api/v1")
            path = [self.server + root, "namespaces", self.namespace]
        path += [quote(piece, safe="") for piece in (resource, name, part) if piece]
        return "/".join(path) + (f"?{urlencode(query)}" if query else "")


_JSON = "application/json"
_ANY = "*/*"
_METADATA = f"{_JSON};as=PartialObjectMetadata{{}};g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True)
class _Trouble:
    """There was no answer."""

    why: str
    is_passing: bool


def _delay(tries: int, asked: float | None, patience: Patience) -> float:
    if asked is not None:
        return min(asked, patience.longest)
    longest = min(patience.first * 2 ** min(tries - 1, 16), patience.longest)
    return random.uniform(longest / 2, longest)


def _asked(response: Answered) -> float | None:
    """The seconds that the server asks to wait; API servers give a number."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None


def _pool(login: Login) -> Connections:
    from sematic.oci.registry.connections import Connections
    from sematic.oci.registry.routes import Routes

    parts = urlsplit(login.server)
    proxy = login.proxy or Routes().proxy(parts.scheme, parts.netloc)
    tls = _tls(login) if parts.scheme == "https" else None
    return Connections(proxy, tls, name=login.server_name)


def _tls(login: Login) -> SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if login.authority:
        context.load_verify_locations(cadata=login.authority)
    else:
        context.load_default_certs()
    if not login.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if login.certificate:
        context.load_cert_chain(login.certificate, login.key or None)
    return context
