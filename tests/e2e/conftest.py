"""An environment, a project, and the command as a user runs it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import launching
from tests.e2e.launching import Launcher
from tests.e2e.schemas import ImageSpec
from tests.peers.install import tools_folder
from tests.projects import make_environment, make_project


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The interpreter of a virtual environment with one distribution of each kind."""
    folder = tmp_path_factory.mktemp("environment")
    yield make_environment(folder)
    shutil.rmtree(folder)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project."""
    return make_project(tmp_path / "demo")


@pytest.fixture(scope="session")
def image_spec(peers_cache: Path) -> ImageSpec:
    return ImageSpec(tools_folder() / "schema")


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder and a cache that the tests share: an image is unpacked once."""
    folder = tmp_path_factory.mktemp("machine")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def launcher_of_all(machine: Path) -> Launcher:
    python = launching.make_environment(machine / "venv")
    return Launcher(python, launching.make_project(machine / "project"))


@pytest.fixture
def launcher(launcher_of_all: Launcher, machine: Path, monkeypatch: pytest.MonkeyPatch) -> Launcher:
    monkeypatch.setenv("SEMATIC_DATA_DIR", str(machine / "data"))
    monkeypatch.setenv("SEMATIC_CACHE_DIR", str(machine / "cache"))
    return launcher_of_all


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder
