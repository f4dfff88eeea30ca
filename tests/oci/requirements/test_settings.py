"""Which files are asked for, and what they need here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sematic.oci.errors import SettingsError
from sematic.oci.settings import read_settings


@pytest.fixture
def configured(project: Path) -> Path:
    (project / "pyproject.toml").write_text(
        '[tool.sematic]\nrequirements = ["deploy/base.txt", "more.txt"]\ngroups = ["jobs"]\n'
    )
    return project


def test_files_of_the_project_are_named_from_its_folder(configured: Path) -> None:
    settings = read_settings(configured)
    assert settings.requirements == (
        str(configured / "deploy/base.txt"),
        str(configured / "more.txt"),
    )
    assert settings.groups == ("jobs",)


def test_what_is_named_on_the_spot_counts_instead(configured: Path) -> None:
    assert read_settings(configured, requirements=("own.txt",)).requirements == ("own.txt",)
    assert read_settings(configured, python="venv").requirements == ()
    assert read_settings(configured, environment=False).requirements == ()


def test_a_variable_counts_where_nothing_else_does(
    project: Path, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMATIC_REQUIREMENTS", "one.txt, two.txt")
    assert len(read_settings(configured).requirements) == 2
    assert read_settings(configured).requirements[1].endswith("more.txt")
    (configured / "pyproject.toml").unlink()
    assert read_settings(configured).requirements == ("one.txt", "two.txt")


def test_either_requirements_or_an_environment(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        '[tool.sematic]\nrequirements = ["x.txt"]\npython = ".venv"\n'
    )
    with pytest.raises(SettingsError, match=r"either requirements .* or an environment"):
        read_settings(project)


@pytest.mark.parametrize("missing", ["uv", "packaging", "installer"])
def test_a_missing_library_is_an_error_that_names_the_extra(project: Path, missing: str) -> None:
    (project / "requirements.txt").write_text("six\n")
    code = (
        "import sys\n"
        f"for name in [*sys.modules, {missing!r}]:\n"
        f"    if name.partition('.')[0] == {missing!r}:\n"
        "        sys.modules[name] = None\n"
        "from sematic.oci.cli import main\n"
        "sys.exit(main(['plan', '.', '--requirements', 'requirements.txt']))\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        f"sematic-oci: an image from requirements needs {missing}, which is not installed here, "
        "or too old.\n"
        "Install it: pip install 'sematic[requirements]'\n"
    )
