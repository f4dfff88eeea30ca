"""Folders of a tree whose files are not kept as entries."""

from __future__ import annotations

import os
import random
import tracemalloc
from pathlib import Path

import pytest

from sematic.oci.errors import FileChanged
from sematic.oci.files import FileGroup
from sematic.oci.memo import Forgetful
from sematic.oci.tree import walk as walk_module
from sematic.oci.tree.walk import Tree, find_tree
from tests.oci.tree.test_walk import change, rules, write

OLD = 1_600_000_000_000_000_000


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a tree that is packed however few files it has."""
    monkeypatch.setattr(walk_module, "_UNPACKED", 0)
    root = tmp_path / "project"
    root.mkdir()
    return root


def walk(root: Path, memo: Forgetful | None = None) -> Tree:
    return find_tree(root, "src", memo=memo or Forgetful())


def group(tree: Tree, name: str) -> FileGroup:
    return next(folder for folder in tree.folders if folder.name == name)


def fingerprints(tree: Tree) -> dict[str, bytes]:
    return {folder.name: folder.fingerprint for folder in tree.folders}


def changed(before: Tree, after: Tree) -> set[str]:
    """The folders that look otherwise, are new or have gone."""
    return {name for name, _ in fingerprints(before).items() ^ fingerprints(after).items()}


def test_entries_are_those_of_a_tree_that_is_not_packed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, "a.py", "b/c.py", "b/d/\udcff", "b/e.tmp", "b/key.pem", ".gitignore", text="*.tmp")
    write(root, "run", text="")
    (root / "run").chmod(0o755)
    (root / "b" / "near").symlink_to("c.py")
    (root / "empty").mkdir()
    packed = walk(root)
    monkeypatch.setattr(walk_module, "_UNPACKED", 1000)
    assert packed.entries == walk(root).entries
    assert fingerprints(packed) == fingerprints(walk(root))


def test_a_group_knows_its_files_without_entries(root: Path) -> None:
    write(root, "a/b", "a/c", text="four")
    (root / "a" / "link").symlink_to("b")
    os.utime(root / "a" / "b", ns=(OLD, OLD * 2))
    tree = walk(root)
    assert [folder.name for folder in tree.folders] == ["a"]
    found = group(tree, "a")
    entries = found.entries()
    assert {entry.path for entry in entries} == {"src/a", "src/a/b", "src/a/c", "src/a/link"}
    assert (found.count, found.size) == (len(entries), sum(entry.size for entry in entries))
    assert found.newest == max(max(e.stamp[:2]) for e in entries if e.stamp) == OLD * 2


def test_a_file_looks_otherwise_though_size_and_mtime_are_the_same(root: Path) -> None:
    write(root, "a/file", "b/file", "c/file", text="one")
    before = walk(root)
    stamp = os.stat(root / "a" / "file")
    (root / "a" / "file").write_text("two")
    os.utime(root / "a" / "file", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other = root / "b" / "other"
    other.write_text("two")
    stamp = os.stat(root / "b" / "file")
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other.replace(root / "b" / "file")
    assert changed(before, walk(root)) == {"a", "b"}
    for name in "ab":
        with pytest.raises(FileChanged, match=rf"{root}/{name}/ has changed since"):
            group(before, name).entries()
    group(before, "c").entries()


def test_a_file_that_has_gone_is_not_made_an_entry(root: Path) -> None:
    write(root, "a/one", "a/two")
    tree = walk(root)
    (root / "a" / "one").unlink()
    with pytest.raises(FileChanged, match=rf"{root}/a/one has gone since it was found"):
        _ = tree.entries
    write(root, "a/one")
    with pytest.raises(FileChanged):
        _ = tree.entries


def test_what_is_left_out_is_none_of_a_folder(root: Path) -> None:
    write(root, ".gitignore", text="*.tmp\n")
    write(root, "a/file")
    memo = Forgetful()
    before = walk(root, memo)
    write(root, "a/x.tmp", "a/__pycache__/file.pyc", "a/.env")
    after = walk(root, memo)
    assert set(rules(after)) == {"a/x.tmp", "a/__pycache__/", "a/.env"}
    assert not changed(before, after)
    assert group(before, "a").entries() == group(after, "a").entries()


def test_an_ignore_file_that_changes_is_heard(root: Path) -> None:
    write(root, "a/x.py", "a/x.tmp", "b/x.tmp", "b/.gitignore")
    memo = Forgetful()
    before = walk(root, memo)
    write(root, ".gitignore", text="*.tmp\n")
    assert changed(before, walk(root, memo)) == {".", "a", "b"}
    assert changed(walk(root, memo), walk(root)) == set()
    stamp = os.stat(root / ".gitignore")
    write(root, ".gitignore", text="*.py\n\n")
    os.utime(root / ".gitignore", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert set(rules(walk(root, memo))) == {"a/x.py"}


def test_a_folder_that_is_renamed_is_another_with_the_same_files(root: Path) -> None:
    write(root, "a/x", "a/b/y")
    memo = Forgetful()
    before = walk(root, memo)
    (root / "a").rename(root / "z")
    after = walk(root, memo)
    assert changed(before, after) == {"a", "a/b", "z", "z/b"}
    assert {entry.path for entry in after.entries} == {"src/z", "src/z/x", "src/z/b", "src/z/b/y"}


def test_a_folder_in_whose_place_a_link_is(root: Path, tmp_path: Path) -> None:
    write(root, "a/x", "b/x", "c/x")
    memo = Forgetful()
    before = walk(root, memo)
    for name in "bc":
        (root / name).rename(tmp_path / name)
    (root / "b").symlink_to("a")
    (root / "c").symlink_to(tmp_path / "c")
    after = walk(root, memo)
    assert [(e.path, e.kind) for e in after.entries] == [
        ("src/a", "folder"),
        ("src/a/x", "file"),
        ("src/b", "link"),
    ]
    assert set(rules(after)) == {"c"}
    with pytest.raises(FileChanged):
        _ = before.entries


def test_a_folder_a_file_and_a_link_of_one_name_are_told_apart(root: Path) -> None:
    memo = Forgetful()
    write(root, "build/x", "sub/x", "keep")
    assert set(rules(walk(root, memo))) == {"build/"}
    for name in ("build", "sub"):
        (root / name / "x").unlink()
        (root / name).rmdir()
        write(root, name)
    tree = walk(root, memo)
    assert [(e.path, e.kind) for e in tree.entries] == [
        *(("src/build", "file"), ("src/keep", "file"), ("src/sub", "file"))
    ]
    (root / "sub").unlink()
    (root / "sub").symlink_to("keep")
    (root / "keep").unlink()
    os.mkfifo(root / "keep")
    tree = walk(root, memo)
    assert [(e.path, e.kind) for e in tree.entries] == [
        *(("src/build", "file"), ("src/sub", "link"))
    ]
    assert rules(tree) == {"keep": "a FIFO"}


def test_a_link_counts_by_where_it_leads(root: Path, tmp_path: Path) -> None:
    write(root, "a/x", "a/y")
    write(tmp_path, "outside")
    (root / "a" / "link").symlink_to("x")
    (root / "a" / "copied").symlink_to(tmp_path / "outside")
    memo = Forgetful()
    before = walk(root, memo)
    write(tmp_path, "outside", text="longer")
    assert changed(before, walk(root, memo)) == {"a"}
    before = walk(root, memo)
    (root / "a" / "link").unlink()
    (root / "a" / "link").symlink_to("y")
    assert changed(before, walk(root, memo)) == {"a"}


def test_random_changes_look_the_same_whatever_is_remembered(root: Path) -> None:
    memo, dice = Forgetful(), random.Random(11)
    for _ in range(80):
        before = walk(root, memo)
        is_other = change(root, dice, gone=0.3)
        after = walk(root, memo)
        assert fingerprints(after) == fingerprints(walk(root))
        assert (after.entries, after.left_out) == (walk(root).entries, walk(root).left_out)
        assert is_other or not changed(before, after)


def test_a_packed_file_takes_little_more_room_than_its_name(root: Path) -> None:
    for folder in range(100):
        (root / str(folder)).mkdir()
        for number in range(50):
            (root / str(folder) / f"module_{number}.py").touch()
    walk(root)
    tracemalloc.start()
    tree = walk(root)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(folder.count for folder in tree.folders) == 5100
    assert peak < 5000 * 100


def test_something_in_a_tree_is_found_by_its_path(root: Path) -> None:
    write(root, "a/b/file", "c")
    (root / "link").symlink_to("a")
    tree = walk(root)
    assert all(map(tree.holds, ["a", "a/b", "a/b/file", "c", "link"]))
    assert not any(map(tree.holds, ["b", "file", "a/b/b", "a/c", "src", "src/a"]))
