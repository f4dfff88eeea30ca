"""What is remembered of a host that may be spoken to in plain http."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic.oci.errors import RegistryError
from sematic.oci.memo import Forgetful
from sematic.oci.reference import RegistryReference
from sematic.oci.registry import Repository, open_repository
from tests.oci.registry.scripted import DROP, Reply, ScriptedRegistry, scripted_registry
from tests.peers.certificates import Tls, self_signed
from tests.peers.registry import registry


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def plain() -> Iterator[ScriptedRegistry]:
    with scripted_registry() as made:
        yield made


def opened(host: str, memo: Forgetful) -> Repository:
    return open_repository(RegistryReference(host, "team/app"), memo=memo)


def looks(asked: ScriptedRegistry) -> int:
    return sum(request.url == "/v2/" for request in asked.requests)


def test_a_host_is_asked_once_whether_it_speaks_plain_http(plain: ScriptedRegistry) -> None:
    memo = Forgetful()
    for _ in range(3):
        assert opened(plain.host, memo).head("v1") is None
    assert looks(plain) == 1


@pytest.mark.parametrize(("doubt", "times"), [(DROP, 3), (Reply(400), 1)])
def test_a_host_is_asked_again_where_it_may_have_changed(
    doubt: Reply, times: int, plain: ScriptedRegistry
) -> None:
    memo = Forgetful()
    opened(plain.host, memo).head("v1")
    plain.script("HEAD", "/manifests/", doubt, times)
    with pytest.raises(RegistryError):  # it speaks plain http, and does not say otherwise
        opened(plain.host, memo).head("v1")
    assert looks(plain) == 2
    assert opened(plain.host, memo).head("v1") is None
    assert looks(plain) == 2


def test_a_host_that_went_over_to_https_is_spoken_to_in_https(
    tls: Tls, peers_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.authority))
    memo = Forgetful()
    with registry(tmp_path, tls=tls) as secure:
        memo.remember(f"plain:{secure.host}", b"1")
        assert opened(secure.host, memo).head("v1") is None
        assert not memo.recall(f"plain:{secure.host}")
        assert opened(secure.host, memo).head("v1") is None
