"""Workloads: the same for the same recipe, and changed as is said."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.workloads import Workload, make
from benchmarks.workloads.recipe import Recipe
from benchmarks.workloads.sources import write_project
from benchmarks.workloads.tree import Tree

RECIPE = Recipe("made-up", 40, 12, distributions=3)


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        found.update(str(path.relative_to(folder)).encode())
        if path.is_file() and not path.is_symlink():
            found.update(path.read_bytes())
    return found.hexdigest()


def site(environment: Path) -> Path:
    (folder,) = environment.glob("lib/python3*/site-packages")
    return folder


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    return make(RECIPE, tmp_path_factory.mktemp("workloads"))


def test_the_same_recipe_gives_the_same_files(workload: Workload, tmp_path: Path) -> None:
    again = make(RECIPE, tmp_path)
    assert digest(again.project) == digest(workload.project)
    assert digest(site(again.environment)) == digest(site(workload.environment))


def test_another_name_gives_other_files(workload: Workload, tmp_path: Path) -> None:
    write_project(tmp_path / "other", "other", RECIPE.files, RECIPE.packages, empty=False)
    assert digest(tmp_path / "other") != digest(workload.project)


def test_what_is_there_is_not_made_again(workload: Workload) -> None:
    stamp = workload.project.stat().st_mtime_ns
    assert make(RECIPE, workload.folder.parent).project.stat().st_mtime_ns == stamp


def test_another_recipe_of_the_name_is_made_anew(tmp_path: Path) -> None:
    first = make(RECIPE, tmp_path).facts()["source files"]
    assert make(replace(RECIPE, files=41), tmp_path).facts()["source files"] == first + 1


def test_files_that_are_only_looked_at_have_sizes_and_take_no_room(tmp_path: Path) -> None:
    write_project(tmp_path, "huge", 50, 5, empty=True)
    modules = [path.stat() for path in tmp_path.rglob("*_*.py")]
    assert len(modules) == 50
    assert min(state.st_size for state in modules) >= 200
    assert sum(state.st_blocks for state in modules) == 0


@pytest.fixture
def tree(workload: Workload, tmp_path: Path) -> Tree:
    with workload.open(tmp_path) as opened:
        return opened


def changed(tree: Tree, workload: Workload) -> set[str]:
    """The files of the project that are not as they were at first."""
    return {
        str(path.relative_to(tree.project))
        for path in tree.project.rglob("*.py")
        if not (origin := workload.project / path.relative_to(tree.project)).exists()
        or origin.read_bytes() != path.read_bytes()
    }


def test_an_edit_changes_one_file(tree: Tree, workload: Workload) -> None:
    tree.edit_file(7)
    (edited,) = changed(tree, workload)
    size = (workload.project / edited).stat().st_size
    sizes = [path.stat().st_size for path in workload.project.rglob("*/*.py")]
    assert sum(other < size for other in sizes) >= len(sizes) // 2 - 1
    assert sum(other > size for other in sizes) >= len(sizes) // 2 - 1


def test_ten_edits_are_in_ten_packages(tree: Tree, workload: Workload) -> None:
    tree.edit_ten_files(7)
    assert len({Path(path).parent for path in changed(tree, workload)}) == 10


def test_a_change_that_was_made_is_not_made_again(tree: Tree, workload: Workload) -> None:
    tree.edit_file(7)
    (edited,) = changed(tree, workload)
    stamp = (tree.project / edited).stat().st_mtime_ns
    tree.edit_file(7)
    assert (tree.project / edited).stat().st_mtime_ns == stamp


def test_after_a_branch_all_is_as_before(tree: Tree, workload: Workload) -> None:
    tree.switch(7)
    assert len(changed(tree, workload)) == RECIPE.files // 5
    tree.switch_back(8)
    assert changed(tree, workload) == set()


def test_an_upgrade_is_another_version_each_time(tree: Tree) -> None:
    contents = []
    for number in (1, 2):
        tree.upgrade(number)
        contents.append(digest(site(tree.environment)))
    assert len(list(site(tree.environment).glob("made_up_0-*.dist-info"))) == 1
    assert contents[0] != contents[1]


def test_an_environment_is_put_back(workload: Workload, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with workload.open(tmp_path / "first") as tree:
        before = digest(site(tree.environment))
        tree.add_distribution(1)
        tree.upgrade(2)
        assert digest(site(tree.environment)) != before
    with workload.open(tmp_path / "second") as tree:
        assert digest(site(tree.environment)) == before
