"""Each peer of the benchmark brings a project into a registry here, and nodes get it from there."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import zstandard

from benchmarks.install import INSTRUCTION, builders_folder
from benchmarks.measure import Meter
from benchmarks.peers import PEERS, PULLERS
from benchmarks.peers.docker import DockerBuildx
from benchmarks.peers.floors import PipeFloor
from benchmarks.peers.peer import Peer, Puller, Setting
from benchmarks.peers.sematic_command import SematicCommand
from benchmarks.peers.sematic_process import SematicProcess
from tests.peers.registry import Registry
from tests.peers.test_peers import push_small
from tests.peers.tools import Crane, Skopeo

# Ours have tests of their own; of Docker, the form that differs from what it does by itself.
_ELSEWHERE = (SematicCommand, SematicProcess, PipeFloor)
PUSHING = [p for p in PEERS if not isinstance(p, _ELSEWHERE) and p != DockerBuildx()]
# Docker is another daemon each time, which knows nothing.
FORGETTING = [p for p in PUSHING if not isinstance(p, DockerBuildx)]
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module", autouse=True)
def builders() -> None:
    if not builders_folder().exists():
        pytest.fail(f"the builders are not here. Run `{INSTRUCTION}`", pytrace=False)


@pytest.fixture
def setting(tmp_path: Path, skopeo: Skopeo, crane: Crane, docker_registry: Registry) -> Setting:
    """On a base with nothing in it, which is the least to unpack."""
    base = push_small(skopeo, docker_registry, tmp_path)
    project, environment = tmp_path / "project", tmp_path / "environment"
    demo = environment / "lib/python3.11/site-packages/demo"
    for name, text in {
        project / "main.py": "print(1)\n",
        project / "package/module.py": "",
        demo / "__init__.py": "DEMO = 1\n",
        demo / "__pycache__/__init__.cpython-311.pyc": "bytecode\n",
    }.items():
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_text(text)
    (tmp_path / "scratch").mkdir()
    return Setting(
        project,
        environment,
        f"{base.rpartition(':')[0]}@{crane.digest(base)}",
        tmp_path / "scratch",
    )


@pytest.fixture
def unchanged() -> Iterator[None]:
    """This machine has the mounts that it had."""
    mounts = Path("/proc/self/mounts").read_text()
    yield
    assert Path("/proc/self/mounts").read_text() == mounts


def _get(registry: Registry, path: str) -> bytes:
    request = Request(f"{registry.url}/v2/{path}", headers={"Accept": _MANIFEST})
    with urlopen(request) as answer:
        return bytes(answer.read())


def _layers(registry: Registry, repository: str) -> list[dict[str, str]]:
    manifest = json.loads(_get(registry, f"{repository}/manifests/latest"))
    return [dict(layer) for layer in manifest["layers"]]


def _files(registry: Registry, repository: str) -> dict[str, bytes]:
    """The files of all layers but the base's."""
    found = {}
    for layer in _layers(registry, repository)[1:]:
        data = _get(registry, f"{repository}/blobs/{layer['digest']}")
        if layer["mediaType"].endswith("zstd"):
            data = zstandard.ZstdDecompressor().stream_reader(data).read()
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                if member.isfile() and (file := tar.extractfile(member)):
                    found[member.name.removeprefix("./")] = file.read()
    return found


@pytest.mark.parametrize("peer", PUSHING, ids=lambda peer: peer.name)
@pytest.mark.usefixtures("unchanged")
def test_a_peer_pushes_what_there_is(
    peer: Peer, setting: Setting, docker_registry: Registry
) -> None:
    assert peer.absent() == ""
    assert peer.version()
    name = f"peers/{PEERS.index(peer)}"
    repository = f"{docker_registry.host}/{name}"
    with peer.open(setting) as session:
        session.forget()
        session.push(meter := Meter(), repository, "cold")
        assert meter.usage.cpu > 0
        before = _layers(docker_registry, name)
        (setting.project / "main.py").write_text("print(22)\n")
        session.push(Meter(), repository, "again")
    assert _files(docker_registry, name) == {
        "app/main.py": b"print(22)\n",
        "app/package/module.py": b"",
        "opt/site-packages/demo/__init__.py": b"DEMO = 1\n",
    }
    after = _layers(docker_registry, name)
    assert (after[:-1], len(after)) == (before[:-1], 3)


@pytest.mark.parametrize("peer", FORGETTING, ids=lambda peer: peer.name)
def test_a_machine_that_forgets_sends_everything_again(
    peer: Peer, setting: Setting, docker_registry: Registry
) -> None:
    names = [f"forgetting/{PEERS.index(peer)}-{number}" for number in range(2)]
    with peer.open(setting) as session:
        for name in names:
            session.forget()
            asked = len(docker_registry.requests())
            session.push(Meter(), f"{docker_registry.host}/{name}", "cold")
    paths = [path for _, path, _ in docker_registry.requests()[asked:]]
    assert not [path for path in paths if names[0].replace("/", "%2F") in path or names[0] in path]


def test_a_floor_reads_everything_and_pushes_nothing(setting: Setting) -> None:
    with PipeFloor().open(setting) as session:
        session.push(meter := Meter(), "nowhere", "cold")
    assert meter.usage.wall > 0


@pytest.mark.parametrize("puller", PULLERS, ids=lambda puller: puller.name)
@pytest.mark.usefixtures("unchanged")
def test_a_node_fetches_what_it_lacks(
    puller: Puller, setting: Setting, docker_registry: Registry, tmp_path: Path
) -> None:
    assert puller.absent() == ""
    assert puller.version()
    name = f"nodes/{puller.name}"
    crane = next(peer for peer in PEERS if "crane" in peer.name)
    (folder := tmp_path / "node").mkdir()
    with crane.open(setting) as session, puller.open(folder) as node:
        reference = f"{docker_registry.host}/{name}"
        session.push(Meter(), reference, "cold")
        node.pull(Meter(), f"{reference}:latest")
        (setting.project / "main.py").write_text("print(22)\n")
        session.push(Meter(), reference, "again")
        asked = len(docker_registry.requests())
        node.pull(meter := Meter(), f"{reference}:latest")
        fetched = [
            path.rpartition("/")[2]
            for method, path, _ in docker_registry.requests()[asked:]
            if method == "GET" and "/blobs/" in path
        ]
    assert meter.usage.cpu > 0
    digests = [layer["digest"] for layer in _layers(docker_registry, name)]
    assert [digest for digest in digests if digest in fetched] == digests[-1:]
    assert os.listdir(folder) == []
