"""Folders are listed again only where they changed, and files looked at by another process."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from sematic.oci import looking as looking_module
from sematic.oci.errors import FileChanged
from sematic.oci.look import record
from sematic.oci.looking import Looking, look_file, looking
from sematic.oci.memo import Forgetful
from sematic.oci.tree import walk as walk_module
from sematic.oci.tree.listing import facts_there
from sematic.oci.tree.walk import Tree, find_tree
from tests.oci.tree.test_walk import change, write

LATER = 0.05
"""Seconds after which a time stamp is believed."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    return root


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a list that is kept however short it is."""
    monkeypatch.setattr(looking_module, "_WORTH_IT", 1)
    monkeypatch.setattr(walk_module, "_UNPACKED", 0)
    return look_file(tmp_path / "cache", tmp_path / "project", "tree")


def walk(root: Path, memo: Forgetful, file: str | None = None) -> Tree:
    with looking(file) as beside:
        return find_tree(root, "src", memo=memo, beside=beside)


def fingerprints(tree: Tree) -> dict[str, bytes]:
    return {folder.name: folder.fingerprint for folder in tree.folders}


def seen_beside(file: str, folders: int) -> Looking:
    """All of a list, once it has been looked at."""
    beside = Looking(file)
    assert beside.folders()
    assert all(beside.group(number) for number in range(folders))
    return beside


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of folders that are listed from now on."""
    found: list[str] = []
    scandir = os.scandir

    def listing_scandir(folder: str) -> object:
        found.append(os.path.basename(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", listing_scandir)
    return found


def test_a_folder_is_listed_again_only_if_it_changed(root: Path, listed: list[str]) -> None:
    memo = Forgetful()
    write(root, "a/one", "a/two", "b/one")
    time.sleep(LATER)
    walk(root, memo)
    assert sorted(listed) == ["a", "b", "project"]
    listed.clear()
    (root / "a" / "one").write_text("other")
    walk(root, memo)
    assert listed == []
    write(root, "a/three")
    assert "src/a/three" in {entry.path for entry in walk(root, memo).entries}
    assert listed == ["a"]


def test_a_folder_that_has_just_changed_is_listed_once_more(root: Path, listed: list[str]) -> None:
    memo = Forgetful()
    write(root, "a/one")
    walk(root, memo)
    assert listed
    listed.clear()
    walk(root, memo)
    assert "a" in listed  # a name may have come within the same tick of the clock


def test_another_process_sees_what_this_one_sees(root: Path, file: str) -> None:
    memo = Forgetful()
    write(root, "a/one", "b/two", "b/three", "c/d/four")
    first = walk(root, memo, file)
    beside = seen_beside(file, 3)
    for number, (folder, names) in enumerate(
        [("c/d", ["four"]), ("b", ["three", "two"]), ("a", ["one"])]
    ):
        _, facts = facts_there(str(root / folder), names)
        assert beside.group(number) == record(facts, len(facts))
    again = find_tree(root, "src", memo=memo, beside=beside)
    beside.end()
    assert (again, fingerprints(again)) == (first, fingerprints(first))


def test_it_makes_no_difference_who_looks_whatever_changes(root: Path, file: str) -> None:
    memo, dice = Forgetful(), random.Random(11)
    for _ in range(60):
        if change(root, dice):
            found, plain = walk(root, memo, file), walk(root, Forgetful())
            assert fingerprints(found) == fingerprints(plain)
            assert found == plain


def test_a_list_is_written_only_if_names_change(root: Path, file: str) -> None:
    memo = Forgetful()
    write(root, "a/one", "a/two")
    walk(root, memo, file)
    before = os.stat(file).st_ino
    (root / "a" / "one").write_text("other")
    walk(root, memo, file)
    assert os.stat(file).st_ino == before
    (root / "a" / "one").rename(root / "a" / "other")
    walk(root, memo, file)
    assert os.stat(file).st_ino != before


def test_a_list_that_is_short_now_is_not_kept(
    root: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memo = Forgetful()
    write(root, "a/one", "a/two")
    walk(root, memo, file)
    assert os.path.exists(file)
    monkeypatch.setattr(looking_module, "_WORTH_IT", 1 << 20)
    (root / "a" / "two").unlink()
    walk(root, memo, file)
    assert not os.path.exists(file)


@pytest.mark.parametrize("what", ["nothing", "a folder", "a pipe", "a link"])
def test_what_is_no_file_any_more_is_no_entry(root: Path, file: str, what: str) -> None:
    memo = Forgetful()
    write(root, "a/one", "a/two")
    tree = walk(root, memo, file)
    one = root / "a" / "one"
    one.rename(root / "moved")
    if what == "a folder":
        one.mkdir()
    if what == "a pipe":
        os.mkfifo(one)
    if what == "a link":
        one.symlink_to("../moved")
    with pytest.raises(FileChanged, match=rf"{root}/a/"):
        _ = tree.entries
