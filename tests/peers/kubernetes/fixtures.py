"""pytest fixtures of a cluster, made once per session when asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.peers.kubernetes.build import INSTRUCTION, is_built
from tests.peers.registry import Registry
from tests.peers.registry import registry as start_registry
from tests.peers.tools import Crane, Skopeo

if TYPE_CHECKING:
    from tests.peers.kubernetes.cluster import Cluster


@pytest.fixture(scope="session")
def kubernetes(peers_folder: Path) -> Iterator[Cluster]:
    """A cluster with one node. Where none is built, a failure in CI, and a skip elsewhere."""
    if not is_built():
        lacking = f"Kubernetes is not built. Run `{INSTRUCTION}` as root on Debian"
        if os.environ.get("CI"):
            pytest.fail(lacking, pytrace=False)
        pytest.skip(lacking)
    from tests.peers.kubernetes.cluster import cluster

    with cluster(peers_folder / "kubernetes") as made:
        yield made


@pytest.fixture(scope="session")
def cluster_registry(
    kubernetes: Cluster, peers_cache: Path, peers_folder: Path
) -> Iterator[Registry]:
    """A docker-registry that is reached by one name from here, from the node and from pods."""
    folder = peers_folder / "cluster-registry"
    with start_registry(folder, address=kubernetes.gateway) as registry:
        kubernetes.trust(registry.host)
        yield registry


@pytest.fixture(scope="session")
def base_in_cluster(
    cluster_registry: Registry, skopeo: Skopeo, crane: Crane, base_layout: Path
) -> str:
    """HOST/base/worker@DIGEST in `cluster_registry`."""
    name = f"{cluster_registry.host}/base/worker"
    skopeo.copy(f"oci:{base_layout}:worker", f"docker://{name}:latest")
    return f"{name}@{crane.digest(f'{name}:latest')}"
