"""Which interpreter is chosen, and what it says of itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from sematic.oci.environment import interpreter as module
from sematic.oci.environment import probe
from sematic.oci.environment.interpreter import find_interpreter
from sematic.oci.errors import ProjectError
from sematic.oci.memo import Forgetful
from tests.oci.environment.installs import make_venv


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_venv(tmp_path_factory.mktemp("venv") / "env")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with no environment around it."""
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_the_running_one_agrees_with_sysconfig() -> None:
    found = find_interpreter(sys.executable, Path.cwd(), Forgetful())
    assert found.executable == sys.executable
    assert found.version == sysconfig.get_python_version()
    assert sysconfig.get_path("purelib") in found.site_folders
    assert found.scripts == sysconfig.get_path("scripts")
    assert found.prefix == sysconfig.get_path("data")
    assert (found.os, found.implementation) == ("linux", "cpython")
    assert found.architecture in ("amd64", "arm64")
    assert found.libc in ("glibc", "musl")


@pytest.mark.parametrize("way", ["folder", "python", "python3"])
def test_another_environment_by_its_folder_or_its_interpreter(venv: Path, way: str) -> None:
    name = str(venv if way == "folder" else venv / "bin" / way)
    found = find_interpreter(name, Path.cwd(), Forgetful())
    assert found.prefix == str(venv)
    assert found.is_virtual
    assert found.site_folders == (str(next(venv.glob("lib/*/site-packages"))),)
    assert found.scripts == str(venv / "bin")
    assert found.library == f"python{found.version}"
    assert found.chosen == f"python = {name}"


def test_a_name_is_looked_up_on_the_path(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"/nowhere:{venv}/bin")
    assert find_interpreter("python3", Path.cwd(), Forgetful()).prefix == str(venv)


def test_the_order_of_choice(venv: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memo = Forgetful()
    assert find_interpreter(None, project, memo).chosen == "the running interpreter"
    own = make_venv(project / ".venv")
    found = find_interpreter(None, project, memo)
    assert (found.prefix, found.chosen) == (str(own), "the project's .venv")
    monkeypatch.setenv("VIRTUAL_ENV", str(venv))
    found = find_interpreter(None, project, memo)
    assert (found.prefix, found.chosen) == (str(venv), "$VIRTUAL_ENV")
    monkeypatch.setattr(sys, "prefix", str(project / "running"))
    found = find_interpreter(None, project, memo)
    assert found.chosen == "the running interpreter's virtual environment"
    assert find_interpreter(str(own), project, memo).prefix == str(own)


def test_an_environment_that_is_gone_is_not_chosen(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", str(project / "gone"))
    assert find_interpreter(None, project, Forgetful()).chosen == "the running interpreter"


@pytest.mark.parametrize(
    "tool", ["pipx/venvs/x/pipx_metadata.json", "uv/tools/x/uv-receipt.toml", "uv/archive-v0/x/y"]
)
def test_a_tools_environment_is_not_the_projects(
    project: Path, venv: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    file = project / tool
    file.parent.mkdir(parents=True)
    file.touch()
    monkeypatch.setattr(sys, "prefix", str(file.parent))
    monkeypatch.setenv("VIRTUAL_ENV", str(venv))
    assert find_interpreter(None, project, Forgetful()).prefix == str(venv)


def test_another_interpreter_is_asked_once(
    venv: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    memo = Forgetful()
    first = find_interpreter(str(venv), tmp_path, memo)
    asked: list[str] = []
    real = module._run

    def run(executable: str) -> dict[str, object]:
        asked.append(executable)
        return real(executable)

    monkeypatch.setattr(module, "_run", run)
    assert find_interpreter(str(venv), tmp_path, memo) == first
    assert asked == []
    settings = venv / "pyvenv.cfg"
    text = settings.read_text()
    settings.write_text(text.replace("packages = false", "packages = true"))
    try:
        found = find_interpreter(str(venv), tmp_path, memo)
    finally:
        settings.write_text(text)
    assert len(asked) == 1
    assert found.site_folders[0] == first.site_folders[0]
    assert len(found.site_folders) > 1, "the system's site-packages as well"


def test_neither_the_working_folder_nor_pythonpath_is_believed(
    venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('wrong json')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert find_interpreter(str(venv), tmp_path, Forgetful()).prefix == str(venv)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#!/bin/sh\necho broken >&2; echo 'last words' >&2; exit 3\n", "last words"),
        ("#!/bin/sh\nexit 3\n", "status 3"),
        ("#!/bin/sh\necho hello\n", "no Python interpreter"),
        ("#!/bin/sh\necho '[]'\n", "no Python interpreter"),
        ("#!/no/such/shell\n", "does not run"),
    ],
)
def test_what_is_no_interpreter_is_said(tmp_path: Path, text: str, message: str) -> None:
    fake = tmp_path / "python"
    fake.write_text(text)
    fake.chmod(0o755)
    with pytest.raises(ProjectError, match=message):
        find_interpreter(str(fake), tmp_path, Forgetful())


def test_an_interpreter_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setattr(module, "TIMEOUT", 0.1)
    with pytest.raises(ProjectError, match="did not answer"):
        find_interpreter(str(fake), tmp_path, Forgetful())


@pytest.mark.parametrize("name", ["/no/such/python", "no-such-python", "."])
def test_an_interpreter_that_is_not_there(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProjectError, match=r"virtual\s+environment"):
        find_interpreter(name, tmp_path, Forgetful())


def test_debians_own_interpreter_has_its_own_folders(tmp_path: Path) -> None:
    python = "/usr/bin/python3"
    found = find_interpreter(python, tmp_path, Forgetful())
    assert "/usr/lib/python3/dist-packages" in found.site_folders
    assert not found.is_virtual


def test_the_users_own_site_comes_first(
    venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = os.path.realpath(venv / "bin" / "python")
    version = f"python{sysconfig.get_python_version()}"
    own = Path(os.environ["HOME"]) / ".local" / "lib" / version / "site-packages"
    memo = Forgetful()
    assert str(own) not in find_interpreter(base, tmp_path, memo).site_folders
    own.mkdir(parents=True)
    assert find_interpreter(base, tmp_path, memo).site_folders[0] == str(own)
    monkeypatch.setenv("PYTHONNOUSERSITE", "1")
    assert str(own) not in find_interpreter(base, tmp_path, memo).site_folders


def test_the_probe_runs_by_itself() -> None:
    script = Path(probe.__file__).read_text()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert json.loads(done.stdout)["version"] == probe.describe()["version"]
