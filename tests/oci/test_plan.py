"""Which file goes into which layer, and what stays where it is when something changes."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable

import pytest

from sematic.oci.errors import SettingsError
from sematic.oci.files import FileEntry, FileGroup
from sematic.oci.plan import LayerPlan, plan_layers, tree_groups


def distribution(name: str, size: int = 1000) -> FileGroup:
    entry = FileEntry(f"site/{name}/file.py", size=size, source=f"/nowhere/{name}")
    return FileGroup.of(f"{name} 1.0", "distribution", name, [entry])


def source_groups(entries: Iterable[FileEntry], root: str, name: str = "") -> list[FileGroup]:
    """Groups of a tree that is given as entries."""
    folders: dict[str, list[FileEntry]] = {}
    for entry in entries:
        folder = entry.path if entry.kind == "folder" else os.path.dirname(entry.path)
        folders.setdefault(os.path.relpath(folder, root), []).append(entry)
    found = [FileGroup.of(path, "source", path, inside) for path, inside in folders.items()]
    return tree_groups(found, root, name)


def contents(plans: tuple[LayerPlan, ...]) -> set[frozenset[str]]:
    return {frozenset(group.key for group in plan.groups) for plan in plans}


SMALL = [distribution(f"small{n}") for n in range(200)]
LARGE = [distribution(f"large{n}", (5 + n) << 20) for n in range(5)]


def test_a_large_distribution_has_a_layer_of_its_own() -> None:
    layers = contents(plan_layers(SMALL + LARGE))
    assert all(frozenset({group.key}) in layers for group in LARGE)


def test_distributions_share_no_layer_while_there_are_few() -> None:
    few = SMALL[:30]
    assert contents(plan_layers(few)) == {frozenset({group.key}) for group in few}


def test_the_budget_holds_whatever_there_is() -> None:
    huge = [distribution(f"huge{n}", 100 << 20) for n in range(300)]
    sources = source_groups(
        [FileEntry(f"src/p{n}/m.py", size=10 * 7 ** (n % 8), source="/x") for n in range(300)],
        "src",
    )
    for budget in (4, 5, 10, 20, 40, 100):
        for distributions in (SMALL + huge, huge, SMALL[:3]):
            assert len(plan_layers(distributions + sources, budget)) <= budget


@pytest.mark.parametrize("name", ["another", "zlib", "a"])
def test_adding_a_distribution_changes_one_layer(name: str) -> None:
    before = contents(plan_layers(SMALL + LARGE))
    after = contents(plan_layers([*SMALL, *LARGE, distribution(name)]))
    assert len(before - after) <= 1
    assert len(after - before) == 1


def test_removing_a_distribution_changes_one_layer() -> None:
    before = contents(plan_layers(SMALL + LARGE))
    after = contents(plan_layers(SMALL[1:] + LARGE))
    assert len(before - after) == 1
    assert len(after - before) <= 1


def test_the_order_of_the_groups_does_not_matter() -> None:
    forwards = plan_layers(SMALL + LARGE)
    backwards = plan_layers([*reversed(SMALL), *reversed(LARGE)])
    assert [p.fingerprint for p in forwards] == [p.fingerprint for p in backwards]


def test_what_changes_least_lies_lowest() -> None:
    source = FileGroup.of("app", "source", "app", [FileEntry.from_bytes("src/app.py", b"")])
    runtime = FileGroup.of("runtime", "runtime", "runtime", [FileEntry.folder("venv")])
    unowned = FileGroup.of("stray", "unowned", "unowned", [FileEntry.from_bytes("s.py", b"")])
    plans = plan_layers([source, unowned, *SMALL, *LARGE, runtime])
    kinds = [plan.kind for plan in plans]
    assert kinds[0] == "runtime"
    assert kinds[-2:] == ["unowned", "source"]
    assert [plan.name for plan in plans[1:3]] == ["large4 1.0", "large3 1.0"]


def test_an_edit_in_a_project_of_three_hundred_files_concerns_a_fraction_of_it() -> None:
    entries = [FileEntry(f"src/p{n % 12}/m{n}.py", size=15_000, source="/x") for n in range(300)]
    plans = plan_layers(source_groups(entries, "src"))
    whole = sum(entry.size for entry in entries)
    edits = [plan.size for plan in plans for group in plan.groups for _ in range(group.count)]
    assert sum(edits) / len(edits) < whole / 25


def test_a_folder_with_many_files_is_divided() -> None:
    entries = [FileEntry(f"src/app/m{n}.py", size=15_000, source="/x") for n in range(300)]
    plans = plan_layers(source_groups(entries, "src"))
    assert len(plans) > 32


def test_small_files_are_not_sent_with_large_ones() -> None:
    sizes = {"small": 600, "middle": 6_000, "large": 60_000}
    entries = [
        FileEntry(f"src/{name}/m{n}.py", size=size, source="/x")
        for name, size in sizes.items()
        for n in range(100)
    ]
    plans = plan_layers(source_groups(entries, "src"))
    of = {
        name: [plan for plan in plans if plan.name.startswith(f"source {name}")] for name in sizes
    }
    assert sum(map(len, of.values())) == len(plans)
    assert max(plan.size for plan in of["small"]) < min(plan.size for plan in of["large"])
    assert plans == (*of["large"], *of["middle"], *of["small"])


def modules(count: int, seed: int = 1) -> list[FileEntry]:
    """Files of sizes as those of people are."""
    dice = random.Random(seed)
    sizes = [min(150_000, int(dice.lognormvariate(8.3, 1.2))) for _ in range(count)]
    return [FileEntry(f"src/p{n}/m.py", size=size, source="/x") for n, size in enumerate(sizes)]


def changed(before: list[FileEntry], after: list[FileEntry]) -> int:
    """Layers that are new."""
    plans = [plan_layers(source_groups(entries, "src")) for entries in (before, after)]
    prints = [{plan.fingerprint for plan in each} for each in plans]
    return len(prints[1] - prints[0])


def test_an_edit_changes_one_layer_and_seldom_a_second() -> None:
    entries = modules(300)
    counts: Counter[int] = Counter()
    for n, entry in enumerate(entries):
        edited = [*entries[:n], entry._replace(size=entry.size + 40), *entries[n + 1 :]]
        counts[changed(entries, edited)] += 1
    assert max(counts) <= 3
    assert counts[1] >= 295


def test_a_project_that_grows_is_never_packed_anew() -> None:
    entries = modules(600)
    counts = [changed(entries[:n], entries[: n + 1]) for n in range(20, 600)]
    assert max(counts) <= 5
    assert sum(counts) / len(counts) < 1.3


def test_a_small_project_is_few_layers() -> None:
    entries = [FileEntry(f"src/p{n}/m.py", size=1_000, source="/x") for n in range(30)]
    assert len(plan_layers(source_groups(entries, "src"))) == 1


def test_a_large_file_lies_apart_from_the_code_beside_it() -> None:
    entries = [
        FileEntry("src/app/model.bin", size=50 << 20, source="/x"),
        FileEntry("src/app/main.py", size=100, source="/y"),
    ]
    assert [plan.name for plan in plan_layers(source_groups(entries, "src"))] == [
        "source app/model.bin",
        "source app",
    ]


def test_a_base_that_leaves_no_room_is_an_error() -> None:
    with pytest.raises(SettingsError, match="only 2 layers are left"):
        plan_layers(SMALL, 2)
