"""An environment as it goes into the image, with distributions that pip and uv installed."""

from __future__ import annotations

import base64
import csv
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sematic.oci import files
from sematic.oci.environment import snapshot, survey, surveys
from sematic.oci.environment.groups import Environment, find_environment
from sematic.oci.environment.interpreter import find_interpreter
from sematic.oci.errors import FileChanged
from sematic.oci.files import FileEntry, FileGroup
from sematic.oci.memo import Forgetful
from sematic.oci.values import replace
from tests.oci.environment.installs import (
    FLIT,
    HATCHLING,
    SETUPTOOLS,
    make_venv,
    pip_install,
    run_in,
    site_packages,
    unpack,
    uv_install,
    write_project,
)

LIBRARY = f"sematic/venv/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
SHARED = '[tool.hatch.build.targets.wheel.shared-data]\n"share" = "share/plain"\n'
FORCED = '[tool.hatch.build.targets.wheel.force-include]\n"hook.pth" = "hook.pth"\n'
NAMESPACE = '[tool.setuptools]\npackages = ["space.{0}"]\n'
STARTS = (
    b"#!/a/b/bin/python\n",
    b"#! /a/b/bin/python3.12\r\n",
    b"#!/bin/sh\n'''exec' /a/very/long/bin/python3 \"$0\" \"$@\"\n' '''\n",
    b"#!/bin/sh\n'''exec' '/a path/bin/python3' \"$0\" \"$@\"\n' '''\n",
    b'#!/bin/sh\n\'\'\'exec\' "$(dirname -- "$(realpath -- "$0")")"/\'python3\' "$0" "$@"\n'
    b"' '''\n",
)
SCRIPTS = '[project.scripts]\nplain = "plain.main:Main.run"\n'


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("sources")
    plain = {
        "plain/__init__.py": "",
        "plain/main.py": "class Main:\n    @staticmethod\n    def run(): print('plain ran')\n",
        "plain/a, b.txt": "a comma",
        "share/data.txt": "data",
        "tool": "#!python\nprint('tool ran')\n",
    }
    tool = '[tool.hatch.build.targets.wheel.shared-scripts]\n"tool" = "tool"\n'
    return [
        write_project(root / "plain", HATCHLING, plain, SCRIPTS + SHARED + tool),
        write_project(
            root / "one", SETUPTOOLS, {"space/one/a.py": "x = 1"}, NAMESPACE.format("one")
        ),
        write_project(
            root / "two", SETUPTOOLS, {"space/two/a.py": "x = 2"}, NAMESPACE.format("two")
        ),
        write_project(
            root / "hooked",
            HATCHLING,
            {"hooked/__init__.py": "", "hook.pth": "import sys; sys.hooked = True\n"},
            FORCED,
        ),
        write_project(root / "flat_file", FLIT, {"flat_file.py": "'x'\n"}),
    ]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory, sources: list[Path]) -> Path:
    venv = make_venv(tmp_path_factory.mktemp("pristine") / "env")
    pip_install(venv, *sources)
    return venv


@pytest.fixture
def venv(pristine: Path, tmp_path: Path) -> Path:
    """An environment of the test's own: RECORD and scripts as in the one it was copied from."""
    copy = tmp_path / "env"
    shutil.copytree(pristine, copy, symlinks=True)
    return copy


def find(venv: Path, memo: Forgetful | None = None, project: Path | None = None) -> Environment:
    memo = memo or Forgetful()
    interpreter = find_interpreter(str(venv), venv, memo)
    return find_environment(interpreter, project=project or venv.parent / "project", memo=memo)


def group(environment: Environment, key: str) -> FileGroup:
    return {group.key: group for group in environment.groups}[key]


def entries(environment: Environment) -> dict[str, FileEntry]:
    return {entry.path: entry for group in environment.groups for entry in group.entries()}


def facts(environment: Environment) -> list[tuple[str, int, bytes]]:
    """What makes digests: paths, modes and content."""
    found = entries(environment).values()
    return sorted(
        (e.path, e.mode, Path(str(e.source)).read_bytes() if e.source else e.data) for e in found
    )


def fingerprints(environment: Environment) -> dict[str, bytes]:
    return {group.key: group.fingerprint for group in environment.groups}


def test_each_distribution_is_a_group(venv: Path) -> None:
    found = find(venv)
    assert [(g.key, g.kind, g.name) for g in sorted(found.groups, key=lambda g: g.key)] == [
        ("flat-file", "distribution", "flat_file 1.0"),
        ("hooked", "distribution", "hooked 1.0"),
        ("one", "distribution", "one 1.0"),
        ("plain", "distribution", "plain 1.0"),
        ("two", "distribution", "two 1.0"),
    ]
    assert (found.roots, found.left_out, found.notes) == ((), (), ())
    for each in found.groups:
        whole = each.entries()
        assert each.count == len(whole)
        assert each.size == sum(entry.size for entry in whole if entry.source)
        assert [e.path for e in whole] == sorted(e.path for e in whole)
        assert each.newest <= time.time_ns()


def test_where_files_go(venv: Path) -> None:
    paths = [entry.path for entry in group(find(venv), "plain").entries()]
    meta = f"{LIBRARY}/plain-1.0.dist-info"
    assert paths == [
        "sematic/venv/bin/plain",
        "sematic/venv/bin/tool",
        f"{meta}/METADATA",
        f"{meta}/RECORD",
        f"{meta}/WHEEL",
        f"{meta}/entry_points.txt",
        f"{LIBRARY}/plain/__init__.py",
        f"{LIBRARY}/plain/a, b.txt",
        f"{LIBRARY}/plain/main.py",
        "sematic/venv/share/plain/data.txt",
    ]


def test_the_record_says_what_is_in_the_image(venv: Path, tmp_path: Path) -> None:
    found = find(venv)
    unpack([e for g in found.groups for e in g.entries()], tmp_path)
    site = tmp_path / LIBRARY
    for each in found.groups:
        record = next(e for e in each.entries() if e.path.endswith("/RECORD"))
        rows = list(csv.reader(record.data.decode().splitlines()))
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
        assert len(rows) == each.count
        for path, digest, size in rows:
            if path.endswith("/RECORD"):
                assert (digest, size) == ("", "")
                continue
            data = (site / path).read_bytes()
            algorithm, _, value = digest.partition("=")
            computed = hashlib.new(algorithm, data).digest()
            assert base64.urlsafe_b64encode(computed).decode().rstrip("=") == value, path
            assert int(size) == len(data)


def test_it_works_when_it_is_unpacked(venv: Path, tmp_path: Path) -> None:
    unpack([e for g in find(venv).groups for e in g.entries()], tmp_path)
    script = (
        "import sys, plain, space.one.a, space.two.a, flat_file, importlib.metadata as m\n"
        "print(sys.hooked, space.one.a.x, space.two.a.x, m.version('plain'))\n"
        "for e in m.entry_points(group='console_scripts'): e.load()()\n"
        "print([str(f) for f in m.files('plain') if not f.locate().exists()])"
    )
    assert run_in(tmp_path, script).splitlines() == ["True 1 2 1.0", "plain ran", "[]"]


def test_scripts_start_the_images_interpreter(venv: Path, tmp_path: Path) -> None:
    found = entries(find(venv))
    plain, tool = found["sematic/venv/bin/plain"], found["sematic/venv/bin/tool"]
    assert (plain.mode, tool.mode) == (0o755, 0o755)
    assert plain.data.startswith(b"#!/sematic/venv/bin/python3\nimport sys\n")
    assert tool.data == b"#!/sematic/venv/bin/python3\nprint('tool ran')\n"
    unpack(list(found.values()), tmp_path)
    script = "import runpy\nrunpy.run_path({!r}, run_name='__main__')"
    path = str(tmp_path / "sematic/venv/bin/plain")
    assert (
        run_in(
            tmp_path,
            "import sys\ntry:\n  "
            + script.format(path).replace("\n", "\n  ")
            + ("\nexcept SystemExit: pass"),
        )
        == "plain ran\n"
    )


def test_options_of_the_interpreter_stay(venv: Path) -> None:
    (venv / "bin" / "tool").write_bytes(b"#!/a/bin/python3 -I -E\nx\n")
    tool = entries(find(venv))["sematic/venv/bin/tool"]
    assert tool.data == b"#!/sematic/venv/bin/python3 -I -E\nx\n"


@pytest.mark.parametrize("start", STARTS)
def test_every_way_of_naming_an_interpreter(venv: Path, start: bytes) -> None:
    (venv / "bin" / "tool").write_bytes(start + b"x = 1\n")
    tool = entries(find(venv))["sematic/venv/bin/tool"]
    assert tool.data == b"#!/sematic/venv/bin/python3\nx = 1\n"


@pytest.mark.parametrize(
    "text", [b"#!/bin/sh\necho\n", b"#!/usr/bin/env python3\nx\n", b"\x7fELF python", b""]
)
def test_other_programs_stay_as_they_are(venv: Path, text: bytes) -> None:
    (venv / "bin" / "tool").write_bytes(text)
    found = {path: data for path, _, data in facts(find(venv))}
    assert found["sematic/venv/bin/tool"] == text


def test_another_place_and_another_installer_change_nothing(
    venv: Path, sources: list[Path], tmp_path: Path
) -> None:
    other = make_venv(tmp_path / "a place with spaces" / "other")
    uv_install(other, "--link-mode", "symlink", *sources)
    assert facts(find(other)) == facts(find(venv))


def test_bytecode_stays_out_and_writing_it_changes_nothing(venv: Path) -> None:
    memo = Forgetful()
    before = find(venv, memo)
    content = facts(before)
    subprocess.run([venv / "bin/python", "-m", "compileall", "-q", venv / "lib"], check=True)
    pip_record = site_packages(venv) / "plain-1.0.dist-info" / "RECORD"
    assert list(venv.rglob("*.pyc"))
    after = find(venv, memo)
    assert fingerprints(after) == fingerprints(before)
    surveys._loaded.clear()
    assert fingerprints(find(venv, memo)) == fingerprints(before)
    with pip_record.open("a") as file:
        file.write("plain/__pycache__/__init__.cpython-311.pyc,,\n")
    assert facts(find(venv, memo)) == content


def test_nothing_is_surveyed_again_when_nothing_changed(
    venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_RACY", -(10**12))  # believe every stamp
    memo = Forgetful()
    first = find(venv, memo)
    monkeypatch.setattr(survey, "survey", None)
    for _ in range(2):
        again = find(venv, memo)
        assert fingerprints(again) == fingerprints(first)
        assert facts(again) == facts(first)
        assert (again.roots, again.left_out, again.notes) == ((), (), ())
        surveys._loaded.clear()


def test_a_changed_file_changes_one_group(venv: Path) -> None:
    memo = Forgetful()
    before = fingerprints(find(venv, memo))
    (site_packages(venv) / "plain" / "main.py").write_text("y = 1\n")
    after = fingerprints(find(venv, memo))
    assert {key for key in after if after[key] != before[key]} == {"plain"}
    (site_packages(venv) / "plain" / "main.py").chmod(0o755)
    again = find(venv, memo)
    assert fingerprints(again)["plain"] != after["plain"]
    assert entries(again)[f"{LIBRARY}/plain/main.py"].mode == 0o755


def test_new_and_removed_files_are_seen(venv: Path) -> None:
    memo = Forgetful()
    find(venv, memo)
    site = site_packages(venv)
    (site / "plain" / "extra.py").write_text("")
    (site / "deep" / "er").mkdir(parents=True)
    (site / "deep" / "er" / "x.py").write_text("")
    found = find(venv, memo)
    unowned = group(found, "unowned")
    assert (unowned.kind, unowned.name) == ("unowned", "files of no distribution")
    assert [e.path for e in unowned.entries()] == [
        f"{LIBRARY}/deep/er/x.py",
        f"{LIBRARY}/plain/extra.py",
    ]
    assert found.notes == ("files of no distribution go in as well: deep/er/x.py, plain/extra.py",)
    (site / "plain" / "extra.py").unlink()
    (site / "plain" / "main.py").unlink()
    found = find(venv, memo)
    assert f"{LIBRARY}/plain/main.py" not in entries(found)
    record = entries(found)[f"{LIBRARY}/plain-1.0.dist-info/RECORD"].data
    assert b"main.py" not in record


def test_an_installed_and_a_removed_distribution_are_seen(venv: Path, tmp_path: Path) -> None:
    memo = Forgetful()
    before = find(venv, memo)
    extra = write_project(tmp_path / "extra", FLIT, {"extra.py": "'x'\n"})
    pip_install(venv, extra)
    after = find(venv, memo)
    assert {g.key for g in after.groups} - {g.key for g in before.groups} == {"extra"}
    changed = {k for k, v in fingerprints(before).items() if fingerprints(after)[k] != v}
    assert changed == set()
    shutil.rmtree(site_packages(venv) / "extra-1.0.dist-info")
    (site_packages(venv) / "extra.py").unlink()
    assert facts(find(venv, memo)) == facts(before)


def test_a_distribution_whose_files_are_gone_is_told(venv: Path) -> None:
    shutil.rmtree(site_packages(venv) / "hooked")
    (site_packages(venv) / "hook.pth").unlink()
    assert find(venv).notes == ("hooked 1.0: its files are gone",)


def test_files_outside_the_environment_are_named(venv: Path, tmp_path: Path) -> None:
    outside = tmp_path / "etc" / "plain.conf"
    outside.parent.mkdir()
    outside.write_text("x")
    record = site_packages(venv) / "plain-1.0.dist-info" / "RECORD"
    (venv / "etc").mkdir()
    (venv / "etc" / "inside, too.conf").write_text("x")
    with record.open("a") as file:
        file.write(f'{outside},,\n"{venv}/etc/inside, too.conf",,\n/gone/file,,\n')
    found = find(venv)
    assert [(o.path, o.weight) for o in found.left_out] == [(str(outside), "refused")]
    assert "plain 1.0" in found.left_out[0].rule
    assert "sematic/venv/etc/inside, too.conf" in entries(found)


def test_the_first_of_two_versions_wins(venv: Path) -> None:
    site = site_packages(venv)
    old = site / "plain-0.9.dist-info"
    shutil.copytree(site / "plain-1.0.dist-info", old)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: Plain\nVersion: 0.9\n")
    (site / "gone.py").write_text("")
    (old / "RECORD").write_text("plain/main.py,,\ngone.py,,\nplain-0.9.dist-info/RECORD,,\n")
    found = find(venv)
    assert [g.name for g in found.groups if g.key == "plain"] == ["Plain 0.9"]
    assert len(found.notes) == 1
    assert "plain 1.0" in found.notes[0]
    assert "Plain 0.9 comes first on sys.path" in found.notes[0]


def test_system_packages_come_after_the_environments_own(venv: Path, tmp_path: Path) -> None:
    interpreter = find_interpreter(str(venv), venv, Forgetful())
    second = tmp_path / "system" / "lib" / "python3" / "dist-packages"
    shutil.copytree(site_packages(venv), second)
    (second / "plain" / "main.py").write_text("other")
    (second / "only.py").write_text("")
    (second / "hook.pth").write_text("import other\n")
    (tmp_path / "system" / "share" / "plain").mkdir(parents=True)
    both = replace(interpreter, site_folders=(*interpreter.site_folders, str(second)))
    found = find_environment(both, project=tmp_path / "project", memo=Forgetful())
    alone = find(venv)
    assert facts(found)[: len(facts(alone))] != []
    assert {p for p, _, _ in facts(found)} - {p for p, _, _ in facts(alone)} == {
        f"{LIBRARY}/only.py"
    }
    assert len([note for note in found.notes if "is left out" in note]) == 5


def test_legacy_metadata(venv: Path) -> None:
    site = site_packages(venv)
    for name, text in {
        "old-1.0-py3.11.egg-info/PKG-INFO": "Name: Old\nVersion: 1.0\n",
        "old-1.0-py3.11.egg-info/installed-files.txt": "../old/a.py\n../old/gone.py\nPKG-INFO\n",
        "old/a.py": "",
        "tops-2.egg-info/PKG-INFO": "Name: tops\nVersion: 2\n",
        "tops-2.egg-info/top_level.txt": "tops\n_tops\n",
        "tops/x/y.py": "",
        "_tops.cpython-311-x86_64-linux-gnu.so": "",
        "single-3-py3.11.egg-info": "Name: single\nVersion: 3\n",
        "single.py": "",
    }.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    found = find(venv)
    names = {g.key: [e.path[len(LIBRARY) + 1 :] for e in g.entries()] for g in found.groups}
    assert names["old"] == [
        *("old-1.0-py3.11.egg-info/PKG-INFO", "old-1.0-py3.11.egg-info/installed-files.txt"),
        "old/a.py",
    ]
    assert "tops/x/y.py" in names["tops"]
    assert "_tops.cpython-311-x86_64-linux-gnu.so" in names["tops"]
    assert names["single"] == ["single-3-py3.11.egg-info"]
    assert names["unowned"] == ["single.py"]


def test_links_in_the_environment_are_followed(venv: Path, tmp_path: Path) -> None:
    site = site_packages(venv)
    outside = tmp_path / "linked"
    outside.mkdir()
    (outside / "a.py").write_text("x")
    (outside / "up").symlink_to(tmp_path)
    (site / "linked").symlink_to(outside)
    (site / "self").symlink_to(site)
    (site / "dangling").symlink_to("nothing")
    (site / "one.py").symlink_to(outside / "a.py")
    found = [e for e in group(find(venv), "unowned").entries() if "up/" not in e.path]
    assert [(e.path[len(LIBRARY) + 1 :], e.kind, e.size) for e in found] == [
        ("linked/a.py", "file", 1),
        ("one.py", "file", 1),
    ]


def test_a_file_that_vanishes_while_it_is_looked_at(
    venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memo = Forgetful()
    find(venv, memo)
    monkeypatch.setattr(snapshot.Watch, "check", lambda self, started, seen: True)
    (site_packages(venv) / "plain" / "main.py").unlink()
    assert f"{LIBRARY}/plain/main.py" not in entries(find(venv, memo))


def test_a_script_that_changes_after_it_was_looked_at(venv: Path) -> None:
    plain = group(find(venv), "plain")
    (venv / "bin" / "tool").write_text("#!/x/bin/python\nother\n")
    with pytest.raises(FileChanged, match="tool"):
        plain.entries()


def test_a_memo_that_holds_nonsense_is_no_memo(venv: Path) -> None:
    memo = Forgetful()
    first = find(venv, memo)
    for key in list(memo._values):
        if not key.startswith("interpreter"):
            memo.remember(key, b"nonsense")
    surveys._loaded.clear()
    assert fingerprints(find(venv, memo)) == fingerprints(first)


def test_an_empty_environment(tmp_path: Path) -> None:
    found = find(make_venv(tmp_path / "empty"))
    assert found == Environment((), (), (), ())
