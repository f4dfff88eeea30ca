"""Trees that are packed into layers by folders, so that few of their files need entries."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sematic.oci.files import FileEntry, FileGroup
from sematic.oci.memo import Forgetful
from sematic.oci.plan import plan_layers, tree_groups
from sematic.oci.tree.walk import find_tree
from tests.oci.test_plan import contents, source_groups


@pytest.mark.parametrize("name", ["", "lib"])
@pytest.mark.parametrize("folders", [3, 40, 300])
def test_a_tree_is_packed_by_folders_as_it_is_by_entries(
    folders: int, name: str, tmp_path: Path
) -> None:
    sizes = {f"p{n}/{m}.py": 5_000 + 60_000 * (n % 9) for n in range(folders) for m in range(5)}
    sizes |= {"top.py": 10, ".hidden/x": 1, "p1/large.bin": 3 << 20}
    sizes |= {f"many/{n}.py": 100_000 for n in range(20)}
    for path, size in sizes.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
        os.truncate(tmp_path / path, size)
    tree = find_tree(tmp_path, "src", memo=Forgetful())
    by_folders = tree_groups(tree.folders, "src", name)
    by_entries = source_groups(tree.entries, "src", name)
    assert {(g.name, g.key, g.size, g.count) for g in by_folders} == {
        (g.name, g.key, g.size, g.count) for g in by_entries
    }
    assert contents(plan_layers(by_folders)) == contents(plan_layers(by_entries))


def test_of_a_very_large_tree_few_folders_are_made_entries_of() -> None:
    def entries() -> list[FileEntry]:
        raise AssertionError("it was made entries of")

    folders = [
        FileGroup(f"p{n}", "source", f"p{n}", 400_000, 51, b"", 0, entries) for n in range(2000)
    ]
    assert tree_groups(folders, "src") == folders
