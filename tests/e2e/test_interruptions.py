"""Pushes that are interrupted, killed, or meet a full disk or a registry that goes away."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Protocol

import pytest

from sematic.oci.layout import Layout
from sematic.oci.reference import LayoutReference
from tests.e2e.caches import assert_sound
from tests.e2e.command import Run, end, run, start
from tests.peers.registry import Registry, registry
from tests.peers.tools import Crane, Skopeo
from tests.projects import small_disk as make_small_disk

MOMENTS = 5
FILES = 5
SIZE = 2 << 20
SIGNALS = [signal.SIGINT, signal.SIGTERM]  # test_kills.py has the third
SAID = "sematic-oci: interrupted; "


class Place(Protocol):
    """Where images go: what its tag stands for, and whether that is complete."""

    name: str

    def digest(self) -> str: ...

    def check(self) -> None: ...

    def age(self) -> None:
        """Let what dead writers have left look old."""


class RegistryPlace:
    def __init__(self, name: str, crane: Crane) -> None:
        self.name = name
        self._crane = crane

    def digest(self) -> str:
        return self._crane.digest(self.name)

    def check(self) -> None:
        self._crane.validate(self.name)

    def age(self) -> None:
        """Uploads that were not finished are the registry's own concern."""


class LayoutPlace:
    def __init__(self, folder: Path, skopeo: Skopeo) -> None:
        self.name = f"oci-layout:{folder}:latest"
        self._folder = folder
        self._skopeo = skopeo

    def digest(self) -> str:
        return Layout(LayoutReference(str(self._folder))).head("latest") or ""

    def check(self) -> None:
        copy = self._folder.with_name("copy")
        self._skopeo.copy(f"oci:{self._folder}:latest", f"oci:{copy}:latest")

    def age(self) -> None:
        for path in self.leftovers():
            os.utime(path, (0, 0))

    def leftovers(self) -> list[Path]:
        return list(self._folder.glob(".*"))


@pytest.fixture(params=["registry", "layout"])
def place(
    request: pytest.FixtureRequest,
    docker_registry: Registry,
    crane: Crane,
    skopeo: Skopeo,
    tmp_path: Path,
) -> Place:
    if request.param == "registry":
        return RegistryPlace(f"{docker_registry.host}/team/{tmp_path.name}:latest".lower(), crane)
    return LayoutPlace(tmp_path / "layout", skopeo)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of a few large files that cannot be compressed."""
    folder = tmp_path / "large"
    folder.mkdir()
    edit(folder, random.Random(0))
    return folder


def edit(folder: Path, chance: random.Random) -> None:
    for number in range(FILES):
        (folder / f"{number}.bin").write_bytes(chance.randbytes(SIZE))


def arguments(folder: Path, to: str) -> list[str | Path]:
    return ["push", folder, "--no-environment", "--compression", "gzip", "--to", to]


def begin(folder: Path, to: str) -> subprocess.Popen[str]:
    """A push that has found its files and is about to deliver them."""
    process = start(*arguments(folder, to))
    assert process.stderr is not None
    assert process.stderr.readline().startswith("note: no base")
    return process


def interrupted(folder: Path, to: str, number: signal.Signals, seconds: float) -> Run:
    """A push that gets a signal so many seconds after its delivery has begun."""
    process = begin(folder, to)
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.send_signal(number)
    return end(process)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_push_that_is_interrupted_leaves_the_old_image_and_the_next_one_carries_on(
    number: signal.Signals, place: Place, folder: Path, tmp_path: Path
) -> None:
    chance = random.Random(number.name)
    began = time.monotonic()
    process = begin(folder, place.name)
    found = time.monotonic()
    old = end(process).reference.rpartition("@")[2]
    needed = time.monotonic() - found
    assert found - began < 60
    codes = []
    for moment in range(MOMENTS):
        edit(folder, chance)
        stopped = interrupted(folder, place.name, number, chance.uniform(0, 0.8 * needed))
        codes.append(0 if stopped.out else shell_code(stopped))  # 0: it came after the end
        if codes[-1] == 130:
            assert [line for line in stopped.err.splitlines() if SAID in line] == [
                stopped.err.splitlines()[-1]
            ]
        assert "Traceback" not in stopped.err and "Exception" not in stopped.err
        left = place.digest()
        if left != old or moment == MOMENTS - 1:  # what has been checked stays as it is
            place.check()
        place.age()
        new = run(*arguments(folder, place.name)).reference.rpartition("@")[2]
        assert left in (old, new), moment
        assert place.digest() == new != old
        place.check()
        if isinstance(place, LayoutPlace):
            assert not place.leftovers()
        old = new
    assert set(codes) <= {130, 0} and 130 in codes
    assert_sound(tmp_path / "home" / "cache")


def shell_code(stopped: Run) -> int:
    """The exit code as a shell gives it: CPython may end itself by SIGINT after our own 130."""
    return stopped.code if stopped.code >= 0 else 128 - stopped.code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_push_to_a_registry_that_hangs_can_be_interrupted(
    number: signal.Signals, folder: Path, tmp_path: Path
) -> None:
    with registry(tmp_path / "registry") as place:
        process = begin(folder, f"{place.host}/team/hanging")
        server = server_of(place)
        os.kill(server, signal.SIGSTOP)
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
            process.send_signal(number)
            stopped = end(process, 15)
        finally:
            os.kill(server, signal.SIGCONT)
        assert shell_code(stopped) == 130
        assert stopped.err.splitlines()[-1].startswith(SAID)


def server_of(place: Registry) -> int:
    """The process that serves a registry."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if words[0] == b"docker-registry" and os.fsencode(place.root) in words[-2]:
                return int(path.parent.name)
    raise LookupError(f"nothing serves {place.root}")


# Errors


def assert_one_error(failed: Run, *words: str) -> None:
    """Exit code 1, nothing on stdout, one message on stderr, no traceback."""
    assert (failed.code, failed.out) == (1, ""), failed.err
    assert failed.err.count("sematic-oci: ") == 1
    message = failed.err.partition("sematic-oci: ")[2]
    assert message.count("\n") <= 3, message
    assert "Traceback" not in failed.err
    for word in words:
        assert word in message


def test_a_registry_that_goes_away_is_one_error_soon(folder: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        place = stack.enter_context(registry(tmp_path / "registry"))
        process = begin(folder, f"{place.host}/team/away")
        os.kill(server_of(place), signal.SIGKILL)
        assert_one_error(end(process, 40), place.host)


def test_a_registry_that_is_read_only_is_one_error(folder: Path, tmp_path: Path) -> None:
    with registry(tmp_path / "registry", readonly=True) as place:
        failed = run(*arguments(folder, f"{place.host}/team/readonly"))
        assert_one_error(failed, f"{place.host} refused", "405", "It may be read-only.")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    with make_small_disk(tmp_path / "small", "4m") as folder:
        yield folder


def test_a_layout_on_a_full_disk_is_one_error_and_the_old_image_stays(
    folder: Path, small_disk: Path, skopeo: Skopeo, tmp_path: Path
) -> None:
    little = tmp_path / "little"
    little.mkdir()
    (little / "a.py").write_text("print('a')\n")
    place = LayoutPlace(small_disk / "layout", skopeo)
    before = run(*arguments(little, place.name)).reference
    failed = run(*arguments(folder, place.name))
    assert_one_error(failed, f"cannot write oci-layout:{small_disk}", "No space left on device")
    assert place.digest() == before.rpartition("@")[2]
    assert not place.leftovers()
    skopeo.copy(f"oci:{small_disk}/layout:latest", f"oci:{tmp_path}/copy:latest")


def test_a_registry_whose_disk_is_full_says_so_and_takes_the_next_push(
    folder: Path, crane: Crane, tmp_path: Path
) -> None:
    (root := tmp_path / "registry").mkdir()
    with ExitStack() as stack:
        disk = stack.enter_context(make_small_disk(root / "data", "32m"))
        place = stack.enter_context(registry(root))
        (disk / "filler").write_bytes(bytes(29 << 20))
        name = f"{place.host}/team/full"
        failed = run(*arguments(folder, name))
        assert_one_error(failed, f"{place.host} refused ", " (team/full): 500 UNKNOWN")
        assert_one_error(failed, "no space left on device", "Free space in the registry")
        assert not list(disk.rglob("tags/*"))
        (disk / "filler").unlink()
        pushed = run(*arguments(folder, name)).reference
        assert crane.digest(name) == pushed.rpartition("@")[2]
        crane.validate(name)


def test_a_cache_on_a_full_disk_is_no_error(folder: Path, small_disk: Path, crane: Crane) -> None:
    (small_disk / "filler").write_bytes(bytes((4 << 20) - 8192))
    to = f"oci-layout:{folder.parent}/layout"
    first = run(*arguments(folder, to), SEMATIC_CACHE_DIR=str(small_disk / "cache"))
    assert run(*arguments(folder, to)).reference == first.reference
