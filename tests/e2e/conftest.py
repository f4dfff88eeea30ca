"""An environment, a project, and the command as a user runs it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

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
