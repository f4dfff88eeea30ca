"""The examples in the documents, as a reader would run them."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.peers.registry import registry

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: str, language: str) -> list[str]:
    found = _BLOCK.findall((ROOT / document).read_text())
    return [text for word, text in found if word == language]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder beside a copy of the quickstart."""
    shutil.copytree(ROOT / "examples" / "quickstart", tmp_path / "quickstart")
    return tmp_path


def test_the_library_examples_run(folder: Path) -> None:
    examples = blocks("docs/library.md", "python")
    assert len(examples) >= 9
    (folder / "examples.py").write_text("\n".join(examples))
    run = subprocess.run(
        [sys.executable, "examples.py"], cwd=folder, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "the image weighs" in run.stdout
    assert (folder / "mine.tar").is_file()


def test_the_command_examples_run(folder: Path, peers_cache: Path) -> None:
    commands = [
        line.removeprefix("$ ")
        for block in blocks("docs/command.md", "console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    assert len(commands) >= 8
    program = f"{sys.executable} -m sematic.oci.cli"
    script = "set -eu\n" + f'sematic-oci() {{ {program} "$@"; }}\n' + "\n".join(commands)
    with registry(folder / "registry", htpasswd={"me": "secret"}) as private:
        own = {"PYTHONPATH": str(ROOT), "REGISTRY": private.host, "PASSWORD": "secret"}
        run = subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            capture_output=True,
            text=True,
            env={**os.environ, **own},
        )
    assert run.returncode == 0, run.stderr


def test_the_readme_and_ci_run_the_same_command() -> None:
    commands = re.findall(r"^\$ (.*nox)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(commands) == 1
    assert commands[0] in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_readmes_first_command_works_in_a_new_environment(folder: Path) -> None:
    (command,) = re.findall(r"^\$ (python3 .*quickstart)$", (ROOT / "README.md").read_text(), re.M)
    checkout = folder / "checkout"
    left_out = shutil.ignore_patterns(".git", ".venv", ".nox", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, checkout, ignore=left_out)
    run = subprocess.run(
        ["bash", "-c", command.replace("python3", sys.executable, 1)],
        cwd=checkout,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert re.fullmatch(r"oci-layout:\S+@sha256:[0-9a-f]{64}\n", run.stdout)
    assert " new, " in run.stderr


@pytest.mark.parametrize("link", re.findall(r"\]\(([\w/.]+)\)", (ROOT / "README.md").read_text()))
def test_the_readme_links_to_what_is_there(link: str) -> None:
    assert (ROOT / link).is_file()


@pytest.mark.parametrize("module", ["reference", "image"])
def test_the_examples_in_docstrings_are_true(module: str) -> None:
    result = doctest.testmod(import_module(f"sematic.oci.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
