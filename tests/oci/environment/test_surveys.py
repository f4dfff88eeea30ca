"""An environment that changed is read again where it changed, as if all of it were read."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest

from sematic.oci.environment import sites, snapshot, surveys
from sematic.oci.environment.groups import Environment, find_environment
from sematic.oci.environment.interpreter import Interpreter, find_interpreter
from sematic.oci.environment.snapshot import Contents
from sematic.oci.looking import Looking, look_file, looking
from sematic.oci.memo import Forgetful
from sematic.oci.values import replace
from tests.oci.environment.installs import make_venv, site_packages

NAMES = ("a", "b", "c")
SETTLED = 25_000_000
"""After so long (ns) the stamp of a file that was written is believed."""


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_venv(tmp_path_factory.mktemp("pristine") / "env")


@pytest.fixture
def interpreter(pristine: Path, tmp_path: Path) -> Interpreter:
    """Of an environment with two site folders, and distributions in both."""
    venv, other = tmp_path / "env", tmp_path / "system" / "lib" / "python3" / "dist-packages"
    shutil.copytree(pristine, venv, symlinks=True)
    for name in NAMES:
        write_distribution(site_packages(venv), name, "1")
    write_distribution(other, "b", "1")
    write_distribution(other, "d", "1")
    found = find_interpreter(str(venv), venv, Forgetful())
    return replace(found, site_folders=(str(site_packages(venv)), str(other)))


def write_distribution(site: Path, name: str, version: str) -> None:
    information = site / f"{name}-{version}.dist-info"
    names = [f"{name}/{inner}.py" for inner in ("x", "deep/y", "deep/er/z", f"v{version}")]
    for path in [information / "METADATA", *(site / each for each in names)]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Name: {name}\nVersion: {version}\n")
    (information / "RECORD").write_text("".join(f"{path},,\n" for path in names))


def find(interpreter: Interpreter, memo: Forgetful, beside: Looking | None = None) -> Environment:
    """What is found by a process that remembers nothing of its own."""
    surveys._loaded.clear()
    project = Path(interpreter.site_folders[0]).parents[3] / "project"
    return find_environment(interpreter, project=project, memo=memo, beside=beside)


def facts(found: Environment) -> list[object]:
    groups = [(g.name, g.key, g.size, g.count, g.fingerprint, g.newest) for g in found.groups]
    entries = [group.entries() for group in found.groups]
    return [groups, entries, found.roots, found.left_out, found.notes, found.inside]


def survey() -> list[object]:
    """What the last survey said."""
    (last,) = surveys._loaded.values()
    return [last.groups, last.watch.folders, last.watch.listings, last.listed]


def change(site: Path, dice: random.Random) -> None:
    """Something that happens in a site folder."""
    folders = [site, *(path for path in site.rglob("*") if path.is_dir() and not path.is_symlink())]
    files = [path for path in site.rglob("*") if path.is_file()]
    if not files:
        return write_distribution(site, "a", "1")
    folder, file, name = dice.choice(folders), dice.choice(files), dice.choice(NAMES)
    what = dice.randrange(10)
    if what == 0:
        (folder / f"{name}.py").write_text("new")
    elif what == 1:
        file.unlink()
    elif what == 2 and folder != site:
        shutil.rmtree(folder)
    elif what == 3:
        for old in site.glob(f"{name}*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        write_distribution(site, name, str(dice.randrange(1, 4)))
    elif what == 4:  # besides the version that is there
        write_distribution(site, name, "0")
    elif what == 5:
        records = [path for path in files if path.name == "RECORD"]
        listed = dice.sample(files, min(len(files), 6))
        lines = [f"{path.relative_to(site)},,\n" for path in listed] + ["../../../bin/tool,,\n"]
        dice.choice(records or [site / "RECORD"]).write_text("".join(lines))
    elif what == 6:
        link = folder / f"link_{name}"
        link.unlink(missing_ok=True)
        link.symlink_to(dice.choice([*folders, *files]))
    elif what == 7:
        (folder / "__pycache__").mkdir(exist_ok=True)
        (folder / "__pycache__" / f"{name}.pyc").write_text("")
    elif what == 8:
        (site / f"{name}.pth").write_text(dice.choice([".\n", "import os\n", f"{folder}\n"]))
    else:
        file.write_text(dice.choice(["", "changed"]))


def until_settled() -> None:
    until = time.time_ns() + SETTLED
    while time.time_ns() < until:
        pass


@pytest.mark.parametrize("seed", range(4))
def test_after_random_changes_all_is_as_if_nothing_were_remembered(
    interpreter: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("sematic.oci.looking._WORTH_IT", 0)
    memo, dice, file = (
        Forgetful(),
        random.Random(seed),
        look_file(tmp_path, tmp_path, "environment"),
    )
    for _ in range(40):
        for _ in range(dice.choice([1, 1, 3])):
            change(Path(dice.choice(interpreter.site_folders)), dice)
        if dice.random() < 0.5:
            until_settled()
        with looking(file) as beside:
            found = find(interpreter, memo, beside)
        there = survey()
        assert facts(found) == facts(find(interpreter, Forgetful()))
        assert there == survey()


def test_only_folders_that_changed_are_listed_again(
    interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    memo, site = Forgetful(), Path(interpreter.site_folders[0])
    until_settled()
    find(interpreter, memo)
    listed: list[str] = []

    def list_folder(path: str) -> str | None:
        listed.append(path)
        return snapshot.list_folder(path)

    monkeypatch.setattr(sites, "list_folder", list_folder)
    (site / "a" / "deep" / "new.py").write_text("")
    find(interpreter, memo)
    assert listed == [str(site / "a" / "deep")]
    find(interpreter, memo)  # its stamp may have been given before the file came
    assert listed == [str(site / "a" / "deep")]


def test_files_of_other_distributions_are_not_looked_at_twice(
    interpreter: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sematic.oci.looking._WORTH_IT", 0)
    memo, site, file = (
        Forgetful(),
        Path(interpreter.site_folders[0]),
        look_file(tmp_path, tmp_path, "environment"),
    )
    with looking(file) as beside:
        find(interpreter, memo, beside)
    shutil.rmtree(site / "b-1.dist-info")
    shutil.rmtree(site / "b")
    write_distribution(site, "b", "2")
    looked: list[str] = []
    own = Contents.facts

    def seen(contents: Contents) -> object:
        looked.append(contents.name)
        return own(contents)

    monkeypatch.setattr(Contents, "facts", seen)
    with looking(file) as beside:
        assert beside.folders() is None
        for number in range(5):
            beside._record(number + 1, wait=True)
        find(interpreter, memo, beside)
    assert looked == ["b 2"]
