"""A launcher whose images go to a registry that a cluster reaches, and its runs to the cluster."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.launching import Launcher, make_environment, make_project, uv_install
from tests.peers.registry import Registry

if TYPE_CHECKING:
    from tests.peers.kubernetes.cluster import Cluster


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache that the tests share: an image is made once."""
    folder = tmp_path_factory.mktemp("machine")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def launcher_of_all(machine: Path, base_in_cluster: str) -> Launcher:
    python = make_environment(machine / "venv")
    uv_install(python, "pyyaml")
    return Launcher(python, make_project(machine / "project", base_in_cluster))


@pytest.fixture
def launcher(
    launcher_of_all: Launcher,
    machine: Path,
    kubernetes: Cluster,
    cluster_registry: Registry,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Launcher:
    for name, value in {
        "SEMATIC_CACHE_DIR": machine / "cache",
        "SEMATIC_REPOSITORY": f"{cluster_registry.host}/app",
        "SEMATIC_INSECURE_REGISTRIES": kubernetes.gateway,
        "SEMATIC_NAMESPACE": namespace,
        "KUBECONFIG": kubernetes.kubeconfig,
    }.items():
        monkeypatch.setenv(name, str(value))
    return launcher_of_all
