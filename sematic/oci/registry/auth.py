"""Answers to a registry's challenges: Basic credentials, and Bearer tokens.

RFC 9110, 11.6.1, and distribution's token specification
(https://distribution.github.io/distribution/spec/auth/token/).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from sematic.oci.errors import Denied, RegistryError
from sematic.oci.registry.credentials import Credential, Credentials
from sematic.oci.registry.failures import missing_credentials
from sematic.oci.registry.routes import resolve

if TYPE_CHECKING:
    from sematic.oci.registry.answer import Answer
    from sematic.oci.registry.transport import Transport

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_ITEM = re.compile(rf'[\s,]*({_WORD})(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?')
_CLIENT = "sematic"
# The specification's default. A token is renewed when a quarter of its time is left, so that
# what begins with it is well under way, but never more than a minute early.
_DEFAULT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Challenge:
    """One scheme (lower case) that a server offers, and its parameters."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> list[Challenge]:
    """The challenges of a WWW-Authenticate header, which may hold several.

    >>> parse_challenges('Basic realm="a, b", Bearer realm="https://x/t",service=y')[1].scheme
    'bearer'
    """
    challenges: list[Challenge] = []
    parameters: dict[str, str] = {}
    for match in _ITEM.finditer(header):
        word, quoted, plain = match.groups()
        if quoted is None and plain is None:
            parameters = {}
            challenges.append(Challenge(word.lower(), parameters))
        else:
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters[word.lower()] = value
    return challenges


def repository_scope(repository: str, actions: str) -> str:
    """What is asked for: ``repository:NAME:pull,push``."""
    return f"repository:{repository}:{actions}"


@dataclass(slots=True)
class _Host:
    """What is known of one registry."""

    challenge: Challenge | None = None
    challenged: dict[frozenset[str], list[str]] = field(default_factory=dict)
    tokens: dict[frozenset[str], tuple[str, float]] = field(default_factory=dict)
    refusals: dict[frozenset[str], Denied] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)


class Authorizer:
    """Authorization headers for any number of registries, shared by threads."""

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        self._transport = transport
        self._credentials = credentials
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    def header(self, host: str, scopes: Sequence[str]) -> str:
        """The header to send from the start: "" until the registry has challenged once.

        :raises Denied: the credentials are known to be refused, or are broken.
        """
        known = self._host(host)
        with known.lock:
            if known.challenge is None:
                return ""
            if refusal := known.refusals.get(frozenset(scopes)):
                raise refusal
            if known.challenge.scheme == "basic":
                return self._basic(host)
            return self._token(host, known, scopes)

    def challenged(self, host: str, answer: Answer, scopes: Sequence[str], sent: str) -> str:
        """The header to send after a 401.

        :param sent: the header that was refused, "" if there was none.
        :raises Denied: there is nothing else to send.
        """
        known = self._host(host)
        with known.lock:
            self._learn(host, known, answer, scopes)
            key = frozenset(scopes)
            if sent and known.tokens.get(key, ("", 0))[0] == sent:
                del known.tokens[key]
            header = self.header(host, scopes)
        if header == sent:
            self.refused(host, scopes)
        return header

    def refused(self, host: str, scopes: Sequence[str]) -> None:
        """Take note that the newest header was refused.

        :raises Denied: nothing else can be done. With a token, the registry's own words say more.
        """
        known = self._host(host)
        with known.lock:
            if known.challenge and known.challenge.scheme == "basic":
                error = known.refusals[frozenset(scopes)] = self._refused(host)
                raise error

    def source(self, host: str) -> str:
        """Where the credentials for a host come from, "" if there are none or they are unused."""
        if self._host(host).challenge is None:
            return ""
        credential = self._credentials.find(host)
        return str(credential) if credential else ""

    def _host(self, host: str) -> _Host:
        with self._lock:
            return self._hosts.setdefault(host, _Host())

    def _learn(self, host: str, known: _Host, answer: Answer, scopes: Sequence[str]) -> None:
        challenges = parse_challenges(answer.headers.get("www-authenticate", ""))
        offered = {challenge.scheme: challenge for challenge in reversed(challenges)}
        challenge = offered.get("bearer") or offered.get("basic")
        if challenge is None or (
            challenge.scheme == "bearer" and "realm" not in challenge.parameters
        ):
            schemes = ", ".join(offered) or "nothing"
            raise Denied(
                f"{host} wants credentials, but offers no way to show them that is known here "
                f"(Basic, Bearer), only {schemes}",
                status=401,
            )
        known.challenge = challenge
        asked = challenge.parameters.get("scope", "").split()
        missing = [scope for scope in asked if not _covers(scopes, scope)]
        known.challenged[frozenset(scopes)] = missing

    def _basic(self, host: str) -> str:
        credential = self._credentials.find(host)
        if credential is None:
            raise Denied(f"{host} wants credentials.\n{missing_credentials(host)}", status=401)
        return _bearer(credential.registry_token) or credential.basic

    def _token(self, host: str, known: _Host, scopes: Sequence[str]) -> str:
        """A token for these scopes: one there is, or a new one."""
        key = frozenset(scopes)
        header, renew_at = known.tokens.get(key, ("", 0.0))
        if header and self._transport.patience.clock() < renew_at:
            return header
        credential = self._credentials.find(host)
        if credential and credential.registry_token:
            return _bearer(credential.registry_token)
        try:
            header, renew_at = self._fetch(host, known, scopes, credential)
        except Denied as error:
            known.refusals[key] = error  # asked again it may lock the account
            raise
        known.tokens[key] = header, renew_at
        return header

    def _fetch(
        self, host: str, known: _Host, scopes: Sequence[str], credential: Credential | None
    ) -> tuple[str, float]:
        assert known.challenge is not None
        parameters = known.challenge.parameters
        # What the registry itself asked for leads: some servers read only the first scope.
        wanted = [*known.challenged.get(frozenset(scopes), ()), *scopes]
        fetched_at = self._transport.patience.clock()
        realm = resolve(self._transport.base(host), parameters["realm"])
        answer = None
        if credential and credential.identity_token:
            answer = self._post(realm, parameters, wanted, credential.identity_token)
        if answer is None or answer.status == 404:
            answer = self._get(realm, parameters, wanted, credential)
        return self._read(host, realm, answer, credential, fetched_at)

    def _post(
        self, realm: str, parameters: Mapping[str, str], scopes: Sequence[str], secret: str
    ) -> Answer:
        self._check_realm(realm)
        fields = {
            "grant_type": "refresh_token",
            "service": parameters.get("service", ""),
            "client_id": _CLIENT,
            "scope": " ".join(scopes),
            "refresh_token": secret,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._transport.request("POST", realm, headers, body=urlencode(fields).encode())

    def _get(
        self,
        realm: str,
        parameters: Mapping[str, str],
        scopes: Sequence[str],
        credential: Credential | None,
    ) -> Answer:
        headers = {}
        if credential and credential.basic:
            self._check_realm(realm)
            headers["Authorization"] = credential.basic
        query = [("scope", scope) for scope in scopes]
        if service := parameters.get("service"):
            query.insert(0, ("service", service))
        joint = "&" if "?" in realm else "?"
        return self._transport.request("GET", realm + joint + urlencode(query), headers)

    def _check_realm(self, realm: str) -> None:
        parts = urlsplit(realm)
        if parts.scheme != "https" and not self._transport.routes.may_be_plain(parts.netloc):
            raise Denied(f"no credentials are sent to {realm}, because it is not https", status=401)

    def _read(
        self, host: str, realm: str, answer: Answer, credential: Credential | None, at: float
    ) -> tuple[str, float]:
        """The header and when to renew it, from what the token server answered."""
        import json

        server = urlsplit(realm).netloc
        if answer.status != 200:
            if 400 <= answer.status < 500 and not answer.is_passing:
                raise self._refused(host, server, answer.status)
            raise RegistryError(
                f"{server} gave no token for {host}: it answered {answer.status}",
                status=answer.status,
            )
        try:
            document = json.loads(answer.data)
            token = str(document.get("token") or document.get("access_token") or "")
            seconds = float(document.get("expires_in") or _DEFAULT_SECONDS)
        except (ValueError, TypeError, AttributeError):
            token, seconds = "", 0.0
        if not token or not token.isprintable():
            raise RegistryError(f"{server} gave no token for {host}: its answer has none")
        return _bearer(token), at + seconds - min(seconds / 4, 60)

    def _refused(self, host: str, server: str = "", status: int = 401) -> Denied:
        via = f" (token server {server})" if server and server != host else ""
        credential = self._credentials.find(host)
        if credential is None:
            message = f"{host}{via} wants credentials.\n{missing_credentials(host)}"
        else:
            message = f"{host}{via} refused the credentials from {credential}."
        return Denied(message, status=status)


def _bearer(token: str) -> str:
    return f"Bearer {token}" if token else ""


def _covers(scopes: Sequence[str], wanted: str) -> bool:
    """Whether one of the scopes has all the actions that are wanted."""
    name, _, actions = wanted.rpartition(":")
    for scope in scopes:
        own_name, _, own_actions = scope.rpartition(":")
        if name == own_name and set(actions.split(",")) <= set(own_actions.split(",")):
            return True
    return False
