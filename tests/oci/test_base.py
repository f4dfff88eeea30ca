"""Bases: found by tag and by digest, for a platform, without their layers; and their Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from sematic.oci.base import Base, find_base
from sematic.oci.base_python import BasePython, find_base_python
from sematic.oci.cache import Cache
from sematic.oci.errors import BaseError
from sematic.oci.events import Event, Noticed, ignore
from sematic.oci.files import FileEntry
from sematic.oci.manifest import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Platform,
    digest_of,
    layer_media_type,
)
from sematic.oci.memo import Forgetful, Memo
from sematic.oci.places import open_source
from sematic.oci.reference import parse_reference
from tests.oci.images import (
    AMD64,
    Made,
    base_of,
    gzip_members,
    layout,
    links,
    store_base,
    store_index,
    tar,
)
from tests.peers.registry import Registry
from tests.peers.tools import Crane, Skopeo

ARM64 = Platform("linux", "arm64", "v8")
PLAIN = layer_media_type("")


def base(reference: str, platform: Platform | None = None, memo: Memo | None = None) -> Base:
    memo = memo or Forgetful()
    return find_base(open_source(parse_reference(reference), memo=memo), memo, platform)


def python(found: Base, memo: Memo | None = None) -> BasePython:
    return find_base_python(found, memo or Forgetful(), ignore)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a layout can be."""
    return tmp_path / "layout"


@pytest.fixture
def asked(docker_registry: Registry) -> Callable[[], list[str]]:
    """What the registry was asked since the last call, without its host and hello."""
    seen = len(docker_registry.requests())

    def news() -> list[str]:
        nonlocal seen
        requests = docker_registry.requests()[seen:]
        seen += len(requests)
        return [f"{method} {path}" for method, path, _ in requests if path != "/v2/"]

    return news


# Finding an image


@pytest.mark.parametrize("place", ["layout", "registry"])
def test_an_image_is_found_by_its_tag_and_by_its_digest(
    place: str, base_layout: Path, base_in_registry: str
) -> None:
    name = f"oci-layout:{base_layout}:worker" if place == "layout" else base_in_registry
    found = base(name)
    assert (found.name, found.platform) == (name, Platform.of_host())
    assert found.labels["dev.sematic.python"] == "3.11"
    repository = name.rpartition(":")[0]
    again = base(f"{repository}@{found.digest}")
    assert (again.digest, again.manifest) == (found.digest, found.manifest)


def test_the_layers_of_a_base_can_be_read_where_they_lie(base_in_registry: str) -> None:
    found = base(base_in_registry).layers[0]
    data = b"".join(found.open())
    assert (digest_of(data), len(data)) == (found.descriptor.digest, found.descriptor.size)


@pytest.mark.parametrize("format", ["oci", "v2s2"])
def test_the_image_of_the_platform_is_taken_from_an_index(
    format: str, tmp_path: Path, docker_registry: Registry, skopeo: Skopeo, crane: Crane
) -> None:
    repository = f"{docker_registry.host}/base/index-{format}"
    parts = []
    for platform in (AMD64, ARM64):
        tag = platform.architecture
        store_base(
            tmp_path / "l", links(usr__bin__python3="python3.11"), platform=platform, tag=tag
        )
        skopeo.copy(f"oci:{tmp_path}/l:{tag}", f"docker://{repository}:{tag}", "--format", format)
        parts += ["--manifest", f"{repository}:{tag}"]
    kind = ["--docker-empty-base"] if format == "v2s2" else []
    crane.run("index", "append", "--insecure", *kind, *parts, "--tag", f"{repository}:all")
    manifest = crane.manifest(f"{repository}:all")
    assert manifest["mediaType"] == (DOCKER_INDEX if format == "v2s2" else OCI_INDEX)
    for platform in (AMD64, ARM64):
        found = base(f"{repository}:all", platform)
        assert found.platform == platform
        assert found.digest == crane.digest(f"{repository}:{platform.architecture}")
        assert found.manifest.format == ("docker" if format == "v2s2" else "oci")
    assert base(f"{repository}:all").platform.accepts(Platform.of_host())
    with pytest.raises(BaseError, match="it has no linux/s390x, only linux/amd64, linux/arm64"):
        base(f"{repository}:all", Platform("linux", "s390x"))


def test_an_index_counts_for_the_platform_even_if_the_config_leaves_the_variant_out(
    folder: Path,
) -> None:
    image = Made(folder, {"architecture": "arm"}).add(PLAIN, b"x").store("v7")
    v7 = Platform("linux", "arm", "v7")
    entry = Descriptor(OCI_MANIFEST, image.digest, image.size, platform=v7)
    store_index(folder, [entry], "all")
    assert base_of(folder, "all", v7).digest == image.digest


def test_an_image_for_another_platform_is_refused(base_in_registry: str) -> None:
    with pytest.raises(BaseError, match=r"it is for linux/\w+, not for linux/s390x"):
        base(base_in_registry, Platform("linux", "s390x"))


@pytest.mark.parametrize("place", ["layout", "registry"])
def test_what_is_not_there_is_an_error_that_names_it(
    place: str, base_layout: Path, docker_registry: Registry
) -> None:
    name = (
        f"oci-layout:{base_layout}" if place == "layout" else f"{docker_registry.host}/base/worker"
    )
    with pytest.raises(BaseError, match=rf"base image {name}:none: there is no tag 'none'"):
        base(f"{name}:none")
    with pytest.raises(BaseError, match=f"base image {name}@sha256:{'0' * 64}: "):
        base(f"{name}@sha256:{'0' * 64}")


# What is no image


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"rootfs": None}, "its config is no"),
        ({"rootfs": {"type": "layers"}}, "its config is no"),
        ({"rootfs": {"diff_ids": ["x"]}}, "its config is no"),
        ({"rootfs": {"diff_ids": [5]}}, "its config is no"),
        ({"rootfs": {"diff_ids": []}}, "do not name as many layers"),
        ({"config": []}, None),
        ({"config": ["x"]}, "its config is no"),
        ({"config": {"Env": "A=b"}}, "its config is no"),
        ({"config": {"Env": [5]}}, "its config is no"),
        ({"config": {"Env": ["NOTHING"], "Labels": None}}, None),
        ({"config": {"Labels": ["x"]}}, "its config is no"),
        ({"history": [1]}, "its config is no"),
        ({"history": None, "config": None}, None),
    ],
)
def test_a_config_that_is_none_is_an_error(
    config: dict[str, Any], why: str | None, folder: Path
) -> None:
    Made(folder, config).add(PLAIN, b"x").store()
    if why is None:
        found = base_of(folder)
        assert len(found.layers) == 1
        assert set(found.environment().values()) <= {""} and found.labels == {}
    else:
        with pytest.raises(BaseError, match=why):
            base_of(folder)


def test_an_artifact_is_no_image_and_nothing_of_it_is_read(folder: Path) -> None:
    chart = "application/vnd.cncf.helm.config.v1+json"
    stored = Made(folder, config_type=chart).add("application/x-chart", b"x").store()
    config = layout(folder).manifest(stored.digest).parsed()["config"]["digest"]
    (folder / "blobs" / "sha256" / config[7:]).unlink()
    with pytest.raises(BaseError, match=r"it is no image: its config is .*helm"):
        base_of(folder)


def test_an_attestation_beside_an_image_is_not_taken_for_one(folder: Path) -> None:
    image = Made(folder).add(PLAIN, b"x").store("image")
    proof = Made(folder, {"os": "unknown", "architecture": "unknown"})
    attestation = proof.add("application/vnd.in-toto+json", b"{}").store("proof")
    entries = [
        Descriptor(OCI_MANIFEST, attestation.digest, attestation.size, platform=unknown)
        for unknown in [Platform("unknown", "unknown")]
    ] + [Descriptor(OCI_MANIFEST, image.digest, image.size, platform=AMD64)]
    store_index(folder, entries, "all")
    assert base_of(folder, "all", AMD64).digest == image.digest
    with pytest.raises(BaseError, match=r"it has no linux/arm64/v8, only linux/amd64$"):
        base_of(folder, "all", ARM64)


def test_a_docker_image_is_a_base(
    base_layout: Path, docker_registry: Registry, skopeo: Skopeo
) -> None:
    name = f"{docker_registry.host}/base/docker-format:v1"
    skopeo.copy(f"oci:{base_layout}:worker", f"docker://{name}", "--format", "v2s2")
    found = base(name)
    assert found.manifest.media_type == DOCKER_MANIFEST
    assert python(found).version == "3.11"


# What is asked of a registry


def test_a_tag_that_has_not_moved_costs_one_question(
    base_in_registry: str, asked: Callable[[], list[str]]
) -> None:
    first = base(base_in_registry, memo=Cache())
    asked()
    assert base(base_in_registry, memo=Cache()).config == first.config
    assert asked() == ["HEAD /v2/base/worker/manifests/latest"]


def test_a_digest_that_is_known_costs_none(
    base_in_registry: str, asked: Callable[[], list[str]]
) -> None:
    first = base(base_in_registry, memo=Cache())
    asked()
    pinned = f"{base_in_registry.rpartition(':')[0]}@{first.digest}"
    assert base(pinned, memo=Cache()).digest == first.digest
    assert asked() == []


def test_a_tag_that_moves_is_seen(
    base_layout: Path, docker_registry: Registry, skopeo: Skopeo
) -> None:
    name = f"{docker_registry.host}/base/moving:latest"
    seen = []
    for tag in ("worker", "plain", "worker"):
        skopeo.copy(f"oci:{base_layout}:{tag}", f"docker://{name}")
        found = base(name, memo=Cache())
        assert ("dev.sematic.python" in found.labels) == (tag == "worker")
        seen.append(found.digest)
    assert seen[0] == seen[2] != seen[1]


# Its Python


def test_the_layers_of_a_base_with_a_label_are_never_asked_for(
    base_in_registry: str, asked: Callable[[], list[str]]
) -> None:
    found = base(base_in_registry)
    assert python(found) == BasePython("3.11", "/usr/bin/python3", "glibc", "2.36")
    layers = [each.descriptor.digest for each in found.layers]
    assert not [line for line in asked() if any(digest in line for digest in layers)]


def test_a_base_without_a_label_is_read_once(
    base_layout: Path,
    docker_registry: Registry,
    skopeo: Skopeo,
    asked: Callable[[], list[str]],
) -> None:
    name = f"{docker_registry.host}/base/unlabelled:latest"
    skopeo.copy(f"oci:{base_layout}:plain", f"docker://{name}")
    asked()
    told: list[Event] = []
    found = base(name, memo=Cache())
    first = find_base_python(found, Cache(), told.append)
    assert first == BasePython("3.11", "/usr/bin/python3", "glibc", "2.36")
    assert told == [Noticed(f"reading the layers of {name} once, to find its Python")]
    assert any(found.layers[0].descriptor.digest in line for line in asked())
    assert find_base_python(base(name, memo=Cache()), Cache(), told.append) == first
    assert len(told) == 1
    assert asked() == ["HEAD /v2/base/unlabelled/manifests/latest"]


MUSL = FileEntry.from_bytes("lib/ld-musl-x86_64.so.1", b"\x7fELF")
GLIBC = FileEntry.from_bytes("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", b"\x7fELF")
OS_PY = FileEntry.from_bytes("usr/lib64/python3.9/os.py", b"")


@pytest.mark.parametrize(
    ("layers", "env", "expected"),
    [
        (
            [[MUSL, *links(usr__bin__python3="python3.12")]],
            {},
            BasePython("3.12", "/usr/bin/python3", "musl"),
        ),
        (
            [[GLIBC], links(usr__bin__python3="/usr/bin/python3.10")],
            {},
            BasePython("3.10", "/usr/bin/python3", "glibc"),
        ),
        (  # the official images, on a distribution that has a Python of its own
            [
                [GLIBC, *links(usr__bin__python3="python3.11")],
                links(usr__local__bin__python3="python3.13"),
            ],
            {"PYTHON_VERSION": "3.13.1"},
            BasePython("3.13", "/usr/local/bin/python3", "glibc"),
        ),
        (  # a variable of that name alone says nothing
            [[GLIBC, *links(usr__bin__python3="python3.11")]],
            {"PYTHON_VERSION": "3.13.1"},
            BasePython("3.11", "/usr/bin/python3", "glibc"),
        ),
        (
            [[GLIBC, *links(usr__local__bin__python3="python3.12")]],
            {},
            BasePython("3.12", "/usr/local/bin/python3", "glibc"),
        ),
        (  # conda's
            [[GLIBC, *links(opt__conda__bin__python3="python3.12")]],
            {"PATH": "/opt/conda/bin:/usr/bin"},
            BasePython("3.12", "/opt/conda/bin/python3", "glibc"),
        ),
        (  # Red Hat: the link goes through /etc/alternatives, the library lies in lib64
            [[GLIBC, OS_PY, *links(usr__bin__python3="/etc/alternatives/python3")]],
            {},
            BasePython("3.9", "/usr/bin/python3", "glibc"),
        ),
        (  # Alpine with what runs glibc programs
            [
                [MUSL],
                [GLIBC, *links(usr__bin__python3="python3.12")],
            ],
            {},
            BasePython("3.12", "/usr/bin/python3", "musl"),
        ),
    ],
    ids=["alpine", "layers", "official", "variable", "local", "conda", "red hat", "gcompat"],
)
def test_the_python_of_a_base_is_found(
    layers: list[list[FileEntry]], env: dict[str, str], expected: BasePython, tmp_path: Path
) -> None:
    found = base(store_base(tmp_path / "base", *layers, env=env), AMD64)
    assert python(found) == expected


def test_a_layer_in_many_parts_is_read_to_its_end(tmp_path: Path) -> None:
    entries = [FileEntry.from_bytes(f"f{n}", b"x" * 600) for n in range(20)]
    entries += [GLIBC, *links(usr__bin__python3="python3.12")]
    plain = tar(*entries)
    frames = [zstandard.compress(plain[at : at + 512]) for at in range(0, len(plain), 512)]
    zstd = (layer_media_type("zstd"), b"".join(frames), digest_of(plain))
    for number, layer in enumerate([gzip_members(*entries), zstd, (PLAIN, plain, "")]):
        folder = tmp_path / str(number)
        Made(folder).add(*layer).store()
        assert python(base_of(folder)) == BasePython("3.12", "/usr/bin/python3", "glibc")


def test_a_base_without_python_is_refused(tmp_path: Path) -> None:
    scripts = [MUSL, *links(usr__bin__python="python2.7", usr__bin__python3_config="x3.11")]
    found = base(store_base(tmp_path / "base", scripts), AMD64)
    with pytest.raises(BaseError, match=r"has no /usr/bin/python3, .*\n.* \(--base none\)"):
        python(found)


@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
def test_a_layer_that_cannot_be_read_is_an_error_that_says_which(
    compression: str, folder: Path
) -> None:
    Made(folder).add(layer_media_type(compression), b"this is no layer" * 100).store()
    with pytest.raises(BaseError, match="cannot be read: base 1: "):
        python(base_of(folder))
