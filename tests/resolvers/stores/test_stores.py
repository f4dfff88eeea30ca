"""What holds of every store, with real registries behind those that need one."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from sematic.resolvers.stores import Artifact, Store, StoreError, fetch, keep, open_store
from sematic.resolvers.stores.folder import FolderStore
from sematic.resolvers.stores.registry import RegistryStore
from tests.peers.registry import Registry
from tests.peers.registry import registry as start_registry
from tests.projects import small_disk

DATA = b"some bytes " * 1000


@pytest.fixture(params=["folder", "local", "memory", "docker", "crane"])
def url(
    request: pytest.FixtureRequest,
    docker_registry: Registry,
    crane_registry: Registry,
    tmp_path: Path,
) -> str:
    name = request.node.originalname.replace("_", "-")
    return {
        "folder": tmp_path.as_uri() + "/the%20store",
        "local": f"local://{tmp_path}/store",
        "memory": f"memory://{name}",
        "docker": f"registry://{docker_registry.host}/stores/{name}",
        "crane": f"registry://{crane_registry.host}/stores/{name}",
    }[str(request.param)]


@pytest.fixture
def store(url: str) -> Store:
    return open_store(url)


def keep_bytes(store: Store, data: bytes) -> Artifact:
    return keep(store, io.BytesIO(data))


def test_what_is_kept_is_fetched_from_anywhere(store: Store, url: str) -> None:
    for data in (DATA, b"", bytes(20 << 20)):
        artifact = keep_bytes(store, data)
        assert artifact.size == len(data)
        with fetch(open_store(url), artifact) as file:
            assert file.read() == data
    assert open_store(store.url).holds(keep_bytes(store, DATA))


def test_what_is_there_is_not_sent_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = keep_bytes(store, DATA)

    def never(artifact: Artifact, file: IO[bytes]) -> None:
        raise AssertionError("sent again")

    monkeypatch.setattr(store, "write", never)
    assert keep_bytes(store, DATA) == artifact


def test_what_is_not_there_is_an_error_that_names_it(store: Store) -> None:
    absent = Artifact("sha256:" + "0" * 64, 3)
    assert not store.holds(absent)
    with pytest.raises(StoreError, match=absent.digest):
        fetch(store, absent)


def test_a_name_stands_for_its_newest_document(store: Store, url: str) -> None:
    assert store.bound("step-1-out") is None
    artifact = keep_bytes(store, DATA)
    for document in (b'{"a": 1}', b'{"b": 2}', b""):
        store.bind("step-1-out", document, [artifact, artifact])
        assert open_store(url).bound("step-1-out") == document
    assert store.bound("step-1-in") is None


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "../x", "-x", "x" * 129])
def test_a_name_that_no_registry_takes_is_refused_everywhere(name: str, store: Store) -> None:
    with pytest.raises(StoreError, match="no name"):
        store.bind(name, b"")
    with pytest.raises(StoreError, match="no name"):
        store.bound(name)


def test_many_write_at_once(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        artifacts = list(
            threads.map(lambda n: keep_bytes(store, DATA + b"%d" % (n % 4)), range(16))
        )
        list(threads.map(lambda n: store.bind("shared", b"%d" % n, artifacts[:2]), range(16)))
    assert len(set(artifacts)) == 4
    assert store.bound("shared") in [b"%d" % n for n in range(16)]
    for artifact in set(artifacts):
        fetch(store, artifact).close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.mark.parametrize("spoil", [lambda data: b"x" + data[1:], lambda data: data[:-1]])
def test_a_damaged_artifact_is_never_given(spoil: Callable[[bytes], bytes], folder: Path) -> None:
    store = FolderStore(folder)
    artifact = keep_bytes(store, DATA)
    (blob,) = (folder / "blobs/sha256").iterdir()
    blob.write_bytes(spoil(DATA))
    with pytest.raises(StoreError, match="damaged"):
        fetch(store, artifact)


def test_a_writer_that_fails_leaves_nothing(folder: Path) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    store = FolderStore(folder)
    with pytest.raises(StoreError, match="Input/output error"):
        store.write(Artifact("sha256:" + "1" * 64, 3), Failing())
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "1m") as disk:
        with pytest.raises(StoreError, match="No space left on device"):
            keep_bytes(FolderStore(disk), bytes(2 << 20))
        assert not [path for path in disk.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("registry://host.example.com/UPPER", "host.example.com/UPPER"),
        ("registry://host.example.com/app:tag", "without a tag"),
        ("nosuch://bucket", "nosuch"),
    ],
)
def test_a_url_that_is_none_is_refused(url: str, why: str) -> None:
    with pytest.raises(Exception, match=why):
        open_store(url)


@pytest.fixture
def own_registry(peers_cache: Path, tmp_path: Path) -> Iterator[Registry]:
    with start_registry(tmp_path / "registry") as registry:
        yield registry


def test_garbage_collection_keeps_what_a_name_stands_for(own_registry: Registry) -> None:
    store = RegistryStore(f"{own_registry.host}/team/artifacts")
    kept, loose = keep_bytes(store, DATA), keep_bytes(store, b"nobody names it")
    store.bind("step-1-out", b"{}", [kept])
    (config,) = own_registry.root.glob("run-*/config.yml")
    subprocess.run(["docker-registry", "garbage-collect", config], check=True, capture_output=True)
    fresh = RegistryStore(f"{own_registry.host}/team/artifacts")
    assert fresh.bound("step-1-out") == b"{}"
    with fetch(fresh, kept) as file:
        assert file.read() == DATA
    with pytest.raises(StoreError):
        fetch(fresh, loose)


def test_a_store_that_is_not_reached_is_named(tmp_path: Path) -> None:
    with start_registry(tmp_path / "registry") as gone:
        store = RegistryStore(f"{gone.host}/team/artifacts")
        keep_bytes(store, DATA)
    with pytest.raises(StoreError, match=f"cannot look for the artifact .*{gone.host}") as caught:
        keep_bytes(store, DATA + b"more")
    assert caught.value.is_passing
