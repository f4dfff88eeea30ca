"""An index of images, delivered as one thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from sematic.oci.base import find_base
from sematic.oci.delivery import Delivery, deliver
from sematic.oci.errors import BaseError, BlobsMissing, ManifestError
from sematic.oci.files import FileEntry
from sematic.oci.image import Image
from sematic.oci.index import Index
from sematic.oci.layer import Layer
from sematic.oci.manifest import DOCKER_INDEX, OCI_INDEX, Format, Platform, index_entries
from sematic.oci.memo import Forgetful
from tests.oci.images import layer, layout

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


def images(*, shared: Layer | None = None, format: Format = "oci") -> list[Image]:
    """One for each platform, with a layer of its own on top of one that both have."""
    common = shared or layer("common")
    return [
        Image(platform, format=format)
        .append(common, layer(f"own of {platform}"))
        .configured(env={"CPU": platform.architecture})
        for platform in (AMD64, ARM64)
    ]


def store(folder: Path, *tags: str) -> Delivery:
    return deliver(Index(images()), layout(folder), tags or ("latest",))


def test_each_platform_finds_its_image(tmp_path: Path) -> None:
    store(tmp_path / "l")
    for platform in (AMD64, ARM64):
        found = find_base(layout(tmp_path / "l", "latest"), Forgetful(), platform)
        assert found.environment() == {"CPU": platform.architecture}
        assert found.platform == platform
    with pytest.raises(BaseError, match="has no linux/riscv64, only linux/amd64, linux/arm64"):
        find_base(layout(tmp_path / "l", "latest"), Forgetful(), Platform("linux", "riscv64"))


def test_the_tag_stands_for_the_index_and_the_images_have_none(tmp_path: Path) -> None:
    delivery = store(tmp_path / "l", "v1", "v2")
    place = layout(tmp_path / "l")
    assert place.head("v1") == place.head("v2") == delivery.digest
    document = place.manifest("v1")
    assert document.media_type == OCI_INDEX
    entries = index_entries(document)
    assert [entry.platform for entry in entries] == [AMD64, ARM64]
    assert all(place.manifest(entry.digest).descriptor.size == entry.size for entry in entries)
    assert len(place._entries()) == 2


def test_a_layer_that_two_images_share_is_written_once(tmp_path: Path) -> None:
    fates = [(each.name, each.fate) for each in store(tmp_path / "l").layers]
    assert fates == [
        ("common", "new"),
        ("own of linux/amd64", "new"),
        ("common", "reused"),
        ("own of linux/arm64", "new"),
    ]


def test_a_large_layer_that_two_images_share_is_made_once(tmp_path: Path) -> None:
    large = Layer("large", [FileEntry.from_bytes("large", bytes(6 << 20))])
    delivery = deliver(Index(images(shared=large)), layout(tmp_path / "l"))
    assert [each.fate for each in delivery.layers if each.name == "large"] == ["new", "reused"]


def test_a_second_delivery_writes_nothing(tmp_path: Path) -> None:
    first = store(tmp_path / "l")
    second = store(tmp_path / "l")
    assert (second.count("new"), second.sent, second.reference) == (0, 0, first.reference)


@pytest.mark.parametrize("gone", ["a layer", "a manifest"])
def test_what_has_gone_from_a_layout_is_written_again(gone: str, tmp_path: Path) -> None:
    delivery = store(tmp_path / "l")
    entry = index_entries(layout(tmp_path / "l").manifest("latest"))[1]
    digest = delivery.layers[3].digest if gone == "a layer" else entry.digest
    path = tmp_path / "l/blobs/sha256" / digest.partition(":")[2]
    path.unlink()
    assert store(tmp_path / "l").digest == delivery.digest
    assert path.is_file()


def test_an_image_of_an_index_is_not_stored_before_its_blobs(tmp_path: Path) -> None:
    store(tmp_path / "l")
    image = Image(AMD64).append(layer("never put"))
    with pytest.raises(BlobsMissing):
        layout(tmp_path / "l").add(image.document(), image.manifest().layers)
    assert layout(tmp_path / "l").head(image.document().descriptor.digest) is None


def test_docker_s_format_has_a_manifest_list() -> None:
    plain = [
        Image(platform, format="docker").configured(env={"CPU": platform.architecture})
        for platform in (AMD64, ARM64)
    ]
    document = Index(plain, {"left": "out"}).document()
    assert document.media_type == DOCKER_INDEX
    assert "annotations" not in document.parsed()


def test_an_index_may_have_annotations() -> None:
    assert Index(images(), {"a": "b"}).document().parsed()["annotations"] == {"a": "b"}


def test_two_images_for_one_platform_are_an_error() -> None:
    with pytest.raises(ManifestError, match="two images for linux/amd64"):
        Index([Image(AMD64), Image(AMD64)])


@pytest.mark.parametrize("images", [[], [Image(AMD64), Image(ARM64, format="docker")]])
def test_no_image_and_two_formats_are_errors(images: list[Image]) -> None:
    with pytest.raises(ManifestError, match="of one format, and of one image at least"):
        Index(images)
