"""pytest fixtures with real registries and tools, most made once per session when asked for.

Made known in the top-level conftest.py: `pytest_plugins = ["tests.peers.fixtures"]`. A peer that is
not installed is a failure, never a skip. Nothing outlives the session.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.cache import cache_folder
from tests.peers.docker import Docker
from tests.peers.docker import docker as start_docker
from tests.peers.install import INSTRUCTION, base_folder, missing, tools_folder
from tests.peers.podman import Podman
from tests.peers.podman import podman as start_podman
from tests.peers.registry import Registry
from tests.peers.registry import crane_registry as start_crane_registry
from tests.peers.registry import registry as start_registry
from tests.peers.registry import zuul_registry as start_zuul_registry
from tests.peers.tokens import Account, TokenServer, token_server
from tests.peers.tools import Crane, Skopeo, Tool, Umoci


@pytest.fixture(scope="session")
def peers_cache() -> Iterator[Path]:
    """The folder with the tools and the base image. Fails where `tests.peers.install` must run."""
    if lacking := missing():
        pytest.fail(f"missing: {'; '.join(lacking)}. Run `{INSTRUCTION}`", pytrace=False)
    with pytest.MonkeyPatch.context() as patch:
        # Found also in tests with a home of their own.
        patch.setenv("SEMATIC_TEST_CACHE", str(folder := cache_folder()))
        yield folder


@pytest.fixture(scope="session")
def peers_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the fixtures of this file keep what they need; removed at the end."""
    folder = tmp_path_factory.mktemp("peers")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def docker_registry(peers_cache: Path, peers_folder: Path) -> Iterator[Registry]:
    """Debian's docker-registry, open to all, deletes allowed."""
    with start_registry(peers_folder / "docker-registry") as registry:
        yield registry


@pytest.fixture(scope="session")
def crane_registry(peers_cache: Path, peers_folder: Path) -> Iterator[Registry]:
    """`crane registry serve`: a second implementation, whose repositories share their blobs."""
    with start_crane_registry(peers_folder / "crane-registry") as registry:
        yield registry


@pytest.fixture(scope="session")
def zuul_registry(peers_cache: Path, peers_folder: Path) -> Iterator[Registry]:
    """A third implementation; to write there, be `me` with the password `secret`."""
    with start_zuul_registry(peers_folder / "zuul-registry", {"me": "secret"}) as registry:
        yield registry


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenServer]:
    """A token server of the test's own, which knows `me` with the password `secret`."""
    with token_server(tmp_path / "tokens", {"me": Account("secret")}) as server:
        yield server


@pytest.fixture
def token_registry(peers_cache: Path, tokens: TokenServer, tmp_path: Path) -> Iterator[Registry]:
    """A docker-registry of the test's own that wants tokens of `tokens`."""
    with start_registry(tmp_path / "token-registry", tokens=tokens) as registry:
        yield registry


@pytest.fixture(scope="session")
def skopeo(peers_cache: Path, peers_folder: Path) -> Skopeo:
    return Skopeo("skopeo", peers_folder / "skopeo")


@pytest.fixture(scope="session")
def umoci(peers_cache: Path, peers_folder: Path) -> Umoci:
    return Umoci(tools_folder() / "umoci", peers_folder / "umoci")


@pytest.fixture(scope="session")
def crane(peers_cache: Path, peers_folder: Path) -> Crane:
    return Crane(tools_folder() / "crane", peers_folder / "crane")


@pytest.fixture(scope="session")
def cosign(peers_cache: Path, peers_folder: Path) -> Tool:
    return Tool(tools_folder() / "cosign", peers_folder / "cosign")


@pytest.fixture(scope="session")
def oras(peers_cache: Path, peers_folder: Path) -> Tool:
    return Tool(tools_folder() / "oras", peers_folder / "oras")


@pytest.fixture(scope="session")
def podman(peers_cache: Path) -> Iterator[Podman]:
    with start_podman() as made:
        yield made


@pytest.fixture(scope="session")
def docker(peers_cache: Path) -> Iterator[Docker]:
    with start_docker() as made:
        yield made


@pytest.fixture(scope="session")
def base_layout(peers_cache: Path) -> Path:
    """An OCI layout of the project's own base with Python 3.11, not to be written to.

    gzip layers; tag `worker` has the labels of a base, tag `plain` has none.
    """
    return base_folder()


@pytest.fixture(scope="session")
def base_in_registry(docker_registry: Registry, skopeo: Skopeo, base_layout: Path) -> str:
    """HOST/base/worker:latest in `docker_registry`."""
    ref = f"{docker_registry.host}/base/worker:latest"
    skopeo.copy(f"oci:{base_layout}:worker", f"docker://{ref}")
    return ref
