"""Popular wheels: pushed for a container without being installed, and held against pip and uv."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import pytest
from zstandard import ZstdDecompressor

from sematic.oci.base import find_base
from sematic.oci.cache import Cache
from sematic.oci.environment.distributions import normal_name
from sematic.oci.files import FileEntry, FileGroup
from sematic.oci.manifest import Platform
from sematic.oci.memo import Forgetful
from sematic.oci.places import open_source
from sematic.oci.project_image import Build, build
from sematic.oci.reference import parse_reference
from sematic.oci.settings import Settings, read_settings
from sematic.oci.tar import tar_chunks
from tests.peers.podman import Podman
from tests.peers.registry import Registry
from tests.projects import base_python, write_tree
from tests.wheels.popular import COMPUTATIONS, requirements

UV = Path(sys.executable).with_name("uv")
AARCH64 = 183  # e_machine in the head of an ELF file


@dataclass(frozen=True)
class Pushed:
    """An image of all of them.

    :param machine: a folder with what the machine remembers.
    """

    reference: str
    machine: Path
    project: Path
    settings: Settings


def command(machine: Path, *words: str, **variables: str) -> str:
    """Do as a user does; what comes out."""
    # All commands are of one user, whose pip is configured in one way.
    own = {"SEMATIC_CACHE_DIR": str(machine), "HOME": pwd.getpwuid(os.getuid()).pw_dir}
    environment = {**os.environ, **own, **variables}
    program = [sys.executable, "-m", "sematic.oci.cli", *words]
    done = subprocess.run(program, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def push(machine: Path, project: Path, *words: str, **variables: str) -> dict[str, object]:
    """Push with the project's lock; the summary."""
    lock = str(project / "pylock.toml")
    began = time.monotonic()
    words = ("push", str(project), "--json", "--requirements", lock, *words)
    summary: dict[str, object] = json.loads(command(machine, *words, **variables))
    print(f"\npush: {summary['sent']} bytes sent, {time.monotonic() - began:.1f} s")
    return summary


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("popular")
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def pushed(folder: Path, base_in_registry: str, docker_registry: Registry) -> Pushed:
    files = {"app/__init__.py": "", "requirements.txt": requirements()}
    project = write_tree(folder / "app", files)
    machine, required = folder / "machine", str(project / "requirements.txt")
    command(machine, "lock", str(project), "--requirements", required, "--base", base_in_registry)
    repository = f"{docker_registry.host}/team/popular"
    summary = push(machine, project, "--base", base_in_registry, "--to", repository)
    lock = (str(project / "pylock.toml"),)
    settings = read_settings(
        project, requirements=lock, base=base_in_registry, repository=repository
    )
    return Pushed(str(summary["reference"]), machine, project, settings)


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
    container: str, podman: Podman, pushed: Pushed, folder: Path
) -> None:
    assert "No broken requirements" in podman.run(container, "-m", "pip", "check")
    library = "/sematic/venv/lib/python3.11/site-packages"
    options = ("--format", "json", "--path", library)
    listed = json.loads(podman.run(container, "-m", "pip", "list", *options))
    # uv says which of what is locked is for a machine like this one.
    install: list[str | Path] = [UV, "pip", "install", "--dry-run", "--target", folder / "nothing"]
    install += ["--python", base_python(), "-r", pushed.project / "pylock.toml"]
    home = {"HOME": pwd.getpwuid(os.getuid()).pw_dir}
    done = subprocess.run(install, capture_output=True, text=True, env={**os.environ, **home})
    assert done.returncode == 0, done.stderr
    wanted = set(re.findall(r"^ \+ ([^\s=]+)==(\S+)", done.stderr, re.MULTILINE))
    assert {(normal_name(each["name"]), each["version"]) for each in listed} == wanted


def test_layers_are_those_of_an_environment_that_pip_installed(
    wheels: list[Path], built: Build, folder: Path
) -> None:
    subprocess.run([base_python(), "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", *wheels], check=True)
    project = write_tree(folder / "empty", {"x.txt": ""})
    settings = read_settings(project, python=str(python), base="none")
    installed = build(project, settings, cache=Cache(folder / "other"))
    both = (distributions(built), distributions(installed))
    mine, theirs = ({key: _contents(group) for key, group in found.items()} for found in both)
    different = {
        key: sorted({path for path, _ in files ^ theirs[key]}) for key, files in mine.items()
    }
    print(f"\n{len(mine)} layers")
    # pip makes a command more of itself than its wheel names.
    assert {key: paths for key, paths in different.items() if paths} == {
        "pip": [
            "sematic/venv/bin/pip3.11",
            f"sematic/venv/lib/python3.11/site-packages/{_info(built, 'pip')}/RECORD",
        ]
    }


def test_files_are_those_of_uv_pip_install_with_a_target(
    wheels: list[Path], built: Build, folder: Path
) -> None:
    target = folder / "target"
    install: list[str | Path] = [UV, "pip", "install", "-q", "--no-deps", "--no-index"]
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


def test_a_second_machine_transfers_nothing_of_the_wheels(
    pushed: Pushed, folder: Path, docker_registry: Registry
) -> None:
    before = len(docker_registry.log.read_text())
    (pushed.project / "app/__init__.py").write_text("# edited\n")
    # It reaches no index: the registry alone.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:1")
    words = ("--base", pushed.settings.base, "--to", pushed.settings.repository)
    summary = push(folder / "second", pushed.project, *words, **nowhere, no_proxy="127.0.0.1")
    assert int(str(summary["sent"])) < 100_000
    assert not list((folder / "second").rglob("*.whl"))
    log = docker_registry.log.read_text()[before:]
    read = sum(map(int, re.findall(r'"GET \S+ HTTP/1\.1" 200 (\d+)', log)))
    print(f"\n{read} bytes read of the registry: what is known of the wheels")
    assert 0 < read < 5_000_000


def test_code_in_an_image_for_another_cpu_is_for_that(pushed: Pushed, folder: Path) -> None:
    to = f"oci-layout:{folder / 'arm64'}"
    push(folder / "third", pushed.project, "--platform", "linux/arm64", "--to", to)
    image = find_base(open_source(parse_reference(f"{to}:latest")), Forgetful())
    assert image.platform == Platform.parse("linux/arm64")
    machines: dict[int, int] = {}
    for layer in image.layers:
        raw = io.BytesIO(b"".join(layer.open()))
        with ZstdDecompressor().stream_reader(raw) as tar:
            for machine in _machines(cast(IO[bytes], tar)):
                machines[machine] = machines.get(machine, 0) + 1
    print(f"\nELF files by machine: {machines}")
    assert machines.keys() == {AARCH64}


def _machines(tar: IO[bytes]) -> Iterator[int]:
    """What the ELF files in a tar are for."""
    with tarfile.open(fileobj=tar, mode="r|") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            head = file.read(20) if file else b""
            if head.startswith(b"\x7fELF"):
                yield int.from_bytes(head[18:20], "little")


def _contents(group: FileGroup) -> set[tuple[str, bytes]]:
    """The files of a group as they stand in a tar."""
    return {(entry.path, _tar(entry)) for entry in group.entries()}


def _tar(entry: FileEntry) -> bytes:
    own = hashlib.sha256()
    for chunk in tar_chunks([entry], 0):
        own.update(chunk)
    return own.digest()


def _info(built: Build, key: str) -> str:
    return f"{distributions(built)[key].name.replace(' ', '-')}.dist-info"
