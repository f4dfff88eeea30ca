"""docker-registry with a real token server, whose tokens soon run out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sematic.oci.errors import Denied, RegistryError
from sematic.oci.layer import Bytes
from sematic.oci.manifest import OCI_CONFIG, Descriptor
from sematic.oci.reference import RegistryReference
from sematic.oci.registry import Registries, Repository, open_repository
from sematic.oci.registry.client import RegistryClient
from tests.oci.registry.blobs import DATA, Streamed, known, manifest, unheard
from tests.peers.certificates import privately_signed
from tests.peers.registry import Registry
from tests.peers.registry import registry as start_registry
from tests.peers.tokens import Account, TokenServer, token_server

APP = "team/app"
LARGE = DATA * 32  # more than the buffers of a connection hold


@pytest.fixture
def me(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logged in."""
    monkeypatch.setenv("SEMATIC_REGISTRY_USERNAME", "me")
    monkeypatch.setenv("SEMATIC_REGISTRY_PASSWORD", "secret")


def open_at(registry: Registry, name: str = APP, *, push: bool = True) -> Repository:
    return open_repository(RegistryReference(registry.host, name), push=push)


def deliver(repository: Repository, *blobs: Bytes | Streamed) -> list[Descriptor]:
    """Deliver an image of these layers as `v1`, and read it again."""
    layers = [repository.put(blob, unheard).descriptor for blob in blobs]
    config = repository.put(known(b"{}", media_type=OCI_CONFIG), unheard).descriptor
    document = manifest(*layers)
    repository.finish(document, ["v1"], [config, *layers])
    assert repository.manifest("v1") == document
    for layer, blob in zip(layers, blobs, strict=True):
        assert b"".join(repository.blob(layer)) == blob.data
    return layers


def asked(registry: Registry) -> list[tuple[str, int]]:
    """Methods and statuses of all that was asked about a repository."""
    return [(method, status) for method, path, status in registry.requests() if path != "/v2/"]


def wait_for_the_end_of(tokens: TokenServer) -> None:
    """Return when every token that was given has run out."""
    time.sleep(tokens.seconds + 1.1)


class Slow(Streamed):
    """A blob that takes longer to make than a token is good for."""

    def __init__(self, tokens: TokenServer, data: bytes = DATA) -> None:
        super().__init__(data)
        self._tokens = tokens

    def open(self) -> Iterator[bytes]:
        for number, chunk in enumerate(super().open()):
            if number:
                wait_for_the_end_of(self._tokens)
            yield chunk


# Who may


def test_anybody_may_pull_what_is_public_and_is_told_how_to_push(
    token_registry: Registry, tokens: TokenServer, me: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(open_at(token_registry), known())
    monkeypatch.delenv("SEMATIC_REGISTRY_USERNAME")
    monkeypatch.delenv("SEMATIC_REGISTRY_PASSWORD")
    tokens.anonymous = {"team/*": "pull"}
    assert open_at(token_registry, push=False).head("v1")
    with pytest.raises(Denied, match=rf"refused to open an upload .*\n.*{token_registry.host}"):
        open_at(token_registry).put(known(b"new"), unheard)


def test_nobody_who_is_unknown_gets_a_token(token_registry: Registry) -> None:
    with pytest.raises(Denied, match=rf"login {token_registry.host}"):
        open_at(token_registry, push=False).head("v1")


def test_a_wrong_password_is_told_at_once_and_tried_once(
    token_registry: Registry, tokens: TokenServer, me: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMATIC_REGISTRY_PASSWORD", "wrong")
    repository = open_at(token_registry)
    for _ in range(2):
        with pytest.raises(Denied, match=r"refused the credentials from SEMATIC_REGISTRY_USERNAME"):
            repository.head("v1")
    assert len(tokens.requests) == 1


def test_a_right_that_is_lacking_is_told(
    token_registry: Registry, tokens: TokenServer, me: None
) -> None:
    tokens.accounts["me"] = Account("secret", {APP: "pull"})
    with pytest.raises(
        Denied, match=r"open an upload \(team/app\): 401 .*\n.*USERNAME .*do not give this right"
    ):
        open_at(token_registry).put(known(), unheard)


def test_one_token_serves_a_whole_push(
    token_registry: Registry, tokens: TokenServer, me: None
) -> None:
    deliver(open_at(token_registry), known(), Streamed(DATA + b"streamed"))
    (request,) = tokens.requests
    assert request.scopes == [f"repository:{APP}:pull,push"]
    assert request.first("service") == tokens.service


def test_threads_share_a_token(token_registry: Registry, tokens: TokenServer, me: None) -> None:
    repository = open_at(token_registry)
    blobs = [known(bytes([number]) * 1000) for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda blob: repository.put(blob, unheard), blobs))
    assert {receipt.fate for receipt in receipts} == {"new"}
    assert len(tokens.requests) == 1


# Tokens that run out


def test_a_push_outlives_its_tokens(
    token_registry: Registry, tokens: TokenServer, me: None
) -> None:
    tokens.seconds = 5
    deliver(open_at(token_registry), Slow(tokens), Slow(tokens, DATA + b"again"))
    assert len(tokens.requests) >= 3
    refusals = [status for _, status in asked(token_registry)].count(401)
    assert refusals < 3  # the first request's, and not those of both commits


def test_a_token_that_runs_out_unannounced_before_the_commit_is_renewed(
    token_registry: Registry, tokens: TokenServer, me: None
) -> None:
    tokens.seconds, tokens.announced = 3, 300
    deliver(open_at(token_registry), Slow(tokens))
    assert ("PUT", 401) in asked(token_registry)
    assert asked(token_registry).count(("PATCH", 202)) == 1


@pytest.mark.parametrize(("is_known", "method"), [(True, "PUT"), (False, "PATCH")])
def test_a_token_that_runs_out_unannounced_before_a_body_costs_one_more_upload(
    is_known: bool,
    method: str,
    token_registry: Registry,
    tokens: TokenServer,
    me: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens.seconds, tokens.announced = 3, 300
    opening, opened = RegistryClient.open_upload, []

    def open_upload(client: RegistryClient) -> str:
        opened.append(opening(client))
        if len(opened) == 1:
            wait_for_the_end_of(tokens)
        return opened[-1]

    monkeypatch.setattr(RegistryClient, "open_upload", open_upload)
    blob = known(LARGE) if is_known else Streamed(LARGE)
    assert open_at(token_registry).put(blob, unheard).fate == "new"
    assert len(opened) == 2
    sent = [pair for pair in asked(token_registry) if pair[0] in ("PUT", "PATCH")]
    assert sent == [(method, 401), ("PUT", 201)]


# OAuth2


@pytest.fixture
def identity(token_registry: Registry, tokens: TokenServer, tmp_path: Path) -> str:
    """An identity token, as `docker login` keeps it."""
    token = tokens.refresh_token("me")
    entry = {"auth": "bWU6", "identitytoken": token}
    file = tmp_path / "home/.docker/config.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"auths": {token_registry.host: entry}}))
    return token


def test_an_identity_token_is_exchanged_by_post(
    token_registry: Registry, tokens: TokenServer, identity: str
) -> None:
    tokens.seconds = 5
    deliver(open_at(token_registry), Slow(tokens))
    assert len(tokens.requests) >= 2
    for request in tokens.requests:
        assert request.method == "POST" and "Authorization" not in request.headers
        assert request.first("grant_type") == "refresh_token"
        assert request.first("refresh_token") == identity
        assert request.first("service") == tokens.service
        assert request.first("scope") == f"repository:{APP}:pull,push"


def test_an_identity_token_that_is_refused_is_told_at_once(
    token_registry: Registry, tokens: TokenServer, identity: str
) -> None:
    tokens.forget(identity)
    with pytest.raises(Denied, match=r"refused the credentials from .*/\.docker/config\.json"):
        open_at(token_registry).head("v1")
    assert len(tokens.requests) == 1


def test_a_server_without_post_is_asked_by_get(
    token_registry: Registry, tokens: TokenServer, identity: str
) -> None:
    tokens.has_oauth = False
    tokens.accounts["me"] = Account(identity)
    deliver(open_at(token_registry), known())
    assert [request.method for request in tokens.requests] == ["POST", "GET"]


# Mounts


@pytest.fixture
def registries(token_registry: Registry, me: None) -> Registries:
    return Registries(token_registry.host)


def base_and_app(registries: Registries, registry: Registry) -> tuple[Repository, Repository]:
    """One repository with blobs, the other to push to."""
    deliver(open_at(registry, "base/python"), known(), known(DATA + b"more"))
    base = registries.repository(RegistryReference(registry.host, "base/python"))
    app = registries.repository(RegistryReference(registry.host, APP), push=True)
    return base, app


def test_a_mount_asks_for_both_scopes(
    token_registry: Registry, tokens: TokenServer, registries: Registries
) -> None:
    base, app = base_and_app(registries, token_registry)
    tokens.accounts["me"] = Account("secret", {"team/*": "pull,push", "base/*": "pull"})
    assert base.head("v1")
    assert app.put(known(origin=base), unheard).fate == "mounted"
    assert tokens.requests[-1].scopes == [
        f"repository:{APP}:pull,push",
        "repository:base/python:pull",
    ]
    assert b"".join(app.blob(known().descriptor)) == DATA


def test_without_the_right_to_the_source_the_push_goes_on(
    token_registry: Registry, tokens: TokenServer, registries: Registries
) -> None:
    base, app = base_and_app(registries, token_registry)
    tokens.accounts["me"] = Account("secret", {"team/*": "pull,push"})
    before = len(token_registry.requests())
    deliver(app, known(origin=base), known(DATA + b"more", origin=base))
    mounts = [status for _, path, status in token_registry.requests()[before:] if "mount=" in path]
    assert mounts == [401, 401]  # with another token; the second blob's is not tried


# TLS


def test_registry_and_token_server_of_a_private_authority(
    me: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = privately_signed(tmp_path)
    accounts = {"me": Account("secret")}
    with (
        token_server(tmp_path / "tokens", accounts, tls=tls) as tokens,
        start_registry(tmp_path / "registry", tokens=tokens, tls=tls) as registry,
    ):
        with pytest.raises(RegistryError, match=r"is not trusted: .*\n.*SSL_CERT_FILE"):
            open_at(registry).head("v1")
        monkeypatch.setenv("SSL_CERT_FILE", str(tls.authority))
        deliver(open_at(registry), known())
        assert tokens.realm.startswith("https://")
