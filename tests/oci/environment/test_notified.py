"""A process that pushes again looks at what the kernel tells of: the same comes out as of a look
at everything, whatever happens to the files in between."""

from __future__ import annotations

import mmap
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sematic.oci import Cache, inotify, push, read_settings
from sematic.oci.environment import notified, surveys
from sematic.oci.environment.groups import find_environment
from sematic.oci.environment.interpreter import find_interpreter
from sematic.oci.environment.notified import Notified, Past, looking_again
from sematic.oci.looking import look_file
from sematic.oci.memo import Forgetful, Memo
from tests.oci.environment.installs import DISTRIBUTIONS, make_wide_venv, site_packages

if TYPE_CHECKING:
    from sematic.oci.looking import Beside

MODULE = "distribution_7/a_module_with_a_long_name_3.py"
IS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="mounts are root's")

Found = dict[str, tuple[bytes, int, int]]


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    venv = make_wide_venv(tmp_path / "env")
    (venv / "bin/a_script").write_text("#!/usr/bin/python\n")
    return venv


@pytest.fixture(autouse=True)
def nothing_is_kept() -> Iterator[None]:
    yield
    if notified._past.notified is not None:
        notified._past.notified.close()
    notified._past = Past()
    surveys._loaded.clear()


class Process:
    """One that pushes an environment again and again."""

    def __init__(self, venv: Path, cache: Path) -> None:
        self.venv = venv
        self.memo = Forgetful()
        self.file = look_file(cache, venv, "environment")
        self.beside: Beside | None = None

    def look(self) -> Found:
        with looking_again(self.file) as self.beside:
            return found(self.venv, self.memo, self.beside)

    def is_notified(self) -> bool:
        return isinstance(self.beside, Notified)

    def settle(self) -> Found:
        """Look until it is told of changes."""
        for _ in range(4):
            seen = self.look()
            if self.is_notified():
                return seen
        raise AssertionError("it still looks at everything")


@pytest.fixture
def process(venv: Path, tmp_path: Path) -> Process:
    return Process(venv, tmp_path / "cache")


def found(venv: Path, memo: Memo, beside: Beside | None = None) -> Found:
    interpreter = find_interpreter(str(venv), venv, memo)
    environment = find_environment(interpreter, project=venv.parent, memo=memo, beside=beside)
    return {each.key: (each.fingerprint, each.size, each.newest) for each in environment.groups}


def looked_at(venv: Path) -> Found:
    """What one finds who has never seen it before."""
    known, surveys._loaded = surveys._loaded, {}
    try:
        return found(venv, Forgetful())
    finally:
        surveys._loaded = known


def test_from_the_third_time_on_nothing_is_looked_at(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = process.look()
    assert not process.is_notified()
    assert process.look() == first
    assert process.is_notified()
    looks: list[Any] = []
    stat = os.stat

    def counted(*arguments: Any, **named: Any) -> os.stat_result:
        looks.append(arguments)
        return stat(*arguments, **named)

    monkeypatch.setattr(os, "stat", counted)
    assert process.look() == first
    assert process.is_notified()
    assert len(looks) < 10 * DISTRIBUTIONS  # of the 50 files that each has, none


def written(site: Path) -> None:
    """In place, of the same length, and with the old time stamps."""
    status = (site / MODULE).stat()
    with (site / MODULE).open("r+") as file:
        file.write("y")
    os.utime(site / MODULE, ns=(status.st_atime_ns, status.st_mtime_ns))


def written_through_a_mapping(site: Path) -> None:
    with (site / MODULE).open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
        mapping[0:1] = b"y"


def replaced(site: Path) -> None:
    (site / "other").write_text("y = 2\n")
    (site / "other").rename(site / MODULE)


def made_executable(site: Path) -> None:
    (site / MODULE).chmod(0o755)


def gone(site: Path) -> None:
    (site / MODULE).unlink()


def come(site: Path) -> None:
    (site / MODULE).with_name("one_more.py").write_text("")


def compiled(site: Path) -> None:
    subprocess.run([sys.executable, "-m", "compileall", "-q", site / "distribution_9"], check=True)


def folder_moved(site: Path) -> None:
    (site / "distribution_7").rename(site / "distribution_77")


def folder_exchanged(site: Path) -> None:
    shutil.copytree(site / "distribution_7", site / "new")
    (site / "new" / Path(MODULE).name).write_text("y = 2\n")
    (site / "distribution_7").rename(site.parent / "old")
    (site / "new").rename(site / "distribution_7")


def site_exchanged(site: Path) -> None:
    shutil.copytree(site, site.with_name("new"))
    (site.with_name("new") / MODULE).write_text("y = 2\n")
    site.rename(site.with_name("old"))
    site.with_name("new").rename(site)


def a_link_instead(site: Path) -> None:
    (site.parent / "elsewhere.py").write_text("y = 2\n")
    (site / MODULE).unlink()
    (site / MODULE).symlink_to(site.parent / "elsewhere.py")


def record_rewritten(site: Path) -> None:
    with (site / "distribution_7-1.0.dist-info/RECORD").open("a") as file:
        file.write("distribution_7-1.0.dist-info/METADATA,,\n")


def path_file_come(site: Path) -> None:
    (site / "more.pth").write_text(f"{site}\n")


CHANGES = [
    written,
    written_through_a_mapping,
    replaced,
    made_executable,
    gone,
    come,
    compiled,
    folder_moved,
    folder_exchanged,
    site_exchanged,
    a_link_instead,
    record_rewritten,
    path_file_come,
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_is_noticed(process: Process, change: Callable[[Path], None]) -> None:
    site = site_packages(process.venv)
    before = process.settle()
    change(site)
    after = process.look()
    assert after == looked_at(process.venv)
    assert (after == before) is (change in (compiled, path_file_come))
    assert process.settle() == after


def test_whatever_happens_in_a_row(process: Process) -> None:
    site = site_packages(process.venv)
    chance = random.Random(7)
    files = sorted(site.rglob("*.py"))
    times_notified = 0
    for _ in range(150):
        for _ in range(chance.randrange(3)):
            file = chance.choice(files)
            if not file.exists():
                file.write_text("come back\n")
            elif chance.random() < 0.9:
                with file.open("r+") as opened:
                    opened.write(chance.choice("xyz"))
            else:
                file.unlink()
        assert process.look() == looked_at(process.venv)
        times_notified += process.is_notified()
    assert times_notified > 75


def test_a_file_with_two_names_is_looked_at_every_time(process: Process, tmp_path: Path) -> None:
    site = site_packages(process.venv)
    (tmp_path / "other name").hardlink_to(site / MODULE)
    before = process.settle()
    with (tmp_path / "other name").open("r+") as file:
        file.write("y")
    after = process.look()
    assert process.is_notified()
    assert [key for key in before if before[key] != after[key]] == ["distribution-7"]


def test_a_link_is_looked_at_every_time(process: Process, tmp_path: Path) -> None:
    a_link_instead(site_packages(process.venv))
    before = process.settle()
    (site_packages(process.venv).parent / "elsewhere.py").write_text("y = 3\n")
    after = process.look()
    assert process.is_notified()
    assert [key for key in before if before[key] != after[key]] == ["distribution-7"]


def test_an_environment_of_hard_links_is_not_worth_it(process: Process, tmp_path: Path) -> None:
    for number, file in enumerate(site_packages(process.venv).rglob("*.py")):
        (tmp_path / f"name {number}").hardlink_to(file)
    opened = descriptors()
    for _ in range(4):
        assert process.look() == looked_at(process.venv)
        assert not process.is_notified()
    assert descriptors() == opened


def test_changes_that_are_too_many_to_be_told_are_noticed(process: Process) -> None:
    process.settle()
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    names = [site_packages(process.venv) / MODULE.replace("3", each) for each in "12"]
    with names[0].open("r+b", buffering=0) as one, names[1].open("r+b", buffering=0) as other:
        for _ in range(most // 2 + 1):
            one.write(b"1")
            other.write(b"2")
    written(site_packages(process.venv))
    assert process.look() == looked_at(process.venv)
    assert not process.is_notified()


def test_where_there_are_too_few_watches_all_is_looked_at(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inotify, "_most_watches", lambda: 4 * DISTRIBUTIONS)
    opened = descriptors()
    for _ in range(3):
        assert process.look() == looked_at(process.venv)
        assert not process.is_notified()
    assert descriptors() == opened


def test_only_an_environment_that_is_pushed_in_a_row_is_watched(
    process: Process, tmp_path: Path
) -> None:
    other = Process(make_wide_venv(tmp_path / "other"), tmp_path / "cache")
    opened = descriptors()
    for _ in range(4):
        for each in (process, other):
            each.look()
            assert not each.is_notified()
    assert descriptors() == opened
    process.settle()
    other.settle()
    assert descriptors() == opened + 1


def test_a_damaged_list_is_no_harm(process: Process) -> None:
    process.look()
    list_file = Path(process.file)
    list_file.write_bytes(list_file.read_bytes()[:100])
    for _ in range(3):
        assert process.look() == looked_at(process.venv)
        assert not process.is_notified()


def test_a_copy_of_the_process_takes_nothing_away(process: Process) -> None:
    process.settle()
    written(site_packages(process.venv))
    if not (child := os.fork()):
        try:
            same = process.look() == looked_at(process.venv)
            os._exit(0 if same and not process.is_notified() else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert process.look() == looked_at(process.venv)
    assert process.is_notified()


MOUNTED = """
import shutil, subprocess, sys
from pathlib import Path
from sematic.oci.environment import notified
from tests.oci.environment.test_notified import MODULE, Process, looked_at, site_packages

process = Process(Path(sys.argv[1]), Path(sys.argv[2]))
process.settle()
folder = (site_packages(process.venv) / MODULE).parent
files = {file.name: file.read_text() for file in folder.iterdir()}
subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
for name, text in files.items():
    (folder / name).write_text(text)
(site_packages(process.venv) / MODULE).write_text("y = 2")
after = process.look()
assert not process.is_notified()
assert after == looked_at(process.venv)
assert process.settle() == after
subprocess.run(["mount", "-t", "ramfs", "none", folder], check=True)
for name, text in files.items():
    (folder / name).write_text(text)
for _ in range(4):
    assert process.look() == looked_at(process.venv)
    assert not process.is_notified()
subprocess.run(["umount", folder], check=True)
subprocess.run(["umount", folder], check=True)
notified._past = notified.Past()
process.settle()
site = site_packages(process.venv)
copy = shutil.copytree(site, sys.argv[2] + "-copy")
for kind in ("tmpfs", "ramfs"):
    subprocess.run(["mount", "-t", kind, "none", site], check=True)
    shutil.copytree(copy, site, dirs_exist_ok=True)
for _ in range(4):
    assert process.look() == looked_at(process.venv)
    assert not process.is_notified()
"""


@IS_ROOT
def test_what_is_mounted_is_noticed(venv: Path, tmp_path: Path) -> None:
    command = ["unshare", "--mount", sys.executable, "-c", MOUNTED, str(venv), f"{tmp_path}/cache"]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_push_brings_what_was_written_in_between(venv: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "main.py").write_text("")
    settings = read_settings(
        project, python=str(venv), repository=f"oci-layout:{tmp_path / 'images'}"
    )
    cache = Cache(tmp_path / "cache")
    digests = [push(project, settings, cache=cache).digest for _ in range(3)]
    assert len(set(digests)) == 1
    written(site_packages(venv))
    changed = push(project, settings, cache=cache)
    assert changed.digest != digests[0]
    assert notified._past.notified is not None
    anew = push(project, settings, cache=Cache(tmp_path / "another cache"))
    assert anew.digest == changed.digest


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
