"""An image as a value: what its config, its manifest and its history say."""

from __future__ import annotations

import doctest
import json
from pathlib import Path
from typing import Any

import pytest

import sematic.oci.image
from sematic.oci.base import Base
from sematic.oci.compression import Compression
from sematic.oci.errors import ManifestError
from sematic.oci.files import FileEntry
from sematic.oci.image import Image
from sematic.oci.layer import Layer
from sematic.oci.manifest import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_MANIFEST,
    Descriptor,
    Format,
    Manifest,
    Platform,
)
from sematic.oci.reference import RegistryReference
from sematic.oci.registry import open_repository
from tests.oci.images import AMD64, layer, layout

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DIGEST = "sha256:" + "b" * 64
DIFF_ID = "sha256:" + "d" * 64


def base(
    tmp_path: Path,
    *media_types: str,
    config: dict[str, Any] | None = None,
    history: list[dict[str, Any]] | None = None,
    urls: tuple[str, ...] = (),
) -> Base:
    """A base whose layers nobody reads."""
    layers = tuple(
        Descriptor(media_type, f"sha256:{n:064x}", 10 + n, {"from": "base"}, urls)
        for n, media_type in enumerate(media_types)
    )
    document: dict[str, Any] = {
        "os": "linux",
        "architecture": "amd64",
        "author": "someone",
        "container": "abc",
        "rootfs": {"type": "layers", "diff_ids": [DIFF_ID] * len(layers)},
        "config": config or {},
    }
    if history is not None:
        document["history"] = history
    manifest = Manifest(OCI_MANIFEST, Descriptor(OCI_CONFIG, DIGEST, 1), layers, {"own": "x"})
    return Base("reg.example.com/base:v1", DIGEST, manifest, document, layout(tmp_path))


def config_of(image: Image) -> dict[str, Any]:
    document = json.loads(image.config_blob().data)
    assert isinstance(document, dict)
    return document


def run_of(image: Image) -> dict[str, Any]:
    return dict(config_of(image)["config"])


def test_the_doctest_of_the_module_runs() -> None:
    assert doctest.testmod(sematic.oci.image).failed == 0


def test_an_image_is_a_value() -> None:
    image = Image(AMD64)
    longer = image.append(layer("a")).append(layer("b"), layer("c"))
    changed = longer.configured(env={"A": "1"}).annotated({"k": "v"})
    assert image == Image(AMD64) and not image.layers
    assert [each.name for each in longer.layers] == ["a", "b", "c"]
    assert (longer.config.env, longer.annotations) == ({}, {})
    assert changed.layers == longer.layers


def test_layers_lie_on_those_of_the_base(tmp_path: Path) -> None:
    image = Image.on(base(tmp_path, OCI_LAYER, OCI_LAYER + "+gzip")).append(layer("own"))
    assert [each.name for each in image.all_layers()] == ["base 1", "base 2", "own"]
    assert [each.digest[-1] for each in image.manifest().layers[:2]] == ["0", "1"]
    assert config_of(image)["rootfs"] == {
        "type": "layers",
        "diff_ids": [DIFF_ID, DIFF_ID, image.layers[0].diff_id],
    }


def test_the_manifest_names_the_config_and_every_layer() -> None:
    image = Image(AMD64).append(layer("one"), layer("two")).annotated({"title": "x"})
    manifest, blob = image.manifest(), image.config_blob()
    assert manifest.media_type == OCI_MANIFEST
    assert manifest.config == blob.descriptor == Descriptor.of(OCI_CONFIG, blob.data)
    assert manifest.layers == tuple(each.descriptor for each in image.layers)
    assert manifest.annotations == {"title": "x", "dev.sematic.layers": "2"}


def test_an_image_without_any_layer_is_one() -> None:
    image = Image(AMD64)
    assert image.is_settled()
    assert image.manifest().layers == ()
    assert config_of(image)["rootfs"]["diff_ids"] == []


def test_variables_are_added_to_those_of_the_base(tmp_path: Path) -> None:
    below = base(tmp_path, config={"Env": ["PATH=/bin", "A=base", "B=x=y", "EMPTY="]})
    image = Image.on(below).configured(env={"A": "own"}).configured(env={"C": "1"})
    expected = {"PATH": "/bin", "A": "own", "B": "x=y", "EMPTY": "", "C": "1"}
    assert image.environment() == expected
    assert run_of(image)["Env"] == [f"{name}={value}" for name, value in expected.items()]


def test_labels_are_merged(tmp_path: Path) -> None:
    below = base(tmp_path, config={"Labels": {"a": "base", "b": "base"}})
    image = Image.on(below).configured(labels={"b": "own"}).configured(labels={"c": "own"})
    assert run_of(image)["Labels"] == {"a": "base", "b": "own", "c": "own"}
    assert run_of(Image.on(below))["Labels"] == {"a": "base", "b": "base"}


def test_an_entrypoint_drops_the_command_of_the_base(tmp_path: Path) -> None:
    below = Image.on(base(tmp_path, config={"Entrypoint": ["/old"], "Cmd": ["arg"]}))
    assert run_of(below) == {"Entrypoint": ["/old"], "Cmd": ["arg"]}
    assert run_of(below.configured(entrypoint=["/new"])) == {"Entrypoint": ["/new"]}
    both = below.configured(entrypoint=["/new"]).configured(command=["own"])
    assert run_of(both) == {"Entrypoint": ["/new"], "Cmd": ["own"]}
    assert run_of(below.configured(command=["own"])) == {"Entrypoint": ["/old"], "Cmd": ["own"]}
    assert run_of(below.configured(entrypoint=[], command=["x"])) == {"Cmd": ["x"]}


def test_user_and_folder_replace_those_of_the_base(tmp_path: Path) -> None:
    below = Image.on(base(tmp_path, config={"User": "root", "WorkingDir": "/"}))
    changed = below.configured(user="1000:1000", working_dir="/app")
    assert run_of(below) == {"User": "root", "WorkingDir": "/"}
    assert run_of(changed) == {"User": "1000:1000", "WorkingDir": "/app"}
    assert run_of(changed.configured(env={"A": "b"}))["User"] == "1000:1000"


def test_what_is_not_changed_stays_as_the_base_has_it(tmp_path: Path) -> None:
    ports: dict[str, Any] = {
        "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "SIGINT",
        "Volumes": None,
    }
    document = config_of(Image.on(base(tmp_path, config=ports)).append(layer("own")))
    assert document["config"] == {"ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGINT"}
    assert document["author"] == "someone"
    assert "container" not in document
    assert (document["os"], document["architecture"]) == ("linux", "amd64")


def test_making_a_config_leaves_the_base_alone(tmp_path: Path) -> None:
    below = base(tmp_path, OCI_LAYER, config={"Env": ["A=1"], "Labels": {"a": "1"}}, history=[{}])
    before = json.dumps(below.config)
    image = Image.on(below).append(layer("own")).configured(env={"A": "2"}, labels={"a": "2"})
    image.manifest()
    assert json.dumps(below.config) == before


def test_the_platform_is_in_the_config() -> None:
    document = config_of(Image(Platform("linux", "arm64", "v8")))
    assert (document["os"], document["architecture"], document["variant"]) == (
        "linux",
        "arm64",
        "v8",
    )


def test_the_history_says_which_layer_is_what(tmp_path: Path) -> None:
    below = base(
        tmp_path,
        *(OCI_LAYER, OCI_LAYER),
        history=[
            {"created_by": "ADD rootfs"},
            {"created_by": "ENV A=1", "empty_layer": True},
            {"created_by": "RUN apt"},
        ],
    )
    history = config_of(Image.on(below).append(layer("numpy 2.0"), layer("source app")))["history"]
    assert [entry["created_by"] for entry in history] == [
        *("ADD rootfs", "ENV A=1", "RUN apt"),
        *("numpy 2.0", "source app"),
    ]


@pytest.mark.parametrize(
    "history", [None, [], [{"created_by": "squashed"}], [{"empty_layer": True}] * 2, [{}] * 3]
)
def test_every_layer_has_its_line_of_history_even_if_the_base_has_none(
    history: list[dict[str, Any]] | None, tmp_path: Path
) -> None:
    below = base(tmp_path, OCI_LAYER, OCI_LAYER, history=history)
    found = config_of(Image.on(below).append(layer("own")))["history"]
    assert [entry["created_by"] for entry in found] == ["base 1", "base 2", "own"]


def test_the_time_is_that_of_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image(AMD64).append(layer("a"))
    assert config_of(image)["created"] == "1980-01-01T00:00:00Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert config_of(image)["created"] == "2023-11-14T22:13:20Z"


def test_annotations_name_the_base_where_others_can_find_it(tmp_path: Path) -> None:
    in_layout = base(tmp_path, OCI_LAYER)
    reference = RegistryReference("reg.example.com", "base", "v1")
    in_registry = Base(
        in_layout.name,
        in_layout.digest,
        in_layout.manifest,
        in_layout.config,
        open_repository(reference),
    )
    assert Image.on(in_registry).annotated({"a": "b"}).manifest().annotations == {
        "org.opencontainers.image.base.name": "reg.example.com/base:v1",
        "org.opencontainers.image.base.digest": DIGEST,
        "a": "b",
    }
    # A path on this machine says nothing to others, and would make the digest depend on it.
    assert Image.on(in_layout).manifest().annotations == {
        "org.opencontainers.image.base.digest": DIGEST
    }


@pytest.mark.parametrize("format", ["oci", "docker"])
def test_a_format_has_media_types_of_its_own_for_everything(format: Format, tmp_path: Path) -> None:
    below = base(tmp_path, OCI_LAYER + "+gzip", DOCKER_LAYER + ".gzip", DOCKER_LAYER)
    own = Layer(
        *("own", [FileEntry.from_bytes("f", b"x")]),
        compression=Compression.parse("gzip"),
        format=format,
    )
    b"".join(own.open())
    manifest = Image.on(below, format).append(own).annotated({"k": "v"}).manifest()
    family = OCI_LAYER + "+" if format == "oci" else DOCKER_LAYER + "."
    plain = OCI_LAYER if format == "oci" else DOCKER_LAYER
    types = [each.media_type for each in manifest.layers]
    assert types == [family + "gzip", family + "gzip", plain, family + "gzip"]
    if format == "oci":
        assert (manifest.media_type, manifest.config.media_type) == (OCI_MANIFEST, OCI_CONFIG)
        assert manifest.layers[0].annotations == {"from": "base"}
        assert manifest.annotations["k"] == "v"
    else:
        assert (manifest.media_type, manifest.config.media_type) == (DOCKER_MANIFEST, DOCKER_CONFIG)
        assert not manifest.annotations
        assert not any(each.annotations for each in manifest.layers)


def test_the_docker_format_has_no_zstd(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="use --format oci"):
        Image.on(base(tmp_path, OCI_LAYER + "+zstd"), "docker").manifest()
    with pytest.raises(ManifestError, match="use --format oci"):
        Image(AMD64, format="docker").append(layer("zstd")).manifest()


@pytest.mark.parametrize("format", ["oci", "docker"])
def test_a_foreign_layer_keeps_the_addresses_where_it_lies(format: Format, tmp_path: Path) -> None:
    urls = ("https://mcr.example.com/layer",)
    below = base(tmp_path, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls=urls)
    (found,) = Image.on(below, format).manifest().layers
    assert found.urls == urls
    assert ("nondistributable" in found.media_type) == (format == "oci")


def test_more_layers_than_an_engine_can_stack_are_an_error(tmp_path: Path) -> None:
    image = Image.on(base(tmp_path, *[OCI_LAYER] * 126))
    full = image.append(layer("the last"))
    assert len(full.manifest().layers) == 127
    with pytest.raises(ManifestError, match=r"would have 128 layers, .* at most 127"):
        full.append(layer("one more"))


def test_an_image_whose_layers_have_not_been_made_has_no_manifest() -> None:
    image = Image(AMD64).append(layer("made"), Layer("to be", [FileEntry.from_bytes("f", b"x")]))
    assert not image.is_settled()
    for make in (image.manifest, image.config_blob):
        with pytest.raises(ManifestError, match="layer 'to be' has not been made"):
            make()
    b"".join(image.layers[1].open())
    assert image.is_settled()
    assert len(image.manifest().layers) == 2
