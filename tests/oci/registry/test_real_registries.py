from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic.oci.blob import Blob
from sematic.oci.errors import BlobsMissing, Denied, NotFound
from sematic.oci.manifest import OCI_CONFIG, Descriptor, Manifest
from sematic.oci.reference import RegistryReference
from sematic.oci.registry import Patience, Repository, open_repository
from sematic.oci.registry.failures import NoAnswer
from tests.oci.registry.blobs import DATA, Streamed, known, manifest, unheard
from tests.peers.certificates import privately_signed
from tests.peers.registry import Registry
from tests.peers.registry import registry as start_registry
from tests.peers.tools import Crane

USERS = {"me": "secret"}
CONFIG = known(b"{}", media_type=OCI_CONFIG)


@pytest.fixture(params=["docker", "crane", "zuul"])
def registry(
    request: pytest.FixtureRequest,
    docker_registry: Registry,
    crane_registry: Registry,
    zuul_registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> Registry:
    if request.param == "zuul":
        log_in(monkeypatch)
        return zuul_registry
    return docker_registry if request.param == "docker" else crane_registry


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A repository name of the test's own."""
    return f"client/{request.node.originalname}".replace("_", "-")


def open_at(registry: Registry, name: str) -> Repository:
    return open_repository(RegistryReference(registry.host, name), push=True)


def deliver(repository: Repository, *tags: str) -> Manifest:
    """A config and two layers: one that is known, one that is streamed."""
    blobs: list[Blob] = [CONFIG, known(), Streamed(DATA + b"streamed")]
    config, *layers = (repository.put(blob, unheard).descriptor for blob in blobs)
    document = manifest(*layers)
    repository.finish(document, tags, [config, *layers])
    return Manifest.from_document(document)


def test_what_is_delivered_can_be_read(registry: Registry, name: str) -> None:
    repository = open_at(registry, name)
    image = deliver(repository, "v1", "v2")
    document = image.document()
    assert repository.holds(document.descriptor.digest, ["v1", "v2"])
    assert not repository.holds(document.descriptor.digest, ["v3"])
    fresh = open_at(registry, name)
    assert fresh.manifest("v1") == fresh.manifest(document.descriptor.digest) == document
    assert [b"".join(fresh.blob(layer)) for layer in image.layers] == [DATA, DATA + b"streamed"]
    # zuul-registry takes digests for tags as well.
    assert [tag for tag in sorted(fresh.tags()) if ":" not in tag] == ["v1", "v2"]


def test_another_client_finds_it_valid(registry: Registry, name: str, crane: Crane) -> None:
    repository = open_at(registry, name)
    deliver(repository, "v1")
    assert crane.digest(f"{repository.reference.name}:v1") == repository.head("v1")


def test_what_is_there_is_not_sent_again(registry: Registry, name: str) -> None:
    deliver(open_at(registry, name))
    assert open_at(registry, name).put(known(), unheard).fate == "reused"


def test_a_blob_is_mounted(docker_registry: Registry, name: str) -> None:
    source = open_at(docker_registry, f"{name}/source")
    deliver(source)
    receipt = open_at(docker_registry, name).put(known(origin=source), unheard)
    assert receipt.fate == "mounted"


def test_a_blob_that_cannot_be_mounted_is_sent(registry: Registry, name: str) -> None:
    source = open_at(registry, f"{name}/source")
    receipt = open_at(registry, name).put(known(b"new", source), unheard)
    assert receipt.fate == "new"
    asked = [
        status for method, path, status in registry.requests() if method == "POST" and name in path
    ]
    # zuul-registry knows no mounts and wants another request; the others open an upload instead.
    assert asked[-2:] == [404, 202] if "zuul" in registry.root.name else len(asked) == 1


def test_missing_blobs_are_told(docker_registry: Registry, name: str) -> None:
    repository = open_at(docker_registry, name)
    repository.put(CONFIG, unheard)
    with pytest.raises(BlobsMissing, match="MANIFEST_BLOB_UNKNOWN"):
        repository.finish(manifest(known().descriptor), ["v1"], [])
    assert repository.head("v1") is None


def test_what_a_full_disk_cut_short_is_put_in_order_by_the_next_push(
    docker_registry: Registry, name: str
) -> None:
    digest = deliver(open_at(docker_registry, name), "v1").document().descriptor.digest
    storage = docker_registry.root / "data/docker/registry/v2/repositories" / name
    links = list(storage.rglob("link"))
    assert len(links) == 6  # of three blobs, the manifest, and two of the tag
    for link in links:
        content = link.read_bytes()
        link.write_bytes(b"")  # as docker-registry leaves it
        reference = RegistryReference(docker_registry.host, name)
        repository = open_repository(reference, push=True, patience=Patience(first=0.01))
        deliver(repository, "v1")
        assert link.read_bytes() == content
        assert repository.holds(digest, ["v1"])


def test_a_failed_stream_is_cancelled_and_not_visible(docker_registry: Registry, name: str) -> None:
    repository = open_at(docker_registry, name)
    with pytest.raises(RuntimeError):
        repository.put(Streamed(DATA + b"failed", RuntimeError()), unheard)
    asked = [method for method, path, _ in docker_registry.requests() if f"/{name}/" in path]
    assert "DELETE" in asked and "PUT" not in asked
    blobs = docker_registry.root / "data/docker/registry/v2/repositories" / name / "_layers"
    assert not blobs.exists()


def test_what_is_not_there_is_not_found(registry: Registry, name: str) -> None:
    repository = open_at(registry, name)
    assert repository.head("v1") is None
    nowhere = known(b"nowhere").descriptor  # crane's repositories share their blobs
    assert not repository.has(nowhere)
    with pytest.raises(NotFound):
        repository.manifest("v1")
    with pytest.raises(NotFound):
        list(repository.blob(nowhere))


def test_a_large_blob_streams_in_both_directions(docker_registry: Registry, name: str) -> None:
    repository = open_at(docker_registry, name)
    chunk, count = bytes(1 << 20), 64

    class Large(Streamed):
        def open(self) -> Iterator[bytes]:
            for _ in range(count):
                yield chunk
            self.descriptor = Descriptor.of("application/x", chunk * count)

    receipt = repository.put(Large(), unheard)
    assert receipt.sent == count << 20
    assert sum(map(len, repository.blob(receipt.descriptor))) == count << 20


@pytest.fixture(scope="session")
def private_registry(peers_cache: Path, peers_folder: Path) -> Iterator[Registry]:
    """TLS with a certificate of a private authority, and a password."""
    root = peers_folder / "private-registry"
    root.mkdir()
    with start_registry(root, htpasswd=USERS, tls=privately_signed(root)) as registry:
        yield registry


@pytest.fixture
def trusted(private_registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Registry:
    assert private_registry.tls
    monkeypatch.setenv("SSL_CERT_FILE", str(private_registry.tls.authority))
    return private_registry


def log_in(monkeypatch: pytest.MonkeyPatch, password: str = "secret") -> None:
    monkeypatch.setenv("SEMATIC_REGISTRY_USERNAME", "me")
    monkeypatch.setenv("SEMATIC_REGISTRY_PASSWORD", password)


def test_a_registry_with_tls_and_a_password(
    trusted: Registry, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch)
    repository = open_at(trusted, name)
    deliver(repository, "v1")
    assert repository.head("v1")


def test_a_certificate_bundle_may_be_named_as_for_requests(
    private_registry: Registry, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert private_registry.tls
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(private_registry.tls.authority))
    log_in(monkeypatch)
    assert open_at(private_registry, name).head("v1") is None


def test_a_wrong_password_is_told_at_once(
    trusted: Registry, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch, "wrong")
    with pytest.raises(Denied, match=rf"{trusted.host} refused .* SEMATIC_REGISTRY_USERNAME"):
        open_at(trusted, name).head("v1")


def test_no_password_is_told_with_what_to_do(trusted: Registry, name: str) -> None:
    with pytest.raises(Denied, match=rf"sematic-oci login {trusted.host}"):
        open_at(trusted, name).put(known(), unheard)


def test_a_certificate_that_is_not_trusted_is_told_at_once(
    private_registry: Registry, name: str
) -> None:
    with pytest.raises(NoAnswer, match=r"is not trusted: .*\n.*SSL_CERT_FILE"):
        open_at(private_registry, name).head("v1")
