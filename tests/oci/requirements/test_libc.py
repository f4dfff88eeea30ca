"""Wheels are for the C library that the base has, in the version that it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from sematic.oci.base_python import LIBC_LABEL, PYTHON_LABEL
from sematic.oci.delivery import deliver
from sematic.oci.errors import RequirementsError, SettingsError
from sematic.oci.image import Image
from sematic.oci.manifest import Platform
from sematic.oci.requirements.target import Target
from tests.oci.images import AMD64, layout
from tests.oci.requirements.conftest import Make
from tests.oci.requirements.test_lock_files import pylock
from tests.oci.requirements.test_resolving import distributions
from tests.oci.wheels.made import make_wheel
from tests.peers.index import Index


def base(folder: Path, libc: str) -> str:
    """A base that has a C library, as its label says."""
    image = Image(AMD64).configured(labels={PYTHON_LABEL: "3.11", LIBC_LABEL: libc})
    deliver(image, layout(folder), ["latest"])
    return f"oci-layout:{folder}:latest"


@pytest.mark.parametrize(
    ("libc", "version"),
    [("glibc 2.41", "3.0"), ("glibc 2.36", "2.0"), ("glibc 2.17", "1.0"), ("glibc", "1.0")],
)
def test_the_newest_version_whose_wheel_runs_on_the_base_is_taken(
    packages: Index, project: Path, make: Make, tmp_path: Path, libc: str, version: str
) -> None:
    for number, tag in (("1.0", "2_17"), ("2.0", "2_34"), ("3.0", "2_39")):
        make_wheel(packages.folder, "native", number, tag=f"cp311-abi3-manylinux_{tag}_x86_64")
    (project / "requirements.txt").write_text("native\n")
    built = make("requirements.txt", base=base(tmp_path / "base", libc))
    assert distributions(built) == [f"native {version}"]


def test_a_wheel_that_needs_a_newer_c_library_is_refused(
    packages: Index, project: Path, make: Make, tmp_path: Path
) -> None:
    wheel = make_wheel(packages.folder, "native", tag="cp311-abi3-manylinux_2_39_x86_64")
    (project / "pylock.toml").write_text(pylock(packages, wheel))
    assert distributions(make("pylock.toml", base=base(tmp_path / "new", "glibc 2.41")))
    with pytest.raises(RequirementsError) as caught:
        make("pylock.toml", base=base(tmp_path / "old", "glibc 2.36"))
    message = str(caught.value)
    assert "cannot be installed for Python 3.11 on linux/amd64 (glibc 2.36)" in message
    assert f"need a newer glibc than the base's: {wheel.name}.\nTake a newer base" in message
    (project / "requirements.txt").write_text("native\n")
    with pytest.raises(RequirementsError, match=r"A base with glibc 2\.39 or newer can run"):
        make("requirements.txt", base=base(tmp_path / "old", "glibc 2.36"))


@pytest.mark.parametrize(
    ("libc", "version", "platform", "tag"),
    [
        ("glibc", "", "x86_64-manylinux_2_28", "manylinux_2_28_x86_64"),
        ("glibc", "2.36", "x86_64-manylinux_2_36", "manylinux_2_36_x86_64"),
        ("glibc", "2.41", "x86_64-manylinux_2_40", "manylinux_2_41_x86_64"),
        ("glibc", "2.27", "x86_64-manylinux_2_17", "manylinux_2_27_x86_64"),
        ("musl", "", "x86_64-unknown-linux-musl", "musllinux_1_2_x86_64"),
        ("musl", "1.1", "x86_64-unknown-linux-musl", "musllinux_1_1_x86_64"),
    ],
)
def test_a_target_knows_its_newest_wheels(libc: str, version: str, platform: str, tag: str) -> None:
    target = Target("3.11", AMD64, libc, version)
    assert target.uv_platform == platform
    assert target.tags()[0].platform == tag


def test_a_base_that_is_too_old_for_all_wheels_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"for glibc 2\.12, which the base has, only for 2\.17"):
        Target("3.11", Platform.parse("linux/amd64"), "glibc", "2.12")
