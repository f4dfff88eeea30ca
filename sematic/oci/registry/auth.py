"""Answers to a registry's challenges: Basic credentials, and Bearer tokens.

RFC 9110, 11.6.1, and distribution's token specification
(https://distribution.github.io/distribution/spec/auth/token/).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from sematic.oci.errors import Denied, RegistryError
from sematic.oci.registry.credentials import Credential, Credentials, renewal
from sematic.oci.registry.failures import what_it_said
from sematic.oci.registry.pointers import pointed
from sematic.oci.registry.routes import origin
from sematic.oci.registry.tokens import parse_token
from sematic.oci.untrusted import one_line
from sematic.oci.values import field, frozen, mutable

if TYPE_CHECKING:
    from sematic.oci.registry.answer import Answer
    from sematic.oci.registry.transport import Transport

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_ITEM = re.compile(rf'({_WORD})(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?')
_LONGEST_CHALLENGE = 8 << 10
_CLIENT = "sematic"


@frozen
class Challenge:
    """One scheme (lower case) that a server offers, and its parameters."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> list[Challenge]:
    """The challenges of a WWW-Authenticate header, which may hold several; of its first 8 KiB.

    >>> parse_challenges('Basic realm="a, b", Bearer realm="https://x/t",service=y')[1].scheme
    'bearer'
    """
    challenges: list[Challenge] = []
    parameters: dict[str, str] = {}
    for match in _ITEM.finditer(header[:_LONGEST_CHALLENGE]):
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


@mutable
class _Host:
    """What is known of one registry."""

    challenge: Challenge | None = None
    challenged: dict[frozenset[str], list[str]] = field(default_factory=dict)
    tokens: dict[frozenset[str], tuple[str, float]] = field(default_factory=dict)
    refusals: dict[frozenset[str], Denied] = field(default_factory=dict)
    refresh_token: str = ""
    shown: set[str] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)


class Authorizer:
    """Authorization headers for any number of registries, shared by threads.

    A place is ``HOST/REPOSITORY``: credentials may be for one repository only.

    :param offline: ask token servers for a refresh token as well, as logins do.
    """

    def __init__(
        self, transport: Transport, credentials: Credentials, *, offline: bool = False
    ) -> None:
        self._transport = transport
        self._credentials = credentials
        self._offline = offline
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    def header(self, place: str, scopes: Sequence[str]) -> str:
        """The header to send from the start: "" until the registry has challenged once.

        :raises Denied: the credentials are known to be refused, or are broken.
        """
        known = self._host(place)
        with known.lock:
            if known.challenge is None:
                return ""
            if refusal := known.refusals.get(frozenset(scopes)):
                raise refusal
            if known.challenge.scheme == "basic":
                return self._basic(place)
            return self._token(place, known, scopes)

    def challenged(self, place: str, answer: Answer, scopes: Sequence[str], sent: str) -> str:
        """The header to send after a 401.

        :param sent: the header that was refused, "" if there was none.
        :raises Denied: there is nothing else to send.
        """
        known = self._host(place)
        with known.lock:
            self._learn(place, known, answer, scopes)
            key = frozenset(scopes)
            if sent and known.tokens.get(key, ("", 0))[0] == sent:
                del known.tokens[key]
            header = self.header(place, scopes)
        if header == sent:
            self.refused(place, scopes)
        return header

    def refused(self, place: str, scopes: Sequence[str]) -> None:
        """Take note that the newest header was refused.

        :raises Denied: nothing else can be done. With a token, the registry's own words say more.
        """
        known = self._host(place)
        with known.lock:
            if known.challenge and known.challenge.scheme == "basic":
                error = known.refusals[frozenset(scopes)] = self._refused(place)
                raise error

    def refresh_token(self, place: str) -> str:
        """The newest that was given for a registry, "" if there is none: see ``offline``."""
        return self._host(place).refresh_token

    def advice(self, place: str) -> str:
        """What to do where a place refuses what it was shown, which may have been nothing."""
        used = self._host(place).challenge is not None
        if used and (credential := self._credentials.find(place)):
            return f"The credentials from {credential} do not give this right."
        return self._credentials.advice(_host_of(place))

    def secrets(self, place: str) -> set[str]:
        """What has been shown for a place, and must not be seen though a server repeats it."""
        known = self._host(place)
        credential = self._credentials.find(place) if known.challenge else None
        return known.shown | (credential.secrets if credential else set())

    def _host(self, place: str) -> _Host:
        with self._lock:
            return self._hosts.setdefault(_host_of(place), _Host())

    def _learn(self, place: str, known: _Host, answer: Answer, scopes: Sequence[str]) -> None:
        challenges = parse_challenges(answer.headers.get("www-authenticate", ""))
        offered = {challenge.scheme: challenge for challenge in reversed(challenges)}
        challenge = offered.get("bearer") or offered.get("basic")
        if challenge is None or (
            challenge.scheme == "bearer" and "realm" not in challenge.parameters
        ):
            schemes = one_line(", ".join(offered)) or "nothing"
            raise Denied(
                f"{_host_of(place)} wants credentials, but offers no way to show them that is "
                f"known here (Basic, Bearer), only {schemes}",
                status=401,
            )
        known.challenge = challenge
        # A login is for no repository, whichever the registry may have put there.
        asked = challenge.parameters.get("scope", "").split() if scopes else []
        missing = [scope for scope in asked if not _covers(scopes, scope)]
        known.challenged[frozenset(scopes)] = missing

    def _basic(self, place: str) -> str:
        credential = self._credentials.find(place)
        if credential is None:
            raise self._refused(place)
        return _bearer(credential.registry_token) or credential.basic

    def _token(self, place: str, known: _Host, scopes: Sequence[str]) -> str:
        """A token for these scopes: one there is, or a new one."""
        key = frozenset(scopes)
        header, renew_at = known.tokens.get(key, ("", 0.0))
        if header and self._transport.patience.clock() < renew_at:
            return header
        credential = self._credentials.find(place)
        if credential and credential.registry_token:
            return _bearer(credential.registry_token)
        try:
            header, renew_at = self._fetch(place, known, scopes, credential)
        except Denied as error:
            known.refusals[key] = error  # asked again it may lock the account
            raise
        known.tokens[key] = header, renew_at
        return header

    def _fetch(
        self, place: str, known: _Host, scopes: Sequence[str], credential: Credential | None
    ) -> tuple[str, float]:
        assert known.challenge is not None
        parameters = known.challenge.parameters
        # What the registry itself asked for leads: some servers read only the first scope.
        wanted = [*known.challenged.get(frozenset(scopes), ()), *scopes]
        fetched_at = self._transport.patience.clock()
        transport = self._transport
        realm = pointed(transport.base(_host_of(place)), parameters["realm"], transport.routes)
        answer = None
        if credential and credential.identity_token:
            answer = self._post(realm, parameters, wanted, credential.identity_token)
        if answer is None or answer.status == 404:
            answer = self._get(realm, parameters, wanted, credential)
        return self._read(place, realm, answer, credential, fetched_at)

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
        if self._offline and credential:
            query += [("account", credential.username), ("client_id", _CLIENT)]
            query.append(("offline_token", "true"))
        joint = "&" if "?" in realm else "?"
        return self._transport.request("GET", realm + joint + urlencode(query), headers)

    def _check_realm(self, realm: str) -> None:
        parts = urlsplit(realm)
        if parts.scheme != "https" and not self._transport.routes.may_be_plain(parts.netloc):
            raise Denied(f"no credentials are sent to {realm}, because it is not https", status=401)

    def _read(
        self, place: str, realm: str, answer: Answer, credential: Credential | None, at: float
    ) -> tuple[str, float]:
        """The header and when to renew it, from what the token server answered."""
        server = urlsplit(realm).netloc
        if answer.status != 200:
            if answer.status in (400, 401, 403):
                self._check_own(place, realm, answer)
                said = what_it_said(answer, self.secrets(place))
                raise self._refused(place, server, answer.status, said)
            raise RegistryError(
                f"{server} gave no token for {_host_of(place)}: it answered {answer.status}",
                status=answer.status,
            )
        try:
            token = parse_token(answer.data)
        except ValueError:
            raise RegistryError(
                f"{server} gave no token for {_host_of(place)}: its answer has none"
            ) from None
        self._host(place).refresh_token = token.refresh
        self._host(place).shown.update({token.text, token.refresh} - {""})
        return _bearer(token.text), renewal(at, token.seconds)

    def _check_own(self, place: str, realm: str, answer: Answer) -> None:
        """:raises Denied: it was not the token server that refused."""
        if origin(answer.url) != origin(realm):
            server, other = urlsplit(realm).netloc, urlsplit(answer.url).netloc
            raise Denied(
                f"{server}, which gives tokens for {_host_of(place)}, redirects to {other}, "
                f"where no credentials are sent. It was answered {answer.status}.",
                status=answer.status,
            )

    def _refused(self, place: str, server: str = "", status: int = 401, said: str = "") -> Denied:
        host = _host_of(place)
        via = f" (token server {server})" if server and server != host else ""
        credential = self._credentials.find(place)
        if credential is None:
            message = f"{host}{via} wants credentials.\n{self._credentials.advice(host)}"
        else:
            ending = f": {said}" if said else "."
            message = f"{host}{via} refused the credentials from {credential}{ending}"
        return Denied(message, status=status)


def _host_of(place: str) -> str:
    return place.partition("/")[0]


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
