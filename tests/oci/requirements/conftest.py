"""A project, an index of the test's own, and a push to an image layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sematic.oci.cache import Cache
from sematic.oci.events import Event, Noticed
from sematic.oci.project_image import Build, build
from sematic.oci.settings import read_settings
from tests.oci.requirements.made import git, sources
from tests.oci.wheels.made import make_wheel
from tests.peers.index import Index, index
from tests.projects import write_tree

Make = Callable[..., Build]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index that uv knows of, and no other."""
    with index(tmp_path / "index") as made:
        for name in ("UV_INDEX", "UV_FIND_LINKS", "UV_CONSTRAINT", "UV_INDEX_STRATEGY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("UV_DEFAULT_INDEX", made.url)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        yield made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "app").mkdir(parents=True)
    (folder / "app/__init__.py").touch()
    return folder


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def make(project: Path, notes: list[str]) -> Make:
    """Plans the image of the project with requirements; the files are named from its folder."""

    def listen(event: Event) -> None:
        if isinstance(event, Noticed):
            notes.append(event.message)

    def made(*files: str, cache: Path | None = None, **settings: object) -> Build:
        paths = tuple(str(project / file) for file in files)
        settings.setdefault("platform", "linux/amd64")
        found = read_settings(project, requirements=paths, **settings)
        return build(project, found, cache=Cache(cache), listener=listen)

    return made


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a project below ``python/``, and its commit as the branch ``main``."""
    folder = tmp_path / "repository"
    write_tree(folder / "python", sources("own"))
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    return folder


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index that wants a login, with a wheel of ``one``."""
    with index(tmp_path / "private", user="me:s3cret") as made:
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        make_wheel(made.folder, "one")
        yield made
