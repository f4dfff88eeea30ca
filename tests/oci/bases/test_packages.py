"""Debian's packages: stanzas, versions, dependencies, and what is in a .deb."""

from __future__ import annotations

import doctest
import random
import subprocess
from pathlib import Path

import pytest

from sematic.oci.bases import files, versions
from sematic.oci.bases.closure import closure
from sematic.oci.bases.control import Stanza, stanzas, written
from sematic.oci.bases.deb import read_deb
from sematic.oci.bases.recipes import is_left_out
from sematic.oci.bases.versions import Version
from sematic.oci.errors import BaseError
from tests.oci.bases.archive import make_deb

TEXT = """\
Package: bash
Depends: base-files (>= 2.1.12),
 debianutils (>= 5.6-0.1)
# a comment
Description: shell
 a long text

Package: dash
"""


def test_a_control_file_is_stanzas_of_fields() -> None:
    first, second = stanzas(TEXT.splitlines())
    assert first["Depends"] == "base-files (>= 2.1.12),\n debianutils (>= 5.6-0.1)"
    assert second == {"Package": "dash"}
    assert next(stanzas(written(first).splitlines())) == first


# Versions


def test_the_doctests_run() -> None:
    for module in (versions, files):
        assert doctest.testmod(module).failed == 0


def test_versions_are_ordered_as_dpkg_orders_them() -> None:
    chance = random.Random(1)

    def version() -> str:
        words = "".join(chance.choice("0129.+~ab") for _ in range(chance.randint(1, 5)))
        epoch = chance.choice(("", "", "1:", "0:"))
        revision = chance.choice(("", "-0", "-1", "-1+b1", "-1~deb12u1"))
        return f"{epoch}{chance.randint(0, 2)}{words}{revision}"

    for _ in range(150):
        one, other = version(), version()
        for relation in ("<<", "=", ">="):
            command = ["dpkg", "--compare-versions", one, relation, other]
            expected = subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
            assert Version(one).satisfies(relation, other) == expected, (one, relation, other)


# Dependencies


def packages(*lines: str) -> dict[str, Stanza]:
    """Packages, each written as ``name version | field: value | ...``."""
    found: dict[str, Stanza] = {}
    for line in lines:
        head, *more = line.split(" || ")
        name, version = head.split()
        fields = dict(text.split(": ", 1) for text in more)
        found[name] = {"Package": name, "Version": version, **fields}
    return found


def names(found: dict[str, Stanza], *wanted: str, never: tuple[str, ...] = ()) -> list[str]:
    return [stanza["Package"] for stanza in closure(found, wanted, never)]


def test_a_package_brings_what_it_depends_on() -> None:
    there = packages(
        "a 1 || Depends: b (>= 2), c:any || Pre-Depends: d",
        *("b 2.1 || Depends: a", "c 1", "d 1", "e 1"),
    )
    assert names(there, "a") == ["a", "b", "c", "d"]


def test_of_alternatives_the_first_counts_that_is_there() -> None:
    there = packages("a 1 || Depends: gone | b | c", "b 1", "c 1")
    assert names(there, "a") == ["a", "b"]


def test_an_alternative_that_is_there_already_is_enough() -> None:
    there = packages("a 1 || Depends: b | c", "b 1", "c 1")
    assert names(there, "c", "a") == ["a", "c"]


def test_a_virtual_package_is_what_provides_it() -> None:
    there = packages(
        "a 1 || Depends: awk",
        "gawk 5 || Provides: awk || Priority: optional",
        "mawk 1 || Provides: awk || Priority: required",
    )
    assert names(there, "a") == ["a", "mawk"]
    there = packages(
        "a 1 || Depends: x (>= 2)", "y 1 || Provides: x (= 2.1), z", "w 1 || Provides: x"
    )
    assert names(there, "a") == ["a", "y"]


def test_what_is_never_taken_is_not_missed() -> None:
    there = packages("a 1 || Depends: debconf (>= 0.5) | debconf-2.0", "debconf 1")
    assert names(there, "a", never=("debconf",)) == ["a"]


def test_what_nothing_satisfies_is_named() -> None:
    there = packages("a 1 || Depends: b (>= 2), gone | away", "b 1")
    with pytest.raises(BaseError) as caught:
        closure(there, ["a", "nothing"], ())
    assert str(caught.value).splitlines()[1:] == [
        "nothing, which is in no index",
        "a 1 depends on b (>= 2)",
        "a 1 depends on gone | away",
    ]


# Packages


@pytest.mark.parametrize("compression", ["xz", "zstd", "gzip", "none"])
def test_what_is_in_a_package_is_read(compression: str, tmp_path: Path) -> None:
    deb = make_deb(
        tmp_path / "a.deb",
        "a",
        {"bin/a": b"#!/bin/sh\n", "usr/share/A": b"upper", "usr/share/a": b"lower", "lib/l": "->k"},
        compression=compression,
        conffiles=(),
    )
    package = read_deb(deb, tmp_path / "a.tar")
    assert (package.name, package.control["Version"]) == ("a", "1.0")
    found = {member.path: member for member in package.members}
    assert sorted(found) == [
        "bin",
        "bin/a",
        "lib",
        "lib/l",
        "usr",
        "usr/share",
        "usr/share/A",
        "usr/share/a",
    ]
    assert (found["bin/a"].kind, found["bin/a"].mode) == ("file", 0o755)
    assert (found["lib/l"].kind, found["lib/l"].target) == ("link", "k")
    contents = [member.content for member in package.members if member.content]
    assert [content.read() for content in contents] == [b"#!/bin/sh\n", b"upper", b"lower"]


def test_a_hard_link_has_the_content_of_what_it_is_one_to(tmp_path: Path) -> None:
    root = tmp_path / "a.deb-root"
    (root / "usr").mkdir(parents=True)
    (root / "usr/one").write_bytes(b"same")
    (root / "usr/two").hardlink_to(root / "usr/one")
    package = read_deb(make_deb(tmp_path / "a.deb", "a", {}), tmp_path / "a.tar")
    contents = [member.content for member in package.members if member.content]
    assert [content.read() for content in contents] == [b"same", b"same"]


@pytest.mark.parametrize("kept", [0, 100, 300, -40])
def test_a_package_that_is_cut_short_is_an_error(kept: int, tmp_path: Path) -> None:
    deb = make_deb(tmp_path / "a.deb", "a", {"usr/f": random.Random(1).randbytes(2000)})
    deb.write_bytes(deb.read_bytes()[:kept])
    with pytest.raises(BaseError, match=r"a\.deb"):
        read_deb(deb, tmp_path / "a.tar")


@pytest.mark.parametrize(
    ("path", "is_out"),
    [
        ("usr/share/doc/bash/changelog.gz", True),
        ("usr/share/doc/bash/copyright", False),
        ("usr/share/man/man1/bash.1.gz", True),
        ("usr/lib/python3.11/test/__init__.py", True),
        ("usr/lib/python3.11/unittest/test/testmock/x.py", True),
        ("usr/lib/python3.11/unittest/mock.py", False),
        ("usr/share/zoneinfo/Europe/Berlin", False),
        ("usr/bin/test", False),
    ],
)
def test_what_nobody_reads_is_left_out_and_licences_stay(path: str, is_out: bool) -> None:
    assert is_left_out(path) == is_out
