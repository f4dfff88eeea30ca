"""Real virtual environments with small distributions of our own, built and installed by pip."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sematic.oci.files import FileEntry

HATCHLING = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "{name}"
version = "1.0"
"""
FLIT = """
[build-system]
requires = ["flit_core"]
build-backend = "flit_core.buildapi"
[project]
name = "{name}"
version = "1.0"
description = "x"
"""
POETRY = """
[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
[tool.poetry]
name = "{name}"
version = "1.0"
description = "x"
authors = []
"""
SETUPTOOLS = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "1.0"
"""


def write_project(folder: Path, head: str, files: Mapping[str, str], tail: str = "") -> Path:
    """A source tree of a distribution that is named as its folder."""
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "pyproject.toml").write_text(head.format(name=folder.name) + tail)
    return folder


def make_venv(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder


DISTRIBUTIONS = 40


def make_wide_venv(folder: Path) -> Path:
    """One whose list of files is long enough for others to look at it."""
    venv = make_venv(folder)
    for number in range(DISTRIBUTIONS):
        name = f"distribution_{number}"
        names = [f"{name}/a_module_with_a_long_name_{module}.py" for module in range(50)]
        information = site_packages(venv) / f"{name}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        (information / "RECORD").write_text("".join(f"{path},,\n" for path in names))
        (site_packages(venv) / name).mkdir()
        for path in names:
            (site_packages(venv) / path).write_text("x = 1\n")
    time.sleep(0.05)  # what is younger than a tick of the clock is not believed
    return venv


def pip_install(venv: Path, *arguments: str | Path) -> None:
    """Install with the test run's own pip and build backends, which stay outside of it."""
    command: list[str | Path] = [venv / "bin" / "python", "-m", "pip", "install", "-q"]
    command += ["--no-index", "--no-deps", "--no-build-isolation", "--no-compile"]
    _run([*command, "--disable-pip-version-check", *arguments], _own_packages())


def uv_install(venv: Path, *arguments: str | Path) -> None:
    command: list[str | Path] = [Path(sys.executable).with_name("uv"), "pip", "install", "-q"]
    command += ["--offline", "--no-deps", "--no-build-isolation", "--python", venv / "bin/python"]
    _run([*command, *arguments], _own_packages())


def _own_packages() -> dict[str, str]:
    return {"PYTHONPATH": sysconfig.get_path("purelib")}


def site_packages(venv: Path) -> Path:
    return next(venv.glob("lib/python*/site-packages"))


def unpack(entries: Sequence[FileEntry], root: Path) -> None:
    """Write entries below a folder, as a container engine would."""
    for entry in entries:
        path = root / entry.path
        if entry.kind == "folder":
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind == "link":
            path.symlink_to(entry.target)
        else:
            path.write_bytes(Path(str(entry.source)).read_bytes() if entry.source else entry.data)
            path.chmod(entry.mode)


def run_in(root: Path, script: str) -> str:
    """Run Python with an unpacked image's site-packages and nothing else that is installed."""
    site = next((root / "sematic" / "venv").glob("lib/python*/site-packages"))
    for file in site.glob("*.pth"):
        file.write_text(file.read_text().replace("/sematic/", f"{root}/sematic/"))
    script = f"import site; site.addsitedir({str(site)!r})\n{script}"
    return _run([sys.executable, "-I", "-S", "-c", script], {})


def _run(command: Sequence[str | Path], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, cwd="/", env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
