"""Indexes of a release: those of Debian itself, and of mirrors that have something else."""

from __future__ import annotations

import hashlib
import lzma
from pathlib import Path

import pytest

from sematic.oci.bases.mirrors import Mirrors, find_mirrors
from sematic.oci.bases.releases import Release
from sematic.oci.errors import BaseError
from sematic.oci.events import Event, Moved, Noticed, Started, ignore
from tests.oci.bases.archive import NOWHERE

LIST = """\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Codename: bookworm{suffix}
Date: Sat, 11 Jul 2026 10:16:37 UTC
SHA256:
 {digest} 1 main/binary-amd64/Packages.xz
-----BEGIN PGP SIGNATURE-----

-----END PGP SIGNATURE-----
"""
VERSIONS = {"": "1.0-1", "-updates": "1.0-1+deb12u1", "-security": "1.0-1+deb12u2"}


@pytest.fixture
def mirrors(tmp_path: Path) -> Mirrors:
    """Of an archive whose three suites have a package ``a`` in three versions."""
    for suffix, version in VERSIONS.items():
        place = tmp_path / f"dists/bookworm{suffix}"
        index = lzma.compress(f"Package: a\nVersion: {version}\n".encode())
        digest = hashlib.sha256(index).hexdigest()
        by_hash = place / f"main/binary-amd64/by-hash/SHA256/{digest}"
        by_hash.parent.mkdir(parents=True)
        by_hash.write_bytes(index)
        (place / "InRelease").write_text(LIST.format(suffix=suffix, digest=digest))
    return Mirrors({"debian": [tmp_path.as_uri()], "debian-security": [tmp_path.as_uri()]})


def unsigned(mirrors: Mirrors) -> Release:
    """The release where nobody has Debian's keyring."""
    return Release("bookworm", mirrors, ignore, keyrings=())


def test_debian_s_own_release_is_read_and_its_signature_checked() -> None:
    told: list[Event] = []
    release = Release("bookworm", find_mirrors(), told.append)
    packages = release.packages("arm64")
    assert packages["libc6"]["Architecture"] == "arm64"
    assert packages["python3"]["Version"].startswith("3.11.")
    assert set(release.dates()) == {"debian", "debian-security"}
    assert {type(event) for event in told} == {Started, Moved}


def test_the_newest_version_counts_wherever_it_is(mirrors: Mirrors) -> None:
    found = unsigned(mirrors).packages("amd64")["a"]
    assert (found["Version"], found["Archive"]) == ("1.0-1+deb12u2", "debian-security")
    dates = dict.fromkeys(("debian", "debian-security"), "20260711T101637Z")
    assert unsigned(mirrors).dates() == dates


def test_where_no_signature_can_be_checked_that_is_said(mirrors: Mirrors) -> None:
    told: list[Event] = []
    Release("bookworm", mirrors, told.append, keyrings=()).packages("amd64")
    said = "the signature of bookworm is not checked: this machine has not Debian's keyring"
    assert told[0] == Noticed(said)


def test_a_list_that_debian_did_not_sign_is_refused(mirrors: Mirrors) -> None:
    with pytest.raises(BaseError) as caught:
        Release("bookworm", mirrors, ignore).packages("amd64")
    said = str(caught.value)
    assert said.startswith("bookworm's InRelease is not signed by Debian's archive: gpgv: ")
    assert "keyrings/debian-archive-keyring" in said and "--mirror" in said
    assert len(said.splitlines()) == 2


def test_a_mirror_may_have_its_indexes_under_their_names_alone(
    mirrors: Mirrors, tmp_path: Path
) -> None:
    folder = tmp_path / "dists/bookworm/main/binary-amd64"
    (index,) = (folder / "by-hash/SHA256").iterdir()
    index.rename(folder / "Packages.xz")
    assert unsigned(mirrors).packages("amd64")["a"]["Version"] == VERSIONS["-security"]


def test_what_is_no_mirror_of_the_release_is_said(mirrors: Mirrors) -> None:
    with pytest.raises(BaseError, match=r"InRelease:\n.*\n.* no mirror of Debian, .* no trixie:"):
        Release("trixie", mirrors, ignore, keyrings=()).packages("amd64")


def test_an_index_that_is_not_the_listed_one_is_refused(mirrors: Mirrors, tmp_path: Path) -> None:
    (index,) = (tmp_path / "dists/bookworm/main/binary-amd64/by-hash/SHA256").iterdir()
    index.write_bytes(lzma.compress(b"Package: evil\n"))
    with pytest.raises(BaseError, match=r"is not the one that was signed\.\n.*--mirror"):
        unsigned(mirrors).packages("amd64")


def test_a_list_of_another_release_is_refused(mirrors: Mirrors, tmp_path: Path) -> None:
    path = tmp_path / "dists/bookworm/InRelease"
    path.write_text(path.read_text().replace("Codename: bookworm", "Codename: buster"))
    with pytest.raises(BaseError, match="bookworm's InRelease is that of 'buster'"):
        unsigned(mirrors).packages("amd64")


def test_a_cpu_that_a_release_has_not_is_said(mirrors: Mirrors) -> None:
    with pytest.raises(BaseError, match="bookworm lists no index main/binary-riscv64"):
        unsigned(mirrors).packages("riscv64")


def test_a_mirror_that_is_down_is_named() -> None:
    nowhere = Mirrors({"debian": [NOWHERE], "debian-security": [NOWHERE]})
    with pytest.raises(BaseError, match=r"no mirror gives dists/bookworm/InRelease:\n"):
        unsigned(nowhere).packages("amd64")
