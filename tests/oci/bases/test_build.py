"""From a lock to an image, with packages that were made for it."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import zstandard

from sematic.oci.base_python import LIBC_LABEL
from sematic.oci.bases.ld_cache import cache_bytes
from sematic.oci.cache import Cache
from sematic.oci.delivery import deliver
from sematic.oci.errors import BaseError, FileError
from sematic.oci.events import Event, Moved, Noticed, Started
from sematic.oci.image import Image
from sematic.oci.report import size_text
from tests.oci.bases.archive import DebianArchive
from tests.oci.images import layout

SHELL: Mapping[str, bytes | str] = {
    "bin/sh": "->dash",
    "bin/dash": b"#!shell",
    "usr/share/debianutils/shells.d/dash": b"/bin/dash\n",
}


@pytest.fixture
def archive(tmp_path: Path) -> DebianArchive:
    made = DebianArchive(tmp_path / "mirror")
    made.add("dash", SHELL)
    made.add(
        "base-files",
        {"etc/issue": b"Debian\n", "usr/share/doc/base-files/NEWS": b"", "var/run/x": b""},
        conffiles=("/etc/issue",),
    )
    return made


def tars(image: Image) -> dict[str, tarfile.TarInfo]:
    """What lies where in all layers."""
    found = {}
    for layer in image.layers:
        packed = b"".join(layer.open())
        data = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            found.update({member.name: member for member in tar})
    return found


def content(image: Image, path: str) -> bytes:
    for layer in image.layers:
        data = zstandard.ZstdDecompressor().decompressobj().decompress(b"".join(layer.open()))
        with tarfile.open(fileobj=io.BytesIO(data)) as tar, contextlib.suppress(KeyError):
            file = tar.extractfile(path)
            assert file is not None
            return file.read()
    raise AssertionError(f"no {path}")


def digest(image: Image, folder: Path) -> str:
    return deliver(image, layout(folder), ["v1"]).digest


def test_the_same_lock_is_the_same_image(archive: DebianArchive, tmp_path: Path) -> None:
    first = digest(archive.image(tmp_path / "one"), tmp_path / "l1")
    assert digest(archive.image(tmp_path / "two"), tmp_path / "l2") == first
    archive.add("more", {"usr/bin/more": b"#!more"})
    assert digest(archive.image(tmp_path / "three"), tmp_path / "l3") != first


def test_what_packages_put_beside_usr_goes_into_it(archive: DebianArchive, tmp_path: Path) -> None:
    archive.add("libc6", {"lib64/ld.so": b"loader"})
    there = tars(archive.image(tmp_path / "s"))
    assert there["usr/bin/dash"].isreg() and there["usr/bin/sh"].linkname == "dash"
    assert there["usr/lib64/ld.so"].isreg()
    tops = {name: there[name].linkname for name in ("bin", "lib", "lib64", "sbin")}
    assert tops == {name: f"usr/{name}" for name in tops}
    assert not any(name.startswith(("bin/", "lib64/")) for name in there)


def test_scripts_are_not_run_but_done(archive: DebianArchive, tmp_path: Path) -> None:
    pem = b"-----BEGIN CERTIFICATE-----\nTEST\n-----END CERTIFICATE-----"
    certificates = "usr/share/ca-certificates/mozilla"
    archive.add("ca-certificates", {f"{certificates}/B.crt": pem, f"{certificates}/A_(1).crt": pem})
    archive.add(
        "base-passwd", {"usr/share/base-passwd/passwd.master": b"root:*:0:0::/root:/bin/sh\n"}
    )
    archive.add("mawk", {"usr/bin/mawk": b"#!awk"})
    archive.add("tzdata", {"usr/share/zoneinfo/Etc/UTC": b"TZif"})
    image = archive.image(tmp_path / "s")
    there = tars(image)
    assert content(image, "etc/ssl/certs/ca-certificates.crt") == 2 * (pem + b"\n")
    assert there["etc/ssl/certs/A_=1=.pem"].linkname == f"/{certificates}/A_(1).crt"
    assert content(image, "etc/passwd").startswith(b"root:")
    assert there["usr/bin/awk"].linkname == "/etc/alternatives/awk"
    assert there["etc/alternatives/awk"].linkname == "/usr/bin/mawk"
    assert there["etc/localtime"].linkname == "/usr/share/zoneinfo/Etc/UTC"
    assert content(image, "etc/shells") == b"/bin/dash\n/usr/bin/dash\n"
    assert there["var/run"].linkname == "/run"
    assert (there["tmp"].mode, there["sematic/home"].mode) == (0o1777, 0o1777)


def test_dpkg_sees_the_packages(archive: DebianArchive, tmp_path: Path) -> None:
    image = archive.image(tmp_path / "s")
    admin = tmp_path / "admin"
    for name in tars(image):
        if name.startswith("var/lib/dpkg/info/") or name == "var/lib/dpkg/status":
            to = admin / name.removeprefix("var/lib/dpkg/")
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(content(image, name))
    query = ["dpkg-query", f"--admindir={admin}"]
    shown = "${Package} ${Version} ${db:Status-Abbrev}${Conffiles}\n"
    said = subprocess.run([*query, "-W", f"-f={shown}"], capture_output=True, text=True, check=True)
    issue = hashlib.md5(b"Debian\n").hexdigest()
    assert said.stdout == f"base-files 1.0 ii  /etc/issue {issue}\ndash 1.0 ii \n"
    said = subprocess.run([*query, "-L", "dash"], capture_output=True, text=True, check=True)
    listed = said.stdout.splitlines()
    assert listed[0] == "/." and {"/bin/dash", "/bin/sh", "/usr/share"} <= set(listed)


def test_set_user_id_bits_do_not_go_in(archive: DebianArchive, tmp_path: Path) -> None:
    root = archive.folder / "pool/main/su_1.0_amd64.deb-root/usr/bin"
    root.mkdir(parents=True)
    (root / "su").write_bytes(b"#!su")
    (root / "su").chmod(0o4755)
    archive.add("su", {})
    assert tars(archive.image(tmp_path / "s"))["usr/bin/su"].mode == 0o755


def test_two_packages_with_one_file_are_an_error(archive: DebianArchive, tmp_path: Path) -> None:
    archive.add("other", {"usr/bin/dash": b"#!other"})
    with pytest.raises(FileError, match="two different things would lie at /usr/bin/dash"):
        digest(archive.image(tmp_path / "s"), tmp_path / "l")


# Fetching


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """A mirror over http, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            asked.append(self.path)

    handler = partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def test_what_is_remembered_is_not_fetched(archive: DebianArchive, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    with served(archive.folder) as (url, asked):
        first = digest(archive.image(tmp_path / "one", url=url, cache=cache), tmp_path / "l")
        assert len([path for path in asked if path.endswith(".deb")]) == 2
        asked.clear()
        assert (
            digest(archive.image(tmp_path / "two", url=url, cache=cache), tmp_path / "l") == first
        )
        assert not asked


def test_what_is_fetched_is_told_as_it_comes_and_nothing_where_all_is_here(
    archive: DebianArchive, tmp_path: Path
) -> None:
    told: list[Event] = []

    def build(layout: str) -> None:
        cache = Cache(tmp_path / "caches" / layout)
        digest(archive.image(tmp_path / "s", cache=cache, listener=told.append), tmp_path / layout)

    build("l1")
    size = sum(package.size for package in archive.packages)
    moved = [event for event in told if isinstance(event, Moved)]
    assert told == [
        Started("fetch 2 packages for amd64", size),
        *moved,
        Noticed(f"fetched 2 packages for amd64, {size_text(size)}"),
    ]
    assert sum(event.bytes for event in moved) == size and moved[-1].fraction == 1.0
    told.clear()
    build("l2")
    assert told == []


def test_a_base_says_the_version_of_its_glibc(archive: DebianArchive, tmp_path: Path) -> None:
    archive.add("libc6", {"lib64/ld.so": b"loader"}, version="2.36-9+deb12u14")
    assert archive.image(tmp_path / "s").config.labels[LIBC_LABEL] == "glibc 2.36"


def test_what_was_fetched_is_kept_by_its_digest(archive: DebianArchive, tmp_path: Path) -> None:
    digest(archive.image(tmp_path / "s"), tmp_path / "l1")
    for package in archive.packages:
        (archive.folder / package.path).unlink()
    forgetful = Cache(tmp_path / "another")
    digest(archive.image(tmp_path / "s", cache=forgetful), tmp_path / "l2")
    kept = tmp_path / "s/store" / archive.packages[0].sha256
    kept.write_bytes(b"damaged")
    with pytest.raises(BaseError, match=r"no mirror gives pool/main/dash_1\.0_amd64\.deb"):
        digest(archive.image(tmp_path / "s", cache=Cache(tmp_path / "third")), tmp_path / "l3")


def test_a_package_that_is_not_the_locked_one_is_refused(
    archive: DebianArchive, tmp_path: Path
) -> None:
    deb = archive.folder / archive.packages[0].path
    deb.write_bytes(deb.read_bytes() + b"\n")
    with pytest.raises(
        BaseError, match=r"dash_1\.0_amd64\.deb is not the file that was locked: its sha256"
    ):
        digest(archive.image(tmp_path / "s"), tmp_path / "l")
    assert not list((tmp_path / "s/store").glob(".*"))


def test_a_version_that_has_gone_is_said_with_the_way_out(
    archive: DebianArchive, tmp_path: Path
) -> None:
    (archive.folder / archive.packages[0].path).unlink()
    with served(archive.folder) as (url, _), pytest.raises(BaseError) as caught:
        digest(archive.image(tmp_path / "s", url=url), tmp_path / "l")
    said = str(caught.value)
    assert f"no mirror gives pool/main/dash_1.0_amd64.deb:\n{url}: it answered 404" in said
    assert "`sematic-oci base lock --locks FOLDER`" in said
    assert "http://snapshot.debian.org/archive/debian/20260711T101637Z" in said


def test_a_mirror_that_is_down_is_named(archive: DebianArchive, tmp_path: Path) -> None:
    with pytest.raises(BaseError, match=r"http://127\.0\.0\.1:1: 127\.0\.0\.1:1 was not reached"):
        digest(archive.image(tmp_path / "s", url="http://127.0.0.1:1"), tmp_path / "l")


# The loader's cache


def test_ldconfig_reads_the_loader_s_cache(tmp_path: Path) -> None:
    libraries = {
        name: f"/lib/{name}" for name in ("libb.so.10", "libb.so.9", "liba.so", "lib2.so.1")
    }
    (tmp_path / "cache").write_bytes(cache_bytes(libraries, 0x0303))
    said = subprocess.run(
        ["ldconfig", "-C", tmp_path / "cache", "-p"], capture_output=True, text=True, check=True
    )
    lines = [line.split()[0] for line in said.stdout.splitlines()[1:]]  # as they lie there
    assert lines == ["lib2.so.1", "libb.so.10", "libb.so.9", "liba.so"]
