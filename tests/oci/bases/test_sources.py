"""Where packages and wheels come from, and what is locked of them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sematic.oci.bases.lock import Lock, LockedWheel, locks_folder, read_lock
from sematic.oci.bases.mirrors import find_mirrors
from sematic.oci.bases.recipes import CUDA_WHEELS, PLATFORMS, SUITES, Recipe, recipe
from sematic.oci.bases.wheels import WheelIndex, index_url, libraries
from sematic.oci.errors import BaseError
from sematic.oci.manifest import Platform
from tests.oci.bases.archive import AMD64
from tests.oci.bases.test_build import served

DEFAULT = "http://deb.debian.org/debian"


# Mirrors


def apt(folder: Path, **files: str) -> Path:
    """A folder as /etc/apt, with files below sources.list.d."""
    for name, text in files.items():
        path = folder / "sources.list.d" / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_the_mirrors_are_those_of_apt(tmp_path: Path) -> None:
    folder = apt(
        tmp_path,
        debian__sources="Types: deb\nURIs: http://m.example/debian\nSuites: trixie trixie-updates\n"
        "Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n"
        "Types: deb\nURIs: http://m.example/security\nSuites: trixie-security\nComponents: main\n",
    )
    found = find_mirrors(apt=folder).addresses
    assert found == {
        "debian": ["http://m.example/debian"],
        "debian-security": ["http://m.example/security"],
    }


def test_an_older_way_of_writing_is_read_as_well(tmp_path: Path) -> None:
    folder = apt(
        tmp_path, more__list="deb [arch=amd64] file:/srv/debian bookworm main contrib # near\n"
    )
    (folder / "sources.list").write_text(
        "deb-src http://src/debian bookworm main\n# deb http://off x main\n"
    )
    assert find_mirrors(apt=folder).addresses["debian"] == ["file:/srv/debian"]


@pytest.mark.parametrize(
    "text",
    [
        "Types: deb\nURIs: http://x/debian\nSuites: noble\nComponents: main\n",
        "Types: deb\nURIs: http://x/debian\nSuites: bookworm\nComponents: stable\n",
        "Types: deb-src\nURIs: http://x/debian\nSuites: bookworm\nComponents: main\n",
        "Types: deb\nURIs: http://x/debian\nSuites: bookworm\nComponents: main\nEnabled: no\n",
        "Types: deb\nURIs: http://x/debian\nSuites: sid\nComponents: main\nSigned-By: /x.gpg\n",
    ],
)
def test_what_is_not_debian_s_is_not_asked(text: str, tmp_path: Path) -> None:
    assert find_mirrors(apt=apt(tmp_path, x__sources=text)).addresses["debian"] == [DEFAULT]


def test_others_archives_have_keys_of_their_own(tmp_path: Path) -> None:
    folder = apt(tmp_path, x__list="deb [signed-by=/x.gpg] http://x/debian bookworm main\n")
    assert find_mirrors(apt=folder).addresses["debian"] == [DEFAULT]


def test_where_there_is_no_apt_debian_s_own_is_asked(tmp_path: Path) -> None:
    assert find_mirrors(apt=tmp_path / "none").addresses == {
        "debian": [DEFAULT],
        "debian-security": [f"{DEFAULT}-security"],
    }


def test_a_mirror_may_be_named() -> None:
    found = find_mirrors("https://m.example/debian/").addresses
    assert found["debian-security"] == ["https://m.example/debian-security"]
    found = find_mirrors("http://snapshot.debian.org/archive/debian/20260711T101637Z").addresses
    assert found["debian-security"][0].endswith("/archive/debian-security/20260711T101637Z")
    with pytest.raises(BaseError, match=r"--mirror 'm\.example': write http"):
        find_mirrors("m.example")


# Locks


RECIPES = [
    recipe(name, python, platform)
    for name in ("worker", "cuda")
    for python in SUITES
    for platform in PLATFORMS
]


@pytest.mark.parametrize("each", RECIPES, ids=str)
def test_every_base_has_a_lock_that_names_no_host(each: Recipe) -> None:
    found = read_lock(each, locks_folder())
    names = {package.name for package in found.packages}
    assert {"bash", "ca-certificates", "libstdc++6", "python3", "tzdata"} <= names
    assert not {"debconf", "dpkg", "perl-base"} & names
    assert all(package.path.startswith("pool/") for package in found.packages)
    assert "://" not in found.text()
    wheels = CUDA_WHEELS if each.name == "cuda" else ()
    assert tuple(wheel.name for wheel in found.wheels) == wheels


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    each = recipe("worker", "3.11", AMD64)
    path = locks_folder() / "worker-3.11-amd64.json"
    assert read_lock(each, locks_folder()).text() == path.read_text()


def test_what_cannot_be_built_is_said() -> None:
    with pytest.raises(BaseError, match="no base 'work', only worker and cuda"):
        recipe("work", "3.11", AMD64)
    with pytest.raises(BaseError, match=r"no base with Python 3\.12, only 3\.11 and 3\.13"):
        recipe("worker", "3.12", AMD64)
    with pytest.raises(BaseError, match="for linux/riscv64, only for linux/amd64 and linux/arm64"):
        recipe("worker", "3.11", Platform.parse("linux/riscv64"))
    assert recipe("worker", "3.11", Platform.parse("linux/arm64/v8")).platform == PLATFORMS[1]


def test_a_lock_that_is_not_there_or_damaged_is_named(tmp_path: Path) -> None:
    each = recipe("worker", "3.11", AMD64)
    with pytest.raises(
        BaseError, match=r"no lock of worker with Python 3\.11.*sematic-oci base lock"
    ):
        read_lock(each, tmp_path)
    up = {"name": "../up", "version": "1", "file": "up.whl", "size": 1, "sha256": "0" * 64}
    for text in ("{", "[]", '{"packages": [{"name": 1}]}', json.dumps({"wheels": [up]})):
        (tmp_path / "worker-3.11-amd64.json").write_text(text)
        with pytest.raises(BaseError, match=r"cannot read the lock .*worker-3\.11-amd64\.json"):
            read_lock(each, tmp_path)


# Wheels


def wheel(folder: Path, version: str, machine: str) -> str:
    name = f"nvidia_x_cu12-{version}-py3-none-manylinux_2_27_{machine}.whl"
    with zipfile.ZipFile(folder / name, "w") as file:
        file.writestr("nvidia/x/lib/libx.so.12", version)
        file.writestr("nvidia/x/include/x.h", "")
        file.writestr("nvidia_x_cu12.dist-info/License.txt", "terms")
    return name


@pytest.fixture
def index(tmp_path: Path) -> Iterator[WheelIndex]:
    """An index with two versions, one of which was yanked, and a third for another CPU."""
    folder = tmp_path / "index" / "nvidia-x-cu12"
    folder.mkdir(parents=True)
    files = []
    for version, machine, yanked in (
        *(("12.9.1", "x86_64", False), ("12.10.0", "x86_64", False)),
        *(("12.11.0", "x86_64", "bad"), ("12.12.0", "aarch64", False)),
    ):
        name = wheel(folder, version, machine)
        hashes = {"sha256": f"{version:0>64}"}
        files.append({"filename": name, "url": name, "hashes": hashes, "yanked": yanked})
    (folder / "index.html").write_text(json.dumps({"files": files}))
    with served(tmp_path / "index") as (url, _):
        yield WheelIndex(url)


def test_the_newest_wheel_of_a_platform_is_locked(index: WheelIndex) -> None:
    assert index.newest("nvidia-x-cu12", AMD64).version == "12.10.0"
    assert index.newest("nvidia-x-cu12", Platform("linux", "arm64")).version == "12.12.0"
    with pytest.raises(BaseError, match=r"answered 404 to /nvidia-y-cu12/"):
        index.newest("nvidia-y-cu12", AMD64)


def test_a_wheel_that_has_gone_is_said(index: WheelIndex) -> None:
    found = index.newest("nvidia-x-cu12", AMD64)
    assert b"".join(index.open(found))[:2] == b"PK"
    with pytest.raises(BaseError, match=r"has no gone\.whl any more; run `sematic-oci base lock`"):
        b"".join(index.open(replace(found, file="gone.whl")))


def test_of_a_wheel_its_libraries_and_its_licence_go_in(tmp_path: Path) -> None:
    path = tmp_path / wheel(tmp_path, "1.0", "x86_64")
    locked = LockedWheel("nvidia-x-cu12", "1.0", path.name, 0, "")
    entries = libraries(locked, path, "usr/lib/x86_64-linux-gnu")
    assert [entry.path for entry in entries] == [
        "usr/lib/x86_64-linux-gnu/libx.so.12",
        "usr/share/doc/nvidia-x-cu12/License.txt",
    ]
    source = entries[0].source
    assert not isinstance(source, str) and b"".join(source.open()) == b"1.0"


def test_the_index_is_the_one_that_pip_asks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://index.example/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    assert index_url() == "https://index.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://other.example/simple")
    assert index_url() == "https://other.example/simple"


def test_a_lock_has_a_line_for_each_thing() -> None:
    wheels = [LockedWheel(name, "1", f"{name}.whl", 1, "0") for name in ("a", "b")]
    lines = Lock(wheels=tuple(wheels)).text().splitlines()
    assert [json.loads(line.rstrip(","))["name"] for line in lines[2:-2]] == ["a", "b"]
