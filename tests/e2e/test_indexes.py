"""An index of images for two platforms, judged by the tools that take one of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from sematic.oci.archive import Archive
from sematic.oci.compression import Compression
from sematic.oci.delivery import Delivery, deliver
from sematic.oci.files import FileEntry
from sematic.oci.image import Image
from sematic.oci.index import Index
from sematic.oci.layer import Layer
from sematic.oci.manifest import Descriptor, Format, Platform
from sematic.oci.memo import Forgetful
from sematic.oci.reference import ArchiveReference, RegistryReference
from sematic.oci.registry import open_repository
from tests.e2e.schemas import ImageSpec
from tests.oci.images import layout
from tests.peers.podman import Podman
from tests.peers.registry import Registry
from tests.peers.tools import Crane, Skopeo, Umoci

PLATFORMS = [Platform("linux", "amd64"), Platform("linux", "arm64")]


def own(platform: Platform, format: Format = "oci") -> Image:
    """An image with one layer that all have, and one of its own."""
    gzip = Compression.parse("gzip")  # which crane validates
    layers = [
        Layer(name, [FileEntry.from_bytes(f"etc/{name}", text.encode())], compression=gzip)
        for name, text in (("same", "same"), ("cpu", platform.architecture))
    ]
    return Image(platform, format=format).append(*layers).configured(command=["/bin/sh"])


def index(format: Format = "oci") -> Index:
    return Index([own(platform, format) for platform in PLATFORMS])


@pytest.fixture(params=["docker", "crane"])
def place(
    request: pytest.FixtureRequest, docker_registry: Registry, crane_registry: Registry
) -> Registry:
    return docker_registry if request.param == "docker" else crane_registry


@pytest.fixture(params=["oci", "docker"])
def delivered(request: pytest.FixtureRequest, place: Registry) -> Delivery:
    reference = RegistryReference(place.host, f"indexes/{request.param}")
    return deliver(index(request.param), open_repository(reference, push=True), ["v1"])


def test_crane_finds_every_image_whole(delivered: Delivery, crane: Crane) -> None:
    name = delivered.reference.partition("@")[0]
    assert crane.digest(f"{name}:v1") == delivered.digest
    crane.validate(f"{name}:v1")
    for platform in PLATFORMS:
        config = json.loads(
            crane.run("config", "--insecure", f"--platform={platform}", f"{name}:v1")
        )
        assert config["architecture"] == platform.architecture


def test_skopeo_copies_all_of_it(delivered: Delivery, skopeo: Skopeo, tmp_path: Path) -> None:
    skopeo.copy(f"docker://{delivered.reference}", f"dir:{tmp_path}/copy", "--all")
    data = (tmp_path / "copy/manifest.json").read_bytes()
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == delivered.digest
    assert len(list((tmp_path / "copy").glob("*.manifest.json"))) == 2


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_podman_pulls_the_image_of_its_platform(
    platform: Platform, delivered: Delivery, podman: Podman
) -> None:
    pulled = podman.pull(delivered.reference, f"--platform={platform}")
    assert json.loads(podman.command("inspect", pulled))[0]["Architecture"] == platform.architecture


def test_the_index_is_what_the_image_spec_says(image_spec: ImageSpec) -> None:
    image = own(PLATFORMS[0])
    for layer in image.layers:
        list(layer.open())
    image_spec.check("image-index-schema.json", Index([image]).document().parsed())


def test_each_blob_is_sent_once_and_the_tag_comes_last(docker_registry: Registry) -> None:
    reference = RegistryReference(docker_registry.host, "indexes/requests")
    memo = Forgetful()

    def push() -> list[tuple[str, str, int]]:
        """What it asked of the registry."""
        before = len(docker_registry.requests())
        deliver(index(), open_repository(reference, memo=memo, push=True), ["v1"])
        asked = docker_registry.requests()[before:]
        return [request for request in asked if f"/v2/{reference.repository}/" in request[1]]

    puts = [path for method, path, _ in push() if method == "PUT"]
    assert len([path for path in puts if "/uploads/" in path]) == 5  # three layers, two configs
    manifests = [path.rpartition("/")[2] for path in puts if "/manifests/" in path]
    assert len(manifests) == 3 and manifests[-1] == "v1"
    assert not [path for _, path, _ in push() if "/blobs/" in path]


def test_umoci_and_skopeo_read_a_layout(skopeo: Skopeo, umoci: Umoci, tmp_path: Path) -> None:
    delivery = deliver(index(), layout(tmp_path / "l"), ["v1"])
    for platform in PLATFORMS:
        chosen = ("--override-arch", platform.architecture)
        skopeo.run(
            *("--insecure-policy", *chosen, "copy"),
            *(f"oci:{tmp_path}/l", f"oci:{tmp_path}/{platform.architecture}:v1"),
        )
        root = umoci.unpack(
            tmp_path / platform.architecture, "v1", tmp_path / f"{platform.architecture}-bundle"
        )
        assert (root / "etc/cpu").read_text() == platform.architecture
    assert Descriptor.from_dict(layout(tmp_path / "l")._entries()[0]).digest == delivery.digest


def test_podman_loads_an_archive_of_it(podman: Podman, tmp_path: Path) -> None:
    archive = Archive(ArchiveReference(str(tmp_path / "both.tar")), "both")
    deliver(index(), archive, ["v1"])
    loaded = podman.load(tmp_path / "both.tar")
    found = json.loads(podman.command("inspect", loaded))[0]
    assert found["Architecture"] == Platform.of_host().architecture
