"""What every test may rely on: real servers and tools, and a machine that remembers nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["tests.peers.fixtures", "tests.peers.kubernetes.fixtures"]


@pytest.fixture(autouse=True)
def own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home, a cache and a data folder of the test's own, and no settings from outside."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("CACHE", "DATA"):
        monkeypatch.setenv(f"SEMATIC_{name}_DIR", str(home / name.lower()))
    for name in (
        "SEMATIC_CONTAINER_IMAGE",
        "SEMATIC_REPOSITORY",
        "SOURCE_DATE_EPOCH",
        "DOCKER_CONFIG",
        "REGISTRY_AUTH_FILE",
        "XDG_CONFIG_HOME",
        "XDG_RUNTIME_DIR",
        "SEMATIC_REGISTRY_HOST",
        "SEMATIC_REGISTRY_USERNAME",
        "SEMATIC_REGISTRY_PASSWORD",
        "KUBECONFIG",
    ):
        monkeypatch.delenv(name, raising=False)
