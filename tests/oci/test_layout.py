"""Image layouts and archives on disk, written by many at once and read by others."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic.oci.archive import Archive
from sematic.oci.blob import Destination
from sematic.oci.delivery import Delivery, deliver
from sematic.oci.errors import BlobsMissing, DigestError, LayerChanged, NotFound, PlaceError
from sematic.oci.files import FileEntry
from sematic.oci.image import Image
from sematic.oci.layer import Bytes, Layer, Made
from sematic.oci.layout import Layout
from sematic.oci.manifest import Descriptor, Platform
from sematic.oci.reference import ArchiveReference, LayoutReference
from tests.projects import small_disk

AMD64 = Platform("linux", "amd64")


def image(*contents: bytes) -> Image:
    layers = [
        Layer(f"layer {n}", [FileEntry.from_bytes(f"f{n}", content)])
        for n, content in enumerate(contents)
    ]
    return Image(AMD64).append(*layers).configured(env={"A": "b"})


def layout(folder: Path) -> Layout:
    return Layout(LayoutReference(str(folder)))


def store(folder: Path, *contents: bytes, tags: tuple[str, ...] = ("latest",)) -> Delivery:
    return deliver(image(*contents), layout(folder), tags)


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob(".*"))


def test_a_second_delivery_writes_nothing(tmp_path: Path) -> None:
    first = store(tmp_path / "l", b"one", b"two")
    assert (first.count("new"), first.count("reused")) == (2, 0)
    second = store(tmp_path / "l", b"one", b"two")
    assert (second.count("new"), second.sent, second.reference) == (0, 0, first.reference)


def test_only_the_changed_layer_is_written(tmp_path: Path) -> None:
    store(tmp_path / "l", b"one", b"two")
    assert [layer.fate for layer in store(tmp_path / "l", b"one", b"2").layers] == ["reused", "new"]


def test_a_tag_moves_and_the_other_stays(tmp_path: Path) -> None:
    first = store(tmp_path / "l", b"one", tags=("v1", "latest"))
    second = store(tmp_path / "l", b"two", tags=("latest",))
    place = layout(tmp_path / "l")
    assert place.head("v1") == first.digest
    assert place.head("latest") == second.digest
    assert place.tags() == ["latest", "v1"]


def test_an_image_without_tags_can_be_had_by_its_digest(tmp_path: Path) -> None:
    delivery = store(tmp_path / "l", b"one", tags=())
    assert layout(tmp_path / "l").manifest(delivery.digest).descriptor.digest == delivery.digest


def test_a_large_layer_is_streamed_and_named_by_the_digest_it_turns_out_to_have(
    tmp_path: Path,
) -> None:
    noise = os.urandom(6 << 20)
    delivery = store(tmp_path / "l", noise)
    descriptor = delivery.layers[0]
    data = b"".join(
        layout(tmp_path / "l").blob(Descriptor("x", descriptor.digest, descriptor.size))
    )
    assert len(data) == descriptor.size > 6 << 20


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for turn in range(5):
            store(tmp_path / "l", b"shared", f"{number} {turn}".encode(), tags=(f"t{number}",))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert layout(tmp_path / "l").tags() == [f"t{n}" for n in range(6)]
    assert not leftovers(tmp_path / "l")


def test_a_writer_that_dies_leaves_nothing_that_can_be_seen(tmp_path: Path) -> None:
    script = """
import os, sys
from tests.oci.test_layout import layout
from pathlib import Path
class Dying:
    name = "dying"; descriptor = None; origin = None
    def open(self):
        yield b"x" * 100_000
        os.kill(os.getpid(), 9)
layout(Path(sys.argv[1])).put(Dying(), lambda n: None)
"""
    run = subprocess.run([sys.executable, "-c", script, tmp_path / "l"])
    assert run.returncode == -9
    assert len(leftovers(tmp_path / "l")) == 1
    os.utime(leftovers(tmp_path / "l")[0], (0, 0))
    (tmp_path / "l" / "oci-layout").unlink()
    store(tmp_path / "l", b"one")
    assert not leftovers(tmp_path / "l")


def test_a_source_that_fails_halfway_leaves_nothing(tmp_path: Path) -> None:
    class Failing:
        name = "failing"
        descriptor = None
        origin = None

        def open(self) -> Iterator[bytes]:
            yield b"x"
            raise OSError(errno.EIO, "the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        layout(tmp_path / "l").put(Failing(), lambda count: None)
    assert not leftovers(tmp_path / "l")
    assert not list((tmp_path / "l" / "blobs" / "sha256").iterdir())


def test_a_blob_with_another_digest_is_refused(tmp_path: Path) -> None:
    blob = Bytes("b", Descriptor.of("text/plain", b"right"), b"wrong")
    with pytest.raises(DigestError, match="b: 5 bytes with digest"):
        layout(tmp_path / "l").put(blob, lambda count: None)


def test_a_damaged_blob_is_found_when_it_is_read(tmp_path: Path) -> None:
    delivery = store(tmp_path / "l", b"one")
    layer = delivery.layers[0]
    path = tmp_path / "l" / "blobs" / "sha256" / layer.digest[7:]
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(DigestError, match="damaged"):
        b"".join(layout(tmp_path / "l").blob(Descriptor("x", layer.digest, layer.size)))


def test_a_missing_blob_is_written_again(tmp_path: Path) -> None:
    layer = store(tmp_path / "l", b"one", b"two").layers[1]
    (tmp_path / "l" / "blobs" / "sha256" / layer.digest[7:]).unlink()
    assert [x.fate for x in store(tmp_path / "l", b"one", b"two").layers] == ["reused", "new"]


def test_a_manifest_is_not_stored_before_its_blobs(tmp_path: Path) -> None:
    absent = Descriptor.of("text/plain", b"absent")
    delivery = store(tmp_path / "l", b"one")
    document = layout(tmp_path / "l").manifest(delivery.digest)
    with pytest.raises(BlobsMissing, match=absent.digest):
        layout(tmp_path / "l").finish(document, ["v2"], [absent])
    assert layout(tmp_path / "l").tags() == ["latest"]


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.tex").write_text("precious")
    with pytest.raises(PlaceError, match=r"no image layout but has other things in it \(thesis"):
        store(folder, b"one")
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no image layout in"):
        layout(tmp_path / "nowhere").manifest("latest")
    store(tmp_path / "l", b"one", tags=("v1", "v2"))
    with pytest.raises(NotFound, match="has no 'v3', it has v1, v2"):
        layout(tmp_path / "l").manifest("v3")


def test_a_full_disk_is_one_clear_error(full_disk: Path) -> None:
    with pytest.raises(PlaceError, match="No space left on device"):
        store(full_disk / "l", os.urandom(3 << 20))
    assert not leftovers(full_disk / "l")


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    with small_disk(tmp_path / "small", "1m") as folder:
        yield folder


def test_an_archive_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    archive = Archive(ArchiveReference(str(tmp_path / "a.tar")), "app")
    delivery = deliver(image(b"one"), archive, ["v1"])
    with tarfile.open(tmp_path / "a.tar") as tar:
        names = tar.getnames()
        index = tar.extractfile("index.json")
        assert index is not None
        entry = json.load(index)["manifests"][0]
    assert entry["digest"] == delivery.digest
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "v1"
    assert {"oci-layout", "index.json", f"blobs/sha256/{delivery.digest[7:]}"} <= set(names)
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["a.tar"]


def test_the_same_image_is_the_same_archive(tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        destination: Destination = Archive(ArchiveReference(str(tmp_path / name)), "app")
        deliver(image(b"one", b"two", os.urandom(0)), destination, ["v1"])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_an_archive_that_fails_leaves_nothing(tmp_path: Path) -> None:
    before = Made("sha256:" + "0" * 64, 10240, "sha256:" + "1" * 64, 99)
    wrong = Layer("wrong", [FileEntry.from_bytes("f", b"x")], made=before)
    archive = Archive(ArchiveReference(str(tmp_path / "a.tar")), "app")
    with pytest.raises(LayerChanged):
        deliver(image(b"one").append(wrong), archive, ["v1"])
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_an_archive_in_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match="there is no folder"):
        deliver(image(b"one"), Archive(ArchiveReference(str(tmp_path / "no" / "a.tar"))), ["v1"])
