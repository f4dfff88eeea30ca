"""The examples in the documents, as a reader would run them."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.e2e.launching import Launcher, ended_record, make_environment, uv_install
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


def test_the_pipeline_examples_run(folder: Path) -> None:
    examples = blocks("docs/pipelines.md", "python")
    assert len(examples) >= 8
    (folder / "examples.py").write_text("\n".join(examples))
    run = subprocess.run(
        [sys.executable, "examples.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr.splitlines()[-1].startswith("RESOLVED")


@pytest.mark.parametrize(
    ("documents", "least"), [(("command", "bases"), 10), (("requirements",), 4)]
)
def test_the_command_examples_run(
    folder: Path, peers_cache: Path, documents: tuple[str, ...], least: int
) -> None:
    commands = [
        line.removeprefix("$ ")
        for document in documents
        for block in blocks(f"docs/{document}.md", "console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    assert len(commands) >= least
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
    (command,) = re.findall(r"^\$ (python3 .*launch\.py)$", (ROOT / "README.md").read_text(), re.M)
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
    assert run.stdout.startswith("Quarter(number=3, mean=")
    assert re.search(r"image oci-layout:\S+@sha256:[0-9a-f]{64}", run.stderr)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The interpreter of an environment with sematic and what the quickstart needs."""
    venv = tmp_path_factory.mktemp("venv")
    made = make_environment(venv)
    uv_install(made, "-r", ROOT / "examples" / "quickstart" / "requirements.txt")
    yield made
    shutil.rmtree(venv)


def test_the_quickstart_runs_in_pods_with_nothing_configured(folder: Path, python: Path) -> None:
    (command,) = re.findall(
        r"^\$ python (.*)$", (ROOT / "examples/quickstart/README.md").read_text(), re.M
    )
    launcher = Launcher(python, folder / "quickstart")
    done = launcher.run(script=command)
    assert done.code == 0, done.err
    assert done.out.startswith("Quarter(number=3, mean=")
    assert "summarise_quarter | quarter 4: 84 days\n" in done.err
    detached = launcher.run("--detach", script=command)
    assert ended_record(detached.out.strip()).state == "RESOLVED"


def test_the_examples_of_runs_run(folder: Path, python: Path) -> None:
    commands = [
        line.removeprefix("$ ")
        for block in blocks("docs/runs.md", "console")
        for line in block.splitlines()
    ]
    assert len(commands) >= 8
    (folder / "quickstart" / "examples.py").write_text("\n".join(blocks("docs/runs.md", "python")))
    script = "\n".join(["set -eu", *commands, "python examples.py"])
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        ["bash", "-c", script],
        cwd=folder / "quickstart",
        capture_output=True,
        text=True,
        env={**env, "PATH": f"{python.parent}:{os.environ['PATH']}"},
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("Quarter(number=3, mean=") == 2
    assert "summarise_quarter | quarter 4: 84 days\n" in run.stdout
    assert (folder / "quickstart" / "quarter.pickle").is_file()


@pytest.mark.parametrize("link", re.findall(r"\]\(([\w/.]+)\)", (ROOT / "README.md").read_text()))
def test_the_readme_links_to_what_is_there(link: str) -> None:
    assert (ROOT / link).is_file()


@pytest.mark.parametrize("module", ["reference", "image"])
def test_the_examples_in_docstrings_are_true(module: str) -> None:
    result = doctest.testmod(import_module(f"sematic.oci.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
