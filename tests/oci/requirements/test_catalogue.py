"""What one machine learns of wheels, others need not find out."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Any

import pytest

from sematic.oci.cache import Cache
from sematic.oci.delivery import Delivery
from sematic.oci.layer import Bytes, Made
from sematic.oci.manifest import OCI_MANIFEST, Descriptor, Document, to_json
from sematic.oci.memo import Forgetful
from sematic.oci.project import push
from sematic.oci.reference import RegistryReference, parse_reference
from sematic.oci.registry import Registries
from sematic.oci.settings import read_settings
from sematic.oci.wheels.catalogue import TABLE, TAG, Catalogue
from tests.oci.requirements.made import sources
from tests.oci.requirements.test_lock_files import pylock
from tests.oci.wheels.made import make_sdist, make_wheel, sha256
from tests.peers.index import Index
from tests.peers.registry import Registry


class Machine:
    """A machine of its own: what it remembers, and its copy of the project."""

    def __init__(self, folder: Path, lock: str, repository: str) -> None:
        self.folder = folder
        self.repository = repository
        self.project = folder / "app"
        (self.project / "app").mkdir(parents=True)
        (self.project / "app/__init__.py").write_text(f"# of {folder.name}\n")
        (self.project / "pylock.toml").write_text(lock)

    def push(self, **settings: Any) -> Delivery:
        lock = str(self.project / "pylock.toml")
        settings = {"repository": self.repository, "platform": "linux/amd64", **settings}
        found = read_settings(self.project, requirements=(lock,), **settings)
        cache = Cache(self.folder / "cache")
        try:
            return push(self.project, found, cache=cache)
        finally:
            cache.close()


@pytest.fixture
def wheels(packages: Index) -> list[Path]:
    shared = {"corp/__init__.py": ""}
    big = {"big/data.bin": bytes(range(256)) * (20 << 10)}
    folder = packages.folder
    return [
        make_wheel(folder, "big", files=big),
        make_wheel(folder, "corp-one", files=shared, scripts={"one": "corp_one:main"}),
        make_wheel(folder, "corp-two", files=shared),
    ]


@pytest.fixture
def lock(packages: Index, wheels: list[Path]) -> str:
    return pylock(packages, *wheels)


@pytest.fixture
def repository(docker_registry: Registry, tmp_path: Path) -> str:
    return f"{docker_registry.host}/team/{tmp_path.name}"


def delete_blob(repository: str, digest: str) -> None:
    host, _, name = repository.partition("/")
    connection = http.client.HTTPConnection(host)
    connection.request("DELETE", f"/v2/{name}/blobs/{digest}")
    assert connection.getresponse().status == 202
    connection.close()


def test_a_second_machine_fetches_no_wheel_and_sends_no_layer_of_one(
    tmp_path: Path, lock: str, repository: str, packages: Index, docker_registry: Registry
) -> None:
    first = Machine(tmp_path / "first", lock, repository).push()
    assert sorted(packages.fetched()) == sorted(path.name for path in packages.folder.iterdir())
    packages.asked.clear()
    before = len(docker_registry.requests())
    machine = Machine(tmp_path / "second", lock, repository)
    second = machine.push()
    assert packages.asked == []
    new = [layer.name for layer in second.layers if layer.fate == "new"]
    assert new == ["source . and 1 more"]
    digests = {layer.name: layer.digest for layer in first.layers}
    assert all(layer.digest == digests[layer.name] for layer in second.layers if layer.sent == 0)
    uploads = [r for r in docker_registry.requests()[before:] if r[0] == "POST"]
    assert len(uploads) == 2  # the source layer, and the config


def test_a_second_machine_builds_nothing_that_another_has_built(
    tmp_path: Path, repository: str, packages: Index
) -> None:
    sdist = make_sdist(packages.folder, "own", "1.0", sources("own"))
    lock = (
        'lock-version = "1.0"\ncreated-by = "hand"\n[[packages]]\nname = "own"\nversion = "1.0"\n'
        f'sdist = {{ url = "{packages.url.removesuffix("simple/")}files/{sdist.name}", '
        f'hashes = {{ sha256 = "{sha256(sdist)}" }} }}\n'
    )
    first = Machine(tmp_path / "first", lock, repository).push()
    packages.asked.clear()
    second = Machine(tmp_path / "second", lock, repository).push()
    assert packages.asked == []
    (own,) = (layer for layer in first.layers if "own" in layer.name)
    assert (own.digest, 0) in [(layer.digest, layer.sent) for layer in second.layers]
    delete_blob(repository, own.digest)
    third = Machine(tmp_path / "third", lock, repository).push()
    assert packages.fetched() == [sdist.name]
    assert own.name in [layer.name for layer in third.layers if layer.fate == "new"]


def test_a_second_machine_asks_for_the_catalogue_once(
    tmp_path: Path, lock: str, repository: str, docker_registry: Registry
) -> None:
    Machine(tmp_path / "first", lock, repository).push()
    machine = Machine(tmp_path / "second", lock, repository)
    machine.push()
    before = len(docker_registry.requests())
    (machine.project / "app/__init__.py").write_text("# edited\n")
    machine.push()
    assert not [r for r in docker_registry.requests()[before:] if TAG in r[1]]


def test_one_wheel_more_is_one_wheel_fetched(
    tmp_path: Path, wheels: list[Path], lock: str, repository: str, packages: Index
) -> None:
    Machine(tmp_path / "first", lock, repository).push()
    more = make_wheel(packages.folder, "more", files={"more/data.bin": bytes(5 << 20)})
    packages.asked.clear()
    second = Machine(tmp_path / "second", pylock(packages, *wheels, more), repository).push()
    assert packages.fetched() == [more.name]
    assert "more 1.0" in [layer.name for layer in second.layers if layer.fate == "new"]


def test_another_repository_is_not_believed(
    tmp_path: Path, lock: str, repository: str, packages: Index
) -> None:
    first = Machine(tmp_path / "first", lock, repository)
    first.push()
    machine = Machine(tmp_path / "second", lock, repository)
    machine.push()
    packages.asked.clear()
    machine.push(repository=f"{repository}-other")
    assert len(packages.fetched()) == 3


def test_a_layer_that_has_gone_is_made_from_its_wheel(
    tmp_path: Path, lock: str, repository: str, packages: Index
) -> None:
    first = Machine(tmp_path / "first", lock, repository).push()
    gone = next(layer for layer in first.layers if layer.name.startswith("big"))
    delete_blob(repository, gone.digest)
    packages.asked.clear()
    second = Machine(tmp_path / "second", lock, repository).push()
    assert packages.fetched() == ["big-1.0-py3-none-any.whl"]
    assert gone.digest in {layer.digest for layer in second.layers if layer.fate == "new"}


def test_catalogues_of_several_pushes_are_one(
    tmp_path: Path, lock: str, repository: str, packages: Index
) -> None:
    Machine(tmp_path / "first", lock, repository).push()
    other = make_wheel(packages.folder, "other")
    Machine(tmp_path / "second", pylock(packages, other), repository).push()
    packages.asked.clear()
    Machine(tmp_path / "third", lock, repository).push()
    Machine(tmp_path / "fourth", pylock(packages, other), repository).push()
    assert packages.asked == []


def write_catalogue(repository: str, table: bytes, media_type: str = TABLE) -> None:
    """A catalogue as somebody hostile, or another version, writes it."""
    reference = parse_reference(repository)
    assert isinstance(reference, RegistryReference)
    own = Registries(reference.host).repository(reference, push=True)
    empty = Bytes("empty", Descriptor.of("application/vnd.oci.empty.v1+json", b"{}"), b"{}")
    blob = Bytes("table", Descriptor.of(media_type, table), table)
    for each in (blob, empty):
        own.put(each, lambda count: None)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": empty.descriptor.to_dict(),
        "layers": [blob.descriptor.to_dict()],
    }
    own.finish(Document(OCI_MANIFEST, to_json(manifest)), [TAG], ())


@pytest.mark.parametrize(
    "table",
    [
        b"no JSON",
        b"[]",
        b'{"layers": 5}',
        b'{"layers": [["a", "b"], [1, 2, 3, 4, 5], ["f", "sha256:x", 1, "sha256:y", 2]]}',
    ],
)
def test_a_catalogue_that_means_nothing_is_written_anew(
    tmp_path: Path, lock: str, repository: str, packages: Index, table: bytes
) -> None:
    write_catalogue(repository, table)
    Machine(tmp_path / "first", lock, repository).push()
    packages.asked.clear()
    Machine(tmp_path / "second", lock, repository).push()
    assert packages.asked == []


def test_a_layer_that_never_was_is_made_from_its_wheel(
    tmp_path: Path, lock: str, repository: str, packages: Index
) -> None:
    first = Machine(tmp_path / "first", lock, repository).push()
    names = {layer.digest: layer.name for layer in first.layers}
    reference = parse_reference(repository)
    assert isinstance(reference, RegistryReference)
    catalogue = Catalogue(Registries(reference.host).repository(reference), Forgetful())
    rows = [[key, *_false(made)] for key, made in catalogue._load()[0].items()]
    assert rows
    write_catalogue(repository, to_json({"layers": rows}))
    second = Machine(tmp_path / "second", lock, repository).push()
    assert {layer.digest: layer.name for layer in second.layers}.items() >= {
        (digest, name) for digest, name in names.items() if "source" not in name
    }


def _false(made: Made) -> list[object]:
    return [made.diff_id, made.tar_size, f"sha256:{'ab' * 32}", made.size]
