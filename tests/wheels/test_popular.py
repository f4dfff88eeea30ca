"""Popular wheels: pushed for a container without being installed, and held against pip and uv."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sematic.oci.cache import Cache
from sematic.oci.files import FileGroup
from sematic.oci.project_image import Build, build
from sematic.oci.settings import Settings, read_settings
from sematic.oci.tar import in_order, tar_chunks
from tests.peers.podman import Podman
from tests.peers.registry import Registry
from tests.projects import base_python, write_tree
from tests.wheels.popular import COMPUTATIONS, requirements


@dataclass(frozen=True)
class Pushed:
    """An image of all of them.

    :param machine: a folder with what the machine remembers.
    """

    reference: str
    machine: Path
    project: Path
    settings: Settings


def push(machine: Path, project: Path, *arguments: str) -> dict[str, object]:
    """Push as a user does; the summary, and the seconds that it all took."""
    # All pushes are of one user, whose pip is configured in one way.
    variables = {"SEMATIC_CACHE_DIR": str(machine), "HOME": pwd.getpwuid(os.getuid()).pw_dir}
    command = [sys.executable, "-m", "sematic.oci.cli", "push", str(project), "--json", *arguments]
    began = time.monotonic()
    environment = {**os.environ, **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    summary: dict[str, object] = json.loads(done.stdout)
    summary["all seconds"] = round(time.monotonic() - began, 1)
    print(f"\npush: {summary['sent']} bytes sent, {summary['all seconds']} s", done.stderr[-300:])
    return summary


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("popular")
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def pushed(folder: Path, base_in_registry: str, docker_registry: Registry) -> Pushed:
    project = write_tree(
        folder / "app", {"app/__init__.py": "", "requirements.txt": requirements()}
    )
    repository = f"{docker_registry.host}/team/popular"
    arguments = ["--requirements", str(project / "requirements.txt"), "--base", base_in_registry]
    summary = push(folder / "machine", project, *arguments, "--to", repository)
    settings = read_settings(
        project,
        requirements=(str(project / "requirements.txt"),),
        base=base_in_registry,
        repository=repository,
    )
    return Pushed(str(summary["reference"]), folder / "machine", project, settings)


@pytest.fixture(scope="session")
def built(pushed: Pushed) -> Build:
    return build(pushed.project, pushed.settings, cache=Cache(pushed.machine))


@pytest.fixture(scope="session")
def container(pushed: Pushed, podman: Podman) -> str:
    return podman.pull(pushed.reference)


def distributions(built: Build) -> dict[str, FileGroup]:
    groups = [group for plan in built.plans for group in plan.groups]
    return {group.key: group for group in groups if group.kind == "distribution"}


@pytest.fixture(scope="session")
def wheels(pushed: Pushed, built: Build) -> list[Path]:
    """The files of the wheels, which the push has kept."""
    found = sorted((pushed.machine / "wheels").glob("*/*.whl"))
    assert len(found) >= len(distributions(built))
    return found


@pytest.mark.parametrize("name", COMPUTATIONS)
def test_it_computes_in_a_container(container: str, podman: Podman, name: str) -> None:
    podman.run(container, "-c", COMPUTATIONS[name])


def test_pip_in_the_container_agrees_with_the_lock(
    container: str, podman: Podman, built: Build
) -> None:
    assert "No broken requirements" in podman.run(container, "-m", "pip", "check")
    listed = json.loads(
        podman.run(
            container,
            "-m",
            "pip",
            "list",
            "--format",
            "json",
            "--path",
            "/sematic/venv/lib/python3.11/site-packages",
        )
    )
    found = {f"{each['name']} {each['version']}".lower().replace("_", "-") for each in listed}
    wanted = {group.name.lower().replace("_", "-") for group in distributions(built).values()}
    assert found == wanted


def test_layers_are_those_of_an_environment_that_pip_installed(
    wheels: list[Path], built: Build, folder: Path
) -> None:
    subprocess.run([base_python(), "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", *wheels], check=True)
    project = write_tree(folder / "empty", {"x.txt": ""})
    settings = read_settings(project, python=str(python), base="none")
    installed = distributions(build(project, settings, cache=Cache(folder / "other")))
    different = []
    for key, group in distributions(built).items():
        other = installed[key]
        mine, theirs = ({e.path: e for e in in_order(g.entries())} for g in (group, other))
        if _tar(group) != _tar(other):
            paths = [p for p in mine.keys() | theirs.keys() if mine.get(p) != theirs.get(p)]
            different.append((group.name, sorted(paths)[:5]))
    print(f"\n{len(distributions(built)) - len(different)} equal", different)
    assert [name.partition(" ")[0] for name, _ in different] == ["pip"]  # it adds a pip3.11


def test_files_are_those_of_uv_pip_install_with_a_target(
    wheels: list[Path], built: Build, folder: Path
) -> None:
    uv = Path(sys.executable).with_name("uv")
    target = folder / "target"
    install: list[str | Path] = [uv, "pip", "install", "-q", "--no-deps", "--no-index"]
    install += ["--target", target, "--python", base_python()]
    subprocess.run([*install, *wheels], check=True)
    library = "sematic/venv/lib/python3.11/site-packages/"
    ours = {
        entry.path.removeprefix(library)
        for group in distributions(built).values()
        for entry in group.entries()
        if entry.path.startswith(library)
    }
    theirs = {
        str(path.relative_to(target))
        for path in target.rglob("*")
        if path.is_file() and not _is_of_the_installer(path.relative_to(target))
    }
    assert ours == theirs


def _is_of_the_installer(path: Path) -> bool:
    """Whether a file says who installed something, or lies outside of site-packages elsewhere."""
    of_metadata = len(path.parts) == 2 and path.parts[0].endswith(".dist-info")
    words = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
    outside = path.parts[0] in ("bin", "share", "include", "etc", ".lock")
    return outside or (of_metadata and path.name in words)


def test_a_second_machine_transfers_nothing_of_the_wheels(pushed: Pushed, folder: Path) -> None:
    began = [*("--requirements", str(pushed.project / "requirements.txt"))]
    began += ["--base", pushed.settings.base, "--to", pushed.settings.repository]
    (pushed.project / "app/__init__.py").write_text("# edited\n")
    summary = push(folder / "second", pushed.project, *began)
    assert int(str(summary["sent"])) < 100_000
    assert not list((folder / "second").rglob("*.whl"))


def _tar(group: FileGroup) -> bytes:
    own = hashlib.sha256()
    for chunk in tar_chunks(in_order(group.entries()), 0):
        own.update(chunk)
    return own.digest()
