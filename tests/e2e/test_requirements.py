"""Images made from requirements, of real wheels from the index that pip is configured with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.launching import ROOT, Launcher, make_environment, make_project, uv_install
from tests.peers.podman import Podman
from tests.peers.registry import Registry
from tests.projects import write_tree

REQUIRED = "numpy\npydantic\ncryptography\nrequests\npip\n"

COMPUTE = """
import json, sys
import cryptography.fernet, numpy, pydantic, requests

class Point(pydantic.BaseModel):
    x: int

key = cryptography.fernet.Fernet(cryptography.fernet.Fernet.generate_key())
print(json.dumps([
    float(numpy.linalg.norm(numpy.array([3.0, 4.0]))),
    Point(x="3").x,
    key.decrypt(key.encrypt(b"plain")).decode(),
    requests.Request("GET", "http://example.com", params={"a": 1}).prepare().url,
    sys.prefix,
]))
"""


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uv")


@pytest.fixture(autouse=True)
def shared_cache(uv_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(uv_cache))


def command(*arguments: str | Path) -> str:
    words = [sys.executable, "-m", "sematic.oci.cli", *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_wheels_that_were_never_installed_work_in_a_container(
    tmp_path: Path, base_in_registry: str, docker_registry: Registry, podman: Podman
) -> None:
    project = write_tree(tmp_path / "app", {"app/__init__.py": "", "requirements.txt": REQUIRED})
    named = ("--requirements", project / "requirements.txt", "--base", base_in_registry)
    repository = f"{docker_registry.host}/team/required"
    pushed = command("push", project, *named, "--to", repository)
    container = podman.pull(pushed)
    url = "http://example.com/?a=1"
    computed = json.loads(podman.run(container, "-c", COMPUTE))
    assert computed == [5.0, 3, "plain", url, "/sematic/venv"]
    assert podman.run(container, "-m", "pip", "check").strip() == "No broken requirements found."
    plan = json.loads(command("plan", project, *named, "--to", repository, "--json"))
    assert all(layer["reused"] for layer in plan["layers"])
    assert plan["environment"] == "requirements.txt"
    locked = command("lock", project, *named)
    again = ("--requirements", locked, "--base", base_in_registry, "--to", repository)
    relocked = command("plan", project, *again, "--json")
    sizes = {
        layer["name"]: layer["bytes"] for layer in plan["layers"] if "source" not in layer["name"]
    }
    found = {layer["name"]: layer["bytes"] for layer in json.loads(relocked)["layers"]}
    assert sizes.items() <= found.items()


def test_an_image_for_another_cpu_has_that_ones_code(tmp_path: Path) -> None:
    files = {"app/__init__.py": "", "requirements.txt": "pyyaml\n"}
    project = write_tree(tmp_path / "app", files)
    layout = tmp_path / "images"
    command(
        *("push", project, "--requirements", project / "requirements.txt"),
        *("--platform", "linux/arm64", "--to", f"oci-layout:{layout}", "--compression", "gzip"),
    )
    heads = set()
    for blob in (layout / "blobs/sha256").iterdir():
        if blob.read_bytes()[:2] == b"\x1f\x8b":
            heads |= _native_heads(blob)
    assert heads == {(b"\x7fELF", 183)}  # EM_AARCH64


def _native_heads(layer: Path) -> set[tuple[bytes, int]]:
    """The magic and the machine of the shared objects in a layer."""
    import tarfile

    found = set()
    with tarfile.open(layer, "r:gz") as archive:
        for member in archive:
            if member.name.endswith(".so") and (file := archive.extractfile(member)):
                head = file.read(20)
                found.add((head[:4], int.from_bytes(head[18:20], "little")))
    return found


@pytest.fixture(scope="module")
def launching_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The interpreter of an environment with sematic and what makes images from requirements."""
    folder = tmp_path_factory.mktemp("launching")
    python = make_environment(folder)
    uv_install(python, "-e", f"{ROOT}[requirements]")
    yield python
    shutil.rmtree(folder)


@pytest.fixture
def launched(tmp_path: Path, launching_python: Path) -> Launcher:
    """A project whose image is made from requirements, launched where they are not installed."""
    project = make_project(tmp_path / "project")
    pyproject = project / "pyproject.toml"
    text = pyproject.read_text()
    text = text.replace("[tool.sematic]", '[tool.sematic]\nrequirements = ["requirements.txt"]', 1)
    pyproject.write_text(text)
    return Launcher(launching_python, project)


def test_pods_run_an_image_from_requirements(launched: Launcher, tmp_path: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    out = tmp_path / "wheels"
    subprocess.run([uv, "build", "-q", "--wheel", "--out-dir", out, ROOT], check=True)
    (launched.project / "requirements.txt").write_text(f"--find-links {out}\nsematic==0.1.0\n")
    done = launched.run("everything")
    assert done.code == 0, done.err
    assert json.loads(done.out)["value"] == 44


def test_requirements_without_sematic_are_refused(launched: Launcher) -> None:
    (launched.project / "requirements.txt").write_text("idna\n")
    done = launched.run("everything")
    assert done.code != 0
    assert "requirements.txt does not require sematic, which runs the steps" in done.err
