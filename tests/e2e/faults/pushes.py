"""A push through the proxy, its requests in words, and what came of it."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sematic.oci.base import find_base
from sematic.oci.cache import Cache
from sematic.oci.delivery import deliver
from sematic.oci.errors import OCIError
from sematic.oci.image import Image
from sematic.oci.previous import Known
from sematic.oci.reference import RegistryReference
from sematic.oci.registry import Patience, Registries
from tests.e2e.faults.ground import (
    BASE,
    Ground,
    Stored,
    kept_layer,
    large_layer,
    small_layer,
    stored,
)
from tests.oci.registry.conftest import Time
from tests.peers.doors import Request
from tests.peers.proxy import ELSEWHERE, Proxy, Spoiled, proxy

REGISTRY, TOKENS = "registry", "tokens"
NEIGHBOUR, OTHER_TOKENS = "neighbour", "neighbour-tokens"
_PATH = re.compile(r"/v2/(?P<repository>.+?)/(?P<part>manifests|blobs)/(?P<rest>.*)")


@dataclass(frozen=True)
class Case:
    """One push.

    :param base: the door behind which the base image lies.
    :param limit: seconds that an answer is waited for; 0 for the usual ones.
    """

    repository: str
    base: str
    spoiled: tuple[Spoiled, ...] = ()
    limit: float = 0


@dataclass
class Outcome:
    """What came of a push.

    :param error: the class of the error that it ended in, "" if it succeeded.
    :param image: what the tag stands for afterwards.
    :param hosts: the proxy's doors.
    :param waited: seconds that it was asked to wait, or waited of its own accord.
    :param faults: everything that must never be, whatever the push came to.
    """

    error: str = ""
    message: str = ""
    image: Stored | None = None
    digest: str = ""
    requests: list[Request] = field(default_factory=list)
    hosts: dict[str, str] = field(default_factory=dict)
    waited: float = 0
    seconds: float = 0
    wrong: list[str] = field(default_factory=list)


def run(ground: Ground, case: Case) -> Outcome:
    """Make the push, and look at what is in the registry afterwards."""
    ground.prepare(case.repository)
    outcome = Outcome()
    began = time.monotonic()
    with ExitStack() as stack:
        through = stack.enter_context(_proxy(ground, case.spoiled))
        outcome.hosts = {door: through.host(door) for door in DOORS}
        waits = _Waits(through)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        try:
            outcome.digest = _push(case, through, waits, Path(folder))
        except OCIError as error:
            outcome.error, outcome.message = type(error).__name__, str(error)
        except Exception as error:
            outcome.error, outcome.message = type(error).__name__, repr(error)
            outcome.wrong.append(f"it raised {error!r}")
        outcome.requests = list(through.requests)
        outcome.waited = sum(waits.slept)
    outcome.seconds = time.monotonic() - began
    try:
        outcome.image = stored(ground.registry, case.repository)
    except AssertionError as error:
        outcome.wrong.append(f"the registry's image is damaged: {error}")
    outcome.wrong += _leaks(outcome.requests)
    return outcome


class _Waits(Time):
    """Waiting takes no time here, and opens the door that was shut once."""

    def __init__(self, through: Proxy) -> None:
        super().__init__()
        self._proxy = through

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._proxy.has_waited()


DOORS = (REGISTRY, TOKENS, NEIGHBOUR, OTHER_TOKENS, ELSEWHERE)


def _proxy(ground: Ground, spoiled: Sequence[Spoiled]) -> Any:
    own, other = ground.registry, ground.neighbour
    return proxy(
        {
            REGISTRY: own.guarded,
            TOKENS: own.tokens,
            NEIGHBOUR: other.guarded,
            OTHER_TOKENS: other.tokens,
        },
        {
            REGISTRY: own.open,
            TOKENS: own.tokens,
            NEIGHBOUR: other.open,
            OTHER_TOKENS: other.tokens,
        },
        {REGISTRY: (TOKENS, own.realm), NEIGHBOUR: (OTHER_TOKENS, other.realm)},
        kind_of,
        spoiled,
    )


def _push(case: Case, through: Proxy, waits: Time, folder: Path) -> str:
    patience = Patience(clock=waits.clock, sleep=waits.sleep)
    if case.limit:
        patience = Patience(clock=waits.clock, sleep=waits.sleep, read=case.limit)
    target = RegistryReference(through.host(REGISTRY), case.repository)
    cache = Cache(folder)
    registries = Registries(target.host, memo=cache, patience=patience)
    base = find_base(
        registries.repository(RegistryReference(through.host(case.base), BASE, "latest")), cache
    )
    image = Image.on(base).append(large_layer(), kept_layer(), small_layer())
    previous = registries.repository(RegistryReference(target.host, case.repository, "latest"))
    to = registries.repository(target, push=True)
    # One layer at a time, so that the requests come in the same order each time.
    return deliver(image, to, ["latest"], known=Known(cache, previous), workers=1).digest


def _leaks(requests: Sequence[Request]) -> list[str]:
    """Credentials that were shown where they must not be."""
    allowed = {REGISTRY: "Bearer", TOKENS: "Basic", NEIGHBOUR: "Bearer"}
    leaks = []
    for request in requests:
        shown = request.headers.get("authorization", "").partition(" ")[0]
        if shown and shown != allowed.get(request.door):
            leaks.append(f"{request.method} {request.url} at {request.door} showed {shown}")
    return leaks


def kind_of(request: Request) -> str:
    """What is asked for, in words; requests of the same kind are much the same to a registry."""
    method, url = request.method, urlsplit(request.url)
    if request.door in (TOKENS, OTHER_TOKENS):
        return f"{method} token"
    match = _PATH.fullmatch(url.path)
    if match is None:
        return f"{method} {url.path}"
    whose = "base " if match["repository"] == BASE else ""
    if match["part"] == "manifests":
        return _manifest_kind(method, whose)
    if match["rest"].startswith("uploads/"):
        return _upload_kind(request)
    if method == "HEAD":
        return "HEAD blob"
    if "range" in request.headers:
        return f"GET rest of {whose}blob"
    return f"GET {whose or 'previous '}blob"


def _manifest_kind(method: str, whose: str) -> str:
    if method == "PUT":
        return "PUT tag"
    if method == "HEAD":
        return f"HEAD {whose}tag"
    return f"GET {whose or 'previous '}manifest"


def _upload_kind(request: Request) -> str:
    method = request.method
    if method == "POST":
        return "POST mount" if "mount=" in request.url else "POST upload"
    if method == "PUT":
        return "PUT commit" if request.headers.get("content-length") == "0" else "PUT blob"
    return "DELETE upload" if method == "DELETE" else method


def subject_of(number: int, requests: Sequence[Request], words: Mapping[str, str]) -> str:
    """What one of the requests is about.

    :param words: for digests.
    """
    request = requests[number]
    query = parse_qs(urlsplit(request.url).query)
    if "token" in kind_of(request):
        return " and ".join(_scope(scope) for scope in query.get("scope", ()))
    if request.method in ("POST", "PATCH") and "mount" not in query:
        later = (parse_qs(urlsplit(each.url).query) for each in requests[number:])
        query = next(each for each in later if "digest" in each)
    digest = (query.get("digest") or query.get("mount") or [urlsplit(request.url).path])[0]
    # The config of another image is the only blob that has no word.
    unnamed = "config" if request.method == "GET" and "/blobs/" in digest else ""
    word = words.get(digest.rpartition("/")[2], unnamed)
    if not request.headers.get("authorization") and request.url != "/v2/":
        word = f"{word}, ".lstrip(", ") + "without a token"
    return word


def _scope(scope: str) -> str:
    _, name, actions = scope.split(":")
    return f"{'base' if name == BASE else 'target'}:{actions}"
