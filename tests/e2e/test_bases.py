"""What is refused before anything is sent; what is sent again, and what is not."""

from __future__ import annotations

import random
import shutil
import sys
import sysconfig
from pathlib import Path

import pytest

from sematic.oci.base_python import CUDA_LABEL, LIBC_LABEL, PYTHON_LABEL
from sematic.oci.manifest import Platform
from tests.e2e.command import end, run, start
from tests.oci.environment.installs import (
    HATCHLING,
    make_venv,
    pip_install,
    site_packages,
    write_project,
)
from tests.oci.images import store_base
from tests.peers.registry import Registry
from tests.peers.tools import Crane
from tests.projects import make_project

OWN_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
NAMES = ("alpha", "beta", "gamma", "delta")
RISCV = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + (243).to_bytes(2, "little")


def write_distribution(folder: Path, version: str = "1.0", **files: str) -> Path:
    tail = f'[tool.hatch.build.targets.wheel]\npackages = ["{folder.name}"]\n'
    head = HATCHLING.replace("1.0", version)
    init = {f"{folder.name}/__init__.py": f"VERSION = {version!r}\n"}
    return write_project(folder, head, {**init, **files}, tail)


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with four small distributions; not to be changed."""
    folder = tmp_path_factory.mktemp("four")
    venv = make_venv(folder / "venv")
    pip_install(venv, *(write_distribution(folder / name) for name in NAMES))
    return venv


@pytest.fixture
def venv(four: Path, tmp_path: Path) -> Path:
    """The same, of the test's own."""
    copy = make_venv(tmp_path / "venv")
    shutil.copytree(site_packages(four), site_packages(copy), dirs_exist_ok=True)
    return copy


def labelled_base(folder: Path, version: str, libc: str = "") -> str:
    """A base that says it has this Python and this C library, for this machine's CPU."""
    labels = {PYTHON_LABEL: version, LIBC_LABEL: libc}
    return store_base(folder, [], labels=labels, platform=Platform.of_host())


def uploads(registry: Registry, repository: str) -> list[tuple[str, str, int]]:
    """What was asked of a repository that may change it."""
    return [
        request
        for request in registry.requests()
        if request[0] not in ("GET", "HEAD") and f"/{repository}/" in request[1]
    ]


# Refused


def test_an_environment_of_another_python_is_refused_before_anything_is_sent(
    project: Path, four: Path, docker_registry: Registry, tmp_path: Path
) -> None:
    base = labelled_base(tmp_path / "base", "3.99")
    pushed = run(
        *("push", project, "--python", four, "--base", base),
        *("--to", f"{docker_registry.host}/refused/python"),
    )
    assert pushed.code == 1 and pushed.out == ""
    assert f"base image {base} has Python 3.99" in pushed.err
    assert f"for Python {OWN_PYTHON}" in pushed.err and "--python" in pushed.err
    assert not uploads(docker_registry, "refused/python")


def test_a_native_file_for_another_cpu_is_refused_before_anything_is_sent(
    project: Path, venv: Path, docker_registry: Registry, tmp_path: Path
) -> None:
    native = site_packages(venv) / "beta" / "_native.abi3.so"
    native.write_bytes(RISCV)
    arguments = (
        *("push", project, "--python", venv),
        *("--base", labelled_base(tmp_path / "base", OWN_PYTHON)),
        *("--to", f"{docker_registry.host}/refused/cpu"),
    )
    for _ in range(2):  # what was refused is not remembered as good
        pushed = run(*arguments)
        assert pushed.code == 1 and pushed.out == ""
        assert f"{native} is for riscv64" in pushed.err
        assert "Traceback" not in pushed.err
    assert not uploads(docker_registry, "refused/cpu")
    native.unlink()
    assert run(*arguments).code == 0


def test_what_suited_one_c_library_is_looked_at_again_for_another(
    project: Path, venv: Path, tmp_path: Path
) -> None:
    name = "_native" + sysconfig.get_config_var("EXT_SUFFIX")
    head = Path(sys.executable).resolve().read_bytes()[:64]
    (site_packages(venv) / "beta" / name).write_bytes(head)
    to = ("push", project, "--python", venv, "--to", f"oci-layout:{tmp_path}/out", "--base")
    assert run(*to, labelled_base(tmp_path / "glibc", OWN_PYTHON, "glibc")).code == 0
    refused = run(*to, labelled_base(tmp_path / "musl", OWN_PYTHON, "musl"))
    assert refused.code == 1
    assert "is for glibc, and the base has musl" in refused.err


# CUDA twice


def test_cuda_in_the_base_and_in_the_environment_is_told(
    project: Path, four: Path, tmp_path: Path
) -> None:
    venv = make_venv(tmp_path / "venv")
    pip_install(venv, write_distribution(tmp_path / "nvidia_cublas_cu12"))
    labels = {PYTHON_LABEL: OWN_PYTHON, CUDA_LABEL: "nvidia-cublas-cu12==12.9.3.13"}
    base = store_base(tmp_path / "base", [], labels=labels, platform=Platform.of_host())

    def told(python: Path) -> list[str]:
        pushed = run(
            *("push", project, "--python", python, "--base", base, "--json"),
            *("--to", f"oci-layout:{tmp_path}/out"),
        )
        return [note for note in pushed.summary["notes"] if "CUDA" in note]

    (note,) = told(venv)
    assert "the base has nvidia-cublas-cu12==12.9.3.13" in note
    assert "the environment nvidia" in note and "worker" in note
    assert told(four) == []


# One change, one layer


def test_a_distribution_that_comes_changes_or_goes_is_one_layer(
    project: Path, venv: Path, docker_registry: Registry, tmp_path: Path
) -> None:
    def push() -> list[str]:
        """The layers that were sent."""
        pushed = run(
            *("push", project, "--python", venv, "--json"),
            *("--to", f"{docker_registry.host}/team/distributions"),
        )
        return [each["name"] for each in pushed.summary["layers"] if each["fate"] == "new"]

    push()
    pip_install(venv, "--upgrade", write_distribution(tmp_path / "beta", "2.0"))
    (upgraded,) = push()
    assert upgraded == "beta 2.0"
    pip_install(venv, write_distribution(tmp_path / "epsilon"))
    (added,) = push()
    assert added == "epsilon 1.0"
    shutil.rmtree(site_packages(venv) / "epsilon")
    shutil.rmtree(site_packages(venv) / "epsilon-1.0.dist-info")
    assert push() == []


# The same project elsewhere


def test_another_checkout_on_another_machine_is_the_same_image(
    four: Path, venv: Path, docker_registry: Registry, base_in_registry: str, tmp_path: Path
) -> None:
    digests = set()
    for name, python in (("here", four), ("over/there", venv)):
        folder = tmp_path / name / "demo"
        folder.parent.mkdir(parents=True)
        base = labelled_base(tmp_path / name / "base", OWN_PYTHON)
        pushed = run(
            *("push", make_project(folder), "--python", python, "--base", base),
            *("--to", f"{docker_registry.host}/twice/{name}"),
            SEMATIC_CACHE_DIR=str(tmp_path / name / "cache"),
        )
        digests.add(pushed.reference.rpartition("@")[2])
    assert len(digests) == 1


def test_pushes_at_the_same_time_do_not_disturb_each_other(
    docker_registry: Registry, crane: Crane, tmp_path: Path
) -> None:
    repository = f"{docker_registry.host}/team/at-once"
    processes = {}
    for tag in ("a", "b", "c"):
        folder = make_project(tmp_path / tag)
        (folder / "own.bin").write_bytes(random.Random(tag).randbytes(3 << 20))
        (folder / "same.bin").write_bytes(random.Random(0).randbytes(5 << 20))
        processes[tag] = start(
            *("push", folder, "--no-environment", "--compression", "gzip"),
            *("--to", f"{repository}:{tag}"),
        )
    digests = set()
    for tag, process in processes.items():
        digest = end(process).reference.rpartition("@")[2]
        assert crane.digest(f"{repository}:{tag}") == digest
        crane.validate(f"{repository}:{tag}")
        digests.add(digest)
    assert len(digests) == 3


# What is remembered is a hint


def test_without_its_memory_a_push_finds_everything_in_the_registry(
    project: Path, four: Path, docker_registry: Registry, tmp_path: Path
) -> None:
    (project / "large.bin").write_bytes(random.Random(1).randbytes(6 << 20))
    arguments = (
        *("push", project, "--python", four, "--json"),
        *("--to", f"{docker_registry.host}/team/forgetful"),
    )
    first = run(*arguments).summary
    shutil.rmtree(tmp_path / "home" / "cache")
    before = len(uploads(docker_registry, "team/forgetful"))
    second = run(*arguments).summary
    assert second["digest"] == first["digest"]
    assert (second["new"], second["sent"]) == (0, 0)
    assert {each["fate"] for each in second["layers"]} == {"reused"}
    sent = uploads(docker_registry, "team/forgetful")[before:]
    assert not [request for request in sent if "/blobs/" in request[1]]


@pytest.mark.parametrize("gone", ["one blob", "every blob", "the repository"])
def test_what_has_gone_from_a_registry_is_sent_again(
    gone: str, project: Path, docker_registry: Registry, crane: Crane
) -> None:
    name = f"team/gone-{gone.replace(' ', '-')}"
    (project / "large.bin").write_bytes(random.Random(2).randbytes(6 << 20))
    arguments = (
        *("push", project, "--no-environment", "--compression", "gzip", "--json"),
        *("--to", f"{docker_registry.host}/{name}"),
    )
    first = run(*arguments).summary
    storage = docker_registry.root / "data" / "docker" / "registry" / "v2" / "repositories" / name
    large = next(each for each in first["layers"] if each["size"] > 6 << 20)
    if gone == "one blob":
        shutil.rmtree(storage / "_layers" / "sha256" / large["digest"][7:])
    elif gone == "every blob":
        shutil.rmtree(storage / "_layers")
    else:
        shutil.rmtree(storage)
    (project / "app" / "report.py").write_text("print('edited')\n")
    second = run(*arguments).summary
    fates = {each["digest"]: each["fate"] for each in second["layers"]}
    assert fates[large["digest"]] == "new"
    assert second["new"] == (2 if gone == "one blob" else len(second["layers"]))
    crane.validate(second["reference"])
    assert crane.digest(f"{docker_registry.host}/{name}:latest") == second["digest"]
