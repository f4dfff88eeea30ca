"""Another process looks at an environment's files: the same comes out, and nothing is missed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic.oci.environment import surveys
from sematic.oci.environment.groups import Environment, find_environment
from sematic.oci.environment.interpreter import find_interpreter
from sematic.oci.errors import FileChanged
from sematic.oci.look import record
from sematic.oci.looking import Looking, look_file, looking, start
from sematic.oci.memo import Forgetful
from tests.oci.environment.installs import DISTRIBUTIONS, make_wide_venv, site_packages

FORK = pytest.mark.parametrize("fork", [False, True])


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """An environment whose list of files is long enough for a process of its own."""
    return make_wide_venv(tmp_path / "env")


@pytest.fixture
def file(tmp_path: Path) -> str:
    return look_file(tmp_path / "cache", tmp_path / "project", "environment")


@pytest.fixture
def memo() -> Iterator[Forgetful]:
    """What is remembered between runs, but not within this process."""
    yield Forgetful()
    surveys._loaded.clear()


def find(venv: Path, memo: Forgetful, beside: Looking | None = None) -> Environment:
    surveys._loaded.clear()
    interpreter = find_interpreter(str(venv), venv, memo)
    return find_environment(interpreter, project=venv.parent, memo=memo, beside=beside)


def fingerprints(environment: Environment) -> dict[str, tuple[bytes, int, int]]:
    return {each.key: (each.fingerprint, each.size, each.newest) for each in environment.groups}


def seen_beside(file: str) -> Looking:
    """All of a list, once it has been looked at."""
    beside = Looking(file)
    assert beside.folders()
    for number in range(DISTRIBUTIONS):
        assert beside.group(number)
    return beside


@FORK
def test_the_other_process_sees_what_this_one_sees(
    fork: bool, venv: Path, file: str, memo: Forgetful
) -> None:
    with looking(file) as beside:
        find(venv, memo, beside)
    (survey,) = surveys._loaded.values()
    start(file, fork)
    with looking(file) as beside:
        assert beside.identity == survey.listed
        assert beside.folders() == survey.watch.record()
        for number, contents in enumerate(survey.groups):
            assert beside.group(number) == record(contents.facts(), contents.whole)


def test_it_makes_no_difference_who_looks(venv: Path, file: str, memo: Forgetful) -> None:
    with looking(file) as beside:
        first = fingerprints(find(venv, memo, beside))
    assert os.path.exists(file)
    assert fingerprints(find(venv, memo)) == first
    for _ in range(5):
        with looking(file) as beside:
            assert fingerprints(find(venv, memo, beside)) == first
    assert fingerprints(find(venv, memo, seen_beside(file))) == first


def test_a_file_that_is_changed_in_place_is_noticed(venv: Path, file: str, memo: Forgetful) -> None:
    with looking(file) as beside:
        before = fingerprints(find(venv, memo, beside))
    module = site_packages(venv) / "distribution_7" / "a_module_with_a_long_name_3.py"
    with module.open("r+") as opened:
        opened.write("y")
    after = fingerprints(find(venv, memo, seen_beside(file)))
    assert [key for key in before if before[key] != after[key]] == ["distribution-7"]


def test_a_file_that_has_come_is_noticed(venv: Path, file: str, memo: Forgetful) -> None:
    with looking(file) as beside:
        find(venv, memo, beside)
    (site_packages(venv) / "stray.py").write_text("")
    assert "unowned" in fingerprints(find(venv, memo, seen_beside(file)))


def test_what_has_changed_since_then_is_not_taken(venv: Path, file: str, memo: Forgetful) -> None:
    with looking(file) as beside:
        find(venv, memo, beside)
    found = find(venv, memo, seen_beside(file))
    (site_packages(venv) / "distribution_7" / "a_module_with_a_long_name_3.py").write_text("")
    (changed,) = [each for each in found.groups if each.key == "distribution-7"]
    with pytest.raises(FileChanged, match=r"distribution_7 1\.0 has changed"):
        changed.entries()


def test_a_process_that_fails_is_not_needed(
    venv: Path, file: str, memo: Forgetful, monkeypatch: pytest.MonkeyPatch
) -> None:
    with looking(file) as beside:
        first = fingerprints(find(venv, memo, beside))
    for program in ("/bin/false", "/nowhere"):
        monkeypatch.setattr(sys, "executable", program)
        with looking(file) as beside:
            assert fingerprints(find(venv, memo, beside)) == first


def test_another_list_is_not_believed_and_replaced(venv: Path, file: str, memo: Forgetful) -> None:
    with looking(file) as beside:
        first = fingerprints(find(venv, memo, beside))
    right = Path(file).read_bytes()
    Path(file).write_bytes(bytes(16) + right[16:])
    with looking(file) as beside:
        assert fingerprints(find(venv, memo, beside)) == first
    assert Path(file).read_bytes() == right


@FORK
def test_what_was_begun_ahead_is_gone_on_with_and_ended(
    fork: bool, venv: Path, file: str, memo: Forgetful
) -> None:
    with looking(file) as beside:
        find(venv, memo, beside)
    before = _children()
    began = start(file, fork)
    with looking(file) as beside:
        assert beside.began == began
        assert len(_children() - before) == 1
    assert _children() <= before
    with looking(file) as beside:
        assert beside.began > began


def _children() -> set[str]:
    return set(Path("/proc/self/task", str(os.getpid()), "children").read_text().split())
