"""Launch scripts as a user runs them, and what can be known of their runs from outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sematic.resolvers.documents import Documents
from sematic.resolvers.pods.local import LocalPlace
from sematic.resolvers.records import RunRecord
from sematic.resolvers.stores import open_store
from tests.e2e.command import Run, end
from tests.projects import base_python

ROOT = Path(__file__).parents[2]
PIPELINES = Path(__file__).parent / "pipelines"
SECONDS = 120.0

_SETTINGS = """
[tool.sematic]
base = "{base}"

[tool.sematic.env]
MODE = "test"
"""


def make_project(folder: Path, base: str = "none") -> Path:
    """The pipelines of tests/e2e/pipelines as a project of their own.

    :param base: of its image.
    """
    package = folder / "tests" / "e2e" / "pipelines"
    package.mkdir(parents=True)
    for part in (package, *package.parents[:2]):
        (part / "__init__.py").touch()
    shutil.copy(PIPELINES / "steps.py", package)
    shutil.copy(PIPELINES / "launch.py", folder)
    (folder / "pyproject.toml").write_text(_SETTINGS.format(base=base))
    return folder


def make_environment(folder: Path) -> Path:
    """A virtual environment with sematic, of the base image's Python; its interpreter."""
    subprocess.run([base_python(), "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    uv_install(python, "-e", ROOT)
    return python


def uv_install(python: Path, *arguments: str | Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "pip", "install", "-q", "--python", python, *arguments], check=True)


@dataclass(frozen=True)
class Launcher:
    """Runs scripts of a project.

    :param python: of the environment that goes into the image.
    """

    python: Path
    project: Path

    def start(
        self, *arguments: str, script: str = "launch.py", **variables: str
    ) -> subprocess.Popen[str]:
        """Begin a script, in a session of its own."""
        hidden = ("PYTHONPATH", "VIRTUAL_ENV")
        env = {name: value for name, value in os.environ.items() if name not in hidden}
        return subprocess.Popen(
            [self.python, script, *arguments],
            cwd=self.project,
            env={**env, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, script: str = "launch.py", **variables: str) -> Run:
        return end(self.start(*arguments, script=script, **variables), SECONDS)

    def outcomes(self, *pipelines: str, **variables: str) -> dict[str, Any]:
        """What came of each, by its name."""
        done = self.run(*pipelines, **variables)
        assert done.code == 0, done.err
        lines = [json.loads(line) for line in done.out.splitlines()]
        return dict(zip([name for name in pipelines if name[0] != "-"], lines, strict=True))


def record(run_id: str) -> RunRecord:
    found = LocalPlace().records.read(run_id)
    assert found is not None
    return found


def newest_record() -> RunRecord:
    return LocalPlace().records.list()[0]


def ended_record(run_id: str) -> RunRecord:
    """The record of a run that ends soon."""
    wait(lambda: record(run_id).is_ended, f"run {run_id} has not ended")
    return record(run_id)


def documents(run: RunRecord) -> Documents:
    return Documents(open_store(run.store))


def processes(run_id: str) -> list[int]:
    """The processes that belong to a run."""
    mark, found = f"SEMATIC_RUN_ID={run_id}".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def driver_of(run_id: str) -> int:
    """The process of a detached run's driver."""
    for process in processes(run_id):
        if b"--resolve" in Path(f"/proc/{process}/cmdline").read_bytes():
            return process
    raise LookupError(f"run {run_id} has no driver")


def wait(condition: Callable[[], Any], otherwise: str) -> None:
    """Until a condition is true, which must be soon."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)
