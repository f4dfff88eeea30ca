"""Which file goes into which layer, and what stays where it is when something changes."""

from __future__ import annotations

import pytest

from sematic.oci.errors import SettingsError
from sematic.oci.files import FileEntry, FileGroup
from sematic.oci.plan import LayerPlan, plan_layers, source_groups


def distribution(name: str, size: int = 1000) -> FileGroup:
    entry = FileEntry(f"site/{name}/file.py", size=size, source=f"/nowhere/{name}")
    return FileGroup.of(f"{name} 1.0", "distribution", name, [entry])


def contents(plans: tuple[LayerPlan, ...]) -> set[frozenset[str]]:
    return {frozenset(group.key for group in plan.groups) for plan in plans}


SMALL = [distribution(f"small{n}") for n in range(200)]
LARGE = [distribution(f"large{n}", (5 + n) << 20) for n in range(5)]


def test_a_large_distribution_has_a_layer_of_its_own() -> None:
    layers = contents(plan_layers(SMALL + LARGE))
    assert all(frozenset({group.key}) in layers for group in LARGE)


def test_the_budget_holds_whatever_there_is() -> None:
    huge = [distribution(f"huge{n}", 100 << 20) for n in range(300)]
    sources = source_groups(
        [FileEntry(f"src/p{n}/m.py", size=300_000, source="/x") for n in range(300)], "src"
    )
    for budget in (10, 20, 40, 100):
        assert len(plan_layers(SMALL + huge + sources, budget)) <= budget


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
    assert len(plans) == 32


def test_a_project_that_grows_is_seldom_packed_anew() -> None:
    entries = [FileEntry(f"src/p{n}/m.py", size=10_000, source="/x") for n in range(2000)]
    anew, before = 0, contents(())
    for count in range(1, len(entries)):
        after = contents(plan_layers(source_groups(entries[:count], "src")))
        anew += len(after - before) > 1
        before = after
    assert anew <= 6


def test_a_small_project_is_one_layer() -> None:
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
