from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

COMMON = """
import sys
from pathlib import Path
import sematic
from sematic.errors import ConfigurationError
from sematic.resolvers.launch_script import script_module

@sematic.func
def own(number: int) -> int:
    return number

def launch() -> None:
    try:
        print("module", script_module(own(1), [Path(sys.argv[1])], sys._getframe()))
    except ConfigurationError as error:
        print("refused", error)
"""
GUARDED = """
if __name__ == "__main__":
    launch()
"""


def said(script: Path, root: Path, text: str, *options: str) -> str:
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(textwrap.dedent(text))
    command = [sys.executable, *(options or [str(script)]), str(root)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_script_is_called_by_its_place_in_the_project(tmp_path: Path) -> None:
    assert said(tmp_path / "launch.py", tmp_path, COMMON + GUARDED) == "module launch"
    script = tmp_path / "scripts/one.py"
    assert said(script, tmp_path, COMMON + GUARDED) == "module scripts.one"


def test_a_module_that_is_run_is_called_by_its_name(tmp_path: Path) -> None:
    script = tmp_path / "pkg/__main__.py"
    assert said(script, tmp_path, COMMON + GUARDED, "-m", "pkg") == "module pkg.__main__"


@pytest.mark.parametrize("name", ["two-words.py", "script"])
def test_a_script_that_no_pod_can_import_is_refused(name: str, tmp_path: Path) -> None:
    text = said(tmp_path / name, tmp_path, COMMON + GUARDED)
    assert text.startswith("refused pods cannot import own") and "Define funcs in a module" in text


def test_a_script_outside_of_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    text = said(tmp_path / "launch.py", tmp_path / "project", COMMON + GUARDED)
    assert "is outside of the project" in text


def test_what_is_defined_interactively_is_refused(tmp_path: Path) -> None:
    text = said(tmp_path / "x.py", tmp_path, "", "-c", COMMON + "launch()")
    assert "they are defined interactively" in text


@pytest.mark.parametrize(
    "launching",
    ["launch()", "for _ in range(1):\n    launch()", "if True:\n    launch()"],
)
def test_a_launch_that_every_pod_would_repeat_is_refused(launching: str, tmp_path: Path) -> None:
    text = said(tmp_path / "launch.py", tmp_path, f"{COMMON}\n{launching}\n")
    assert "launch.py, line " in text and 'below `if __name__ == "__main__":`' in text


def test_a_script_without_funcs_may_be_anything(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text(COMMON)
    script = "from steps import launch\nlaunch()\n"
    assert said(tmp_path / "one-off.py", tmp_path, script) == "module"
