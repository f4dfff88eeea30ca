from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sematic.config import Project, RunSettings, find_project
from sematic.container_image import container_image, has_container_image
from sematic.errors import ConfigurationError
from sematic.oci.settings import read_settings
from tests.peers.registry import Registry
from tests.projects import write_tree

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "project", {"app.py": ""})


def write_settings(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.sematic.pipelines]\n{text}\n")


def settled(folder: Path, image: str, **arguments: Any) -> RunSettings:
    return find_project(folder, arguments).settled(image)


def test_with_nothing_configured_pods_are_of_this_machine(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMATIC_DATA_DIR", str(tmp_path / "data"))
    settings = settled(folder, f"oci-layout:images@{DIGEST}")
    assert (settings.pods, settings.store) == ("local", (tmp_path / "data/store").as_uri())


def test_an_image_in_a_registry_runs_in_a_cluster_with_its_repository_for_a_store(
    folder: Path,
) -> None:
    settings = settled(folder, f"registry.example.com/team/app@{DIGEST}")
    assert settings.pods == "kubernetes"
    assert settings.store == "registry://registry.example.com/team/app"


def test_arguments_win_over_variables_and_those_over_the_table(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = f"registry.example.com/team/app@{DIGEST}"
    write_settings(folder, 'namespace = "table"\nservice-account = "robot"\npods = "podman"')
    assert settled(folder, image).namespace == "table"
    monkeypatch.setenv("SEMATIC_NAMESPACE", "variable")
    monkeypatch.setenv("SEMATIC_IMAGE_PULL_SECRETS", "one, two")
    settings = settled(folder, image, pods="local", store=None)
    assert (settings.namespace, settings.service_account) == ("variable", "robot")
    assert (settings.pods, settings.image_pull_secrets) == ("local", ("one", "two"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name-space = 'x'", "'name-space', which is no setting: did you mean 'namespace'"),
        ("namespace = 3", "namespace is 3: give text"),
        ("image-pull-secrets = 'x'", "give a list of texts"),
        ("share-registry-login = 'x'", "give true or false"),
        ("pods = 'docker'", "write kubernetes, podman, local"),
    ],
)
def test_a_setting_that_means_nothing_is_an_error(text: str, why: str, folder: Path) -> None:
    write_settings(folder, text)
    with pytest.raises(ConfigurationError, match=why):
        find_project(folder)


def test_a_project_that_cannot_be_read_is_an_error(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[")
    with pytest.raises(ConfigurationError, match="not TOML"):
        find_project(folder)


@pytest.mark.parametrize(
    ("image", "there_is"),
    [("registry.example.com/app:v1", True), ("Not An Image", False), ("archive:x.tar", False)],
)
def test_a_given_image_is_one_if_it_can_be(
    image: str, there_is: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMATIC_CONTAINER_IMAGE", image)
    assert has_container_image() is there_is


def test_without_a_given_image_one_can_be_made_if_the_configuration_can_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sematic.config._script_folder", lambda: folder)
    assert has_container_image()
    (folder / "pyproject.toml").write_text("[")
    assert not has_container_image()


def project(folder: Path) -> Project:
    return Project(folder, read_settings(folder), RunSettings())


def test_a_given_image_is_used_by_its_digest(
    folder: Path, base_in_registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMATIC_CONTAINER_IMAGE", base_in_registry)
    image = container_image(project(folder))
    assert image.startswith(base_in_registry.removesuffix(":latest") + "@sha256:")
    monkeypatch.setenv("SEMATIC_CONTAINER_IMAGE", image)
    assert container_image(project(folder)) == image


def test_a_given_image_that_is_not_there_is_an_error(
    folder: Path, docker_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMATIC_CONTAINER_IMAGE", f"{docker_registry.host}/nothing:v1")
    with pytest.raises(ConfigurationError, match="there is no such image; push it first"):
        container_image(project(folder))


def test_a_registry_that_only_the_cluster_reaches_is_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMATIC_CONTAINER_IMAGE", "registry.invalid/app:v1")
    assert container_image(project(folder)) == "registry.invalid/app:v1"


def test_an_image_is_made_where_none_is_given(folder: Path, tmp_path: Path) -> None:
    text = f'[tool.sematic]\nrepository = "oci-layout:{tmp_path}/images"\nenvironment = false\n'
    (folder / "pyproject.toml").write_text(text)
    image = container_image(project(folder))
    assert image.startswith(f"oci-layout:{tmp_path}/images@sha256:")
    assert container_image(project(folder)) == image
