"""What is read of a wheel, and what is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sematic.oci.errors import WheelError
from sematic.oci.tar import tar_chunks
from sematic.oci.wheels.facts import Facts
from sematic.oci.wheels.group import Wheel, wheel_groups
from sematic.oci.wheels.listing import Listing
from sematic.oci.wheels.overlaps import find_overlaps
from tests.oci.wheels.made import make_wheel, sha256


def facts_of(path: Path) -> Facts:
    return Facts.of(Listing(path, "3.11"))


def wheel_of(path: Path) -> Wheel:
    return Wheel(sha256(path), f"sha256:{sha256(path)}", facts_of(path), unfetched)


def unfetched() -> Path:
    raise AssertionError("the wheel was asked for")


def test_facts_go_to_bytes_and_back(tmp_path: Path) -> None:
    facts = facts_of(make_wheel(tmp_path, "one", files={"one/ü, comma.txt": "x"}))
    assert Facts.from_bytes(facts.to_bytes()) == facts
    assert Facts.from_bytes(b"something else") is None
    assert Facts.from_bytes(facts.to_bytes()[:-5]) is None


def test_a_group_needs_no_wheel_before_its_entries_are_asked_for(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "one", files={"one/big.txt": "x" * 1000})
    wheel = wheel_of(path)
    ((group,), notes) = wheel_groups([wheel], "3.11")
    assert (group.name, group.size, group.count, notes) == ("one 1.0", 1117, 5, ())
    with pytest.raises(AssertionError, match="asked for"):
        group.entries()


def test_a_fingerprint_is_of_the_wheel_and_of_what_others_have(tmp_path: Path) -> None:
    one = make_wheel(tmp_path, "one", files={"corp/x.txt": "x"})
    two = make_wheel(tmp_path, "two", files={"corp/x.txt": "x"})
    wheels = [wheel_of(path) for path in (one, two)]
    alone = [wheel_groups([wheel], "3.11")[0][0].fingerprint for wheel in wheels]
    together = [group.fingerprint for group in wheel_groups(wheels, "3.11")[0]]
    assert together[0] == alone[0]
    assert together[1] != alone[1]


def test_different_modules_of_one_name_are_an_error_that_names_them(tmp_path: Path) -> None:
    one = make_wheel(tmp_path, "cv", "4.0", {"cv2/__init__.py": "1", "cv2/data.txt": "1"})
    two = make_wheel(tmp_path, "cv-headless", "4.2", {"cv2/__init__.py": "2", "cv2/data.txt": "2"})
    with pytest.raises(WheelError) as caught:
        find_overlaps([facts_of(one), facts_of(two)])
    assert str(caught.value) == (
        "cv 4.0 and cv-headless 4.2 bring different files of one name, and only one can be "
        "imported: cv2/__init__.py, cv2/data.txt.\n"
        "Require only one of the two, or other versions of them."
    )


@pytest.mark.parametrize("path", ["tests/test_x.py", "LICENSE", "docs/conf.py"])
def test_different_files_that_nobody_imports_are_a_note(tmp_path: Path, path: str) -> None:
    one = make_wheel(tmp_path, "one", files={path: "1"})
    two = make_wheel(tmp_path, "two", files={path: "2"})
    found = find_overlaps([facts_of(two), facts_of(one)])
    assert found.left == (
        frozenset([f"sematic/venv/lib/python3.11/site-packages/{path}"]),
        frozenset(),
    )
    assert found.notes == (
        f"one 1.0 and two 1.0 bring different files of one name: {path}; those of one are in the "
        "image",
    )


@pytest.mark.parametrize("path", ["../out.py", "/etc/passwd", "one/../../out.py"])
def test_a_file_that_would_lie_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    wheel = make_wheel(tmp_path, "one", files={path: "x"})
    with pytest.raises(WheelError, match=r"would lie elsewhere|absolute"):
        Listing(wheel, "3.11")


def test_what_is_no_wheel_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "one-1.0-py3-none-any.whl"
    path.write_bytes(b"no zip")
    with pytest.raises(WheelError, match=r"one-1\.0-py3-none-any\.whl cannot be read"):
        Listing(path, "3.11")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one/__init__.py", "")
    with pytest.raises(WheelError, match=r"is no wheel that can be installed.*\.dist-info"):
        Listing(path, "3.11")


def test_damage_within_a_wheel_is_found_when_it_is_read(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "one", files={"one/big.txt": "abc" * 10000})
    data = bytearray(wheel.read_bytes())
    with zipfile.ZipFile(wheel) as archive:
        offset = archive.getinfo("one/big.txt").header_offset
    data[offset + 60] ^= 0xFF
    wheel.write_bytes(data)
    entries = Listing(wheel, "3.11").entries()
    with pytest.raises(WheelError, match=r"one/big\.txt of one-1\.0"):
        list(tar_chunks(entries, 0))
