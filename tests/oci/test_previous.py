"""What is known of layers from the image that is about to be replaced."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sematic.oci import Cache, deliver, parse_reference, push, read_settings
from sematic.oci.files import FileEntry
from sematic.oci.image import Image
from sematic.oci.layer import Layer
from sematic.oci.manifest import Platform
from sematic.oci.reference import RegistryReference
from sematic.oci.registry.repository import open_repository
from tests.peers.registry import Registry

NOISE = random.Random(3)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """With a file so large that its layer is not made in memory."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(NOISE.randbytes(6 << 20))
    return folder


class Machine:
    """Pushes a project, and sees what is asked of the registry."""

    def __init__(self, project: Path, registry: Registry, cache: Path) -> None:
        self.project = project
        self.registry = registry
        self.cache = cache

    def push(self) -> list[str]:
        """The methods of the requests that it took, and what they were about."""
        repository = f"{self.registry.host}/own/{self.project.parent.name}"
        settings = read_settings(self.project, repository=repository, environment=False)
        before = len(self.registry.requests())
        push(self.project, settings, cache=Cache(self.cache))
        asked = self.registry.requests()[before:]
        return [f"{method} {path.split('/')[-2]}" for method, path, _ in asked]

    def edit(self) -> None:
        with (self.project / "weights.bin").open("r+b") as file:
            file.write(NOISE.randbytes(100))


def test_an_image_of_this_machine_is_not_read_again(
    project: Path, docker_registry: Registry, tmp_path: Path
) -> None:
    here = Machine(project, docker_registry, tmp_path / "here")
    here.push()
    here.edit()
    asked = here.push()
    assert [request for request in asked if request.startswith("GET")] == []
    assert asked.count("HEAD manifests") == 1


def test_an_image_of_another_machine_is_read(
    project: Path, docker_registry: Registry, tmp_path: Path
) -> None:
    here = Machine(project, docker_registry, tmp_path / "here")
    there = Machine(project, docker_registry, tmp_path / "there")
    here.push()
    here.edit()
    there.push()
    asked = here.push()  # as somebody would who has fetched the others' edit
    assert "GET manifests" in asked
    assert not {"POST uploads", "PUT uploads", "PATCH uploads"} & set(asked)


def test_a_tag_that_somebody_else_moved_is_read_again(
    project: Path, docker_registry: Registry, tmp_path: Path
) -> None:
    here = Machine(project, docker_registry, tmp_path / "here")
    here.push()
    reference = parse_reference(f"{docker_registry.host}/own/{tmp_path.name}:latest")
    assert isinstance(reference, RegistryReference)
    other = Image(Platform.of_host()).append(Layer("other", [FileEntry.from_bytes("other", b"1")]))
    deliver(other, open_repository(reference, push=True), ["latest"])
    here.edit()
    assert "GET manifests" in here.push()
