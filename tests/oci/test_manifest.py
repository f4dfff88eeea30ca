"""Descriptors, platforms, manifests and indexes: what is read, what is written, what is refused."""

from __future__ import annotations

import hashlib
import json
import os
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sematic.oci.errors import ManifestError, SettingsError
from sematic.oci.manifest import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Document,
    Format,
    Manifest,
    Platform,
    convert_layer_type,
    digest_of,
    index_entries,
    is_digest,
    is_foreign,
    layer_compression,
    layer_media_type,
    select_platform,
    to_json,
)

OCI = "application/vnd.oci.image.layer."
DOCKER = "application/vnd.docker.image.rootfs."
DIGEST = "sha256:" + "a" * 64
CONFIG = {"mediaType": OCI_CONFIG, "digest": DIGEST, "size": 2}


def entry(platform: str, digit: str = "0") -> Descriptor:
    os, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    return Descriptor(
        OCI_MANIFEST, "sha256:" + digit * 64, 1, platform=Platform(os, architecture, variant)
    )


def manifest(document: Any, media_type: str = OCI_MANIFEST) -> Manifest:
    return Manifest.from_document(Document(media_type, json.dumps(document).encode()))


# Digests and documents


def test_a_digest_is_that_of_the_bytes() -> None:
    assert digest_of(b"x") == "sha256:" + hashlib.sha256(b"x").hexdigest()
    assert Descriptor.of("text/plain", b"x") == Descriptor("text/plain", digest_of(b"x"), 1)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (DIGEST, True),
        ("sha512:" + "0" * 128, True),
        ("sha256:" + "A" * 64, False),
        ("sha256:" + "a" * 63, False),
        ("sha256:" + "a" * 64 + "\n", False),
        ("md5:" + "a" * 32, False),
        ("", False),
    ],
)
def test_a_digest_is_of_a_registered_algorithm(text: str, is_one: bool) -> None:
    assert is_digest(text) is is_one


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON), st.randoms(use_true_random=False))
def test_what_is_written_does_not_depend_on_the_order_of_keys(
    document: dict[str, Any], random: Any
) -> None:
    keys = list(document)
    random.shuffle(keys)
    written = to_json({key: document[key] for key in keys})
    assert written == to_json(document)
    assert to_json(json.loads(written)) == written


def test_what_is_written_is_compact_and_utf8() -> None:
    assert to_json({"b": [1, {"d": None}], "a": "ü"}) == '{"a":"ü","b":[1,{"d":null}]}'.encode()


def test_a_document_keeps_the_bytes_it_came_with() -> None:
    data = b'{ "schemaVersion": 2,\n  "manifests": [] }'
    document = Document(OCI_INDEX, data)
    assert document.descriptor == Descriptor(OCI_INDEX, digest_of(data), len(data))
    assert document.is_index


# Descriptors


def test_a_descriptor_survives_being_written() -> None:
    descriptor = Descriptor(
        OCI_MANIFEST,
        DIGEST,
        7,
        {"k": "v"},
        ("https://example.com/x",),
        Platform("linux", "arm", "v7"),
        "application/x",
    )
    assert Descriptor.from_dict(json.loads(to_json(descriptor.to_dict()))) == descriptor
    assert Descriptor("x", DIGEST, 0).to_dict() == {"mediaType": "x", "digest": DIGEST, "size": 0}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (None, "not a descriptor"),
        ([], "not a descriptor"),
        ("text", "not a descriptor"),
        ({"digest": DIGEST, "size": 2}, "lacks 'mediaType'"),
        ({"mediaType": "x", "size": 2}, "lacks 'digest'"),
        ({"mediaType": "x", "digest": DIGEST}, "lacks 'size'"),
        ({**CONFIG, "digest": "sha256:short"}, "not a descriptor"),
        ({**CONFIG, "digest": 5}, "not a descriptor"),
        ({**CONFIG, "size": -1}, "not a descriptor"),
        ({**CONFIG, "size": "2"}, "not a descriptor"),
        ({**CONFIG, "size": 2.0}, "not a descriptor"),
        ({**CONFIG, "size": True}, "not a descriptor"),
        ({**CONFIG, "mediaType": None}, "not a descriptor"),
        ({**CONFIG, "annotations": ["a"]}, "annotations that are none"),
        ({**CONFIG, "annotations": {"a": 1}}, "annotations that are none"),
        ({**CONFIG, "urls": 5}, "not a descriptor"),
        ({**CONFIG, "urls": "https://example.com"}, "not a descriptor"),
        ({**CONFIG, "platform": "linux/amd64"}, "not a descriptor"),
    ],
)
def test_what_is_no_descriptor_is_an_error(document: Any, why: str) -> None:
    with pytest.raises(ManifestError, match=why):
        Descriptor.from_dict(document)


def test_null_is_as_good_as_absent() -> None:
    nothing = {"annotations": None, "urls": None, "platform": None, "artifactType": None}
    assert Descriptor.from_dict({**CONFIG, **nothing}) == Descriptor.from_dict(CONFIG)


# Platforms


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("Linux/AMD64", Platform("linux", "amd64")),
        ("linux/x86_64", Platform("linux", "amd64")),
        ("linux/aarch64", Platform("linux", "arm64")),
        ("linux/arm64/v8", Platform("linux", "arm64", "v8")),
        ("linux/arm/v7", Platform("linux", "arm", "v7")),
    ],
)
def test_a_platform_is_os_architecture_and_perhaps_a_variant(text: str, platform: Platform) -> None:
    assert Platform.parse(text) == platform
    assert Platform.parse(str(platform)) == platform


@pytest.mark.parametrize(
    "text", ["", "linux", "amd64", "/amd64", "linux/", "linux/arm/v7/x", "linux/a b", "li nux/x"]
)
def test_what_is_no_platform_is_an_error(text: str) -> None:
    with pytest.raises(SettingsError, match="is no platform: write OS/ARCHITECTURE"):
        Platform.parse(text)


@pytest.mark.parametrize(("machine", "said"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_the_host_is_linux_on_its_cpu(
    machine: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine))
    assert Platform.of_host() == Platform("linux", said)


@pytest.mark.parametrize(
    ("wanted", "there", "serves"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/amd64/v2", True),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm/v7", "linux/arm/v7", True),
        ("linux/arm/v7", "linux/arm/v6", False),
        ("linux/arm/v7", "linux/arm", False),
        ("linux/arm64/v9", "linux/arm64", False),
        ("linux/amd64", "linux/arm64", False),
        ("linux/amd64", "windows/amd64", False),
    ],
)
def test_a_variant_counts_where_it_is_asked_for(wanted: str, there: str, serves: bool) -> None:
    assert Platform.parse(wanted).accepts(Platform.parse(there)) is serves


def test_a_platform_survives_being_written() -> None:
    for text in ("linux/amd64", "linux/arm/v6"):
        platform = Platform.parse(text)
        assert Platform.from_dict(platform.to_dict()) == platform
    assert "variant" not in Platform("linux", "amd64").to_dict()


# Indexes


def test_the_manifest_of_the_platform_is_selected() -> None:
    entries = [
        entry("linux/arm/v6", "1"),
        entry("linux/arm/v7", "2"),
        entry("linux/arm64/v8", "3"),
        entry("linux/amd64", "4"),
    ]

    def selected(text: str) -> str:
        return select_platform(entries, Platform.parse(text)).digest[-1]

    assert selected("linux/amd64") == "4"
    assert selected("linux/arm64") == "3"
    assert selected("linux/arm64/v8") == "3"
    assert selected("linux/arm/v7") == "2"
    assert selected("linux/arm") == "1"


def test_without_a_variant_the_manifest_without_one_comes_first() -> None:
    entries = [entry("linux/amd64/v3", "3"), entry("linux/amd64", "1")]
    assert select_platform(entries, Platform("linux", "amd64")).digest[-1] == "1"


def test_an_index_without_the_platform_says_what_it_has() -> None:
    entries = [
        entry("linux/amd64"),
        entry("linux/arm/v7"),
        entry("unknown/unknown"),
        Descriptor(OCI_MANIFEST, DIGEST, 1),
    ]
    with pytest.raises(ManifestError) as error:
        select_platform(entries, Platform("linux", "s390x"))
    assert str(error.value) == "it has no linux/s390x, only linux/amd64, linux/arm/v7"
    with pytest.raises(ManifestError, match="only nothing"):
        select_platform([], Platform("linux", "s390x"))


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_INDEX])
def test_an_index_lists_manifests(media_type: str) -> None:
    entries = [entry("linux/amd64"), entry("linux/arm64/v8")]
    data = to_json({"schemaVersion": 2, "manifests": [each.to_dict() for each in entries]})
    assert index_entries(Document(media_type, data)) == tuple(entries)


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        (OCI_MANIFEST, b'{"manifests": []}'),
        (OCI_INDEX, b'{"layers": []}'),
        (OCI_INDEX, b'{"manifests": {}}'),
        (OCI_INDEX, b'{"manifests": [1]}'),
        (OCI_INDEX, b"[]"),
        (OCI_INDEX, b"<html>"),
        (OCI_INDEX, b"\xff"),
        ("", b'{"manifests": []}'),
    ],
)
def test_what_is_no_index_is_an_error(media_type: str, data: bytes) -> None:
    with pytest.raises(ManifestError):
        index_entries(Document(media_type, data))


# Manifests


@pytest.mark.parametrize(
    ("media_type", "format"), [(OCI_MANIFEST, "oci"), (DOCKER_MANIFEST, "docker")]
)
def test_a_manifest_survives_being_written(media_type: str, format: Format) -> None:
    layers = (Descriptor(f"{OCI}v1.tar+gzip", DIGEST, 5), Descriptor("x", DIGEST, 6))
    before = Manifest(media_type, Descriptor.from_dict(CONFIG), layers, {"a": "b"})
    document = before.document()
    assert Manifest.from_document(document) == before
    assert document.parsed()["schemaVersion"] == 2
    assert before.format == format


@pytest.mark.parametrize(
    ("document", "media_type", "why"),
    [
        ({"config": CONFIG, "layers": []}, OCI_INDEX, "not an image manifest but .*index"),
        ({"config": CONFIG, "layers": []}, "", "not an image manifest but untyped"),
        (
            {"fsLayers": []},
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "not an image manifest but .*v1",
        ),
        ({"config": CONFIG}, OCI_MANIFEST, "without a list of layers"),
        ({"config": CONFIG, "layers": {}}, OCI_MANIFEST, "without a list of layers"),
        ({"layers": []}, OCI_MANIFEST, "not a descriptor"),
        ({"config": CONFIG, "layers": [{}]}, OCI_MANIFEST, "a descriptor lacks"),
        ([], OCI_MANIFEST, "not a JSON object"),
        (
            {"mediaType": DOCKER_MANIFEST, "config": CONFIG, "layers": []},
            OCI_MANIFEST,
            "served as .*oci.* but says it is .*docker",
        ),
        ({"config": CONFIG, "layers": [], "annotations": [1]}, OCI_MANIFEST, "annotations"),
    ],
)
def test_what_is_no_manifest_is_an_error(document: Any, media_type: str, why: str) -> None:
    with pytest.raises(ManifestError, match=why):
        manifest(document, media_type)


def _replaced(document: Any, path: list[str], value: Any) -> Any:
    if not path or not isinstance(document, dict):
        return value
    return {**document, path[0]: _replaced(document.get(path[0]), path[1:], value)}


_ODD = {
    "schemaVersion": 2,
    "mediaType": OCI_MANIFEST,
    "config": {**CONFIG, "annotations": {}, "urls": [], "platform": {}, "artifactType": ""},
    "layers": [],
    "annotations": {},
}
_PLACES = [[], *([key] for key in _ODD), *(["config", key] for key in _ODD["config"])]  # type: ignore[attr-defined]


@settings(max_examples=300)
@given(st.sampled_from(_PLACES), JSON, st.sampled_from([OCI_MANIFEST, DOCKER_MANIFEST, ""]))
def test_no_json_does_worse_than_being_no_manifest(
    place: list[str], value: Any, media_type: str
) -> None:
    data = json.dumps(_replaced(_ODD, place, value)).encode()
    for read in (Manifest.from_document, index_entries):
        try:
            read(Document(media_type, data))
        except ManifestError:
            continue


@settings(max_examples=300)
@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(CONFIG, JSON)) | JSON))
def test_no_list_does_worse_than_being_no_list_of_descriptors(items: list[Any]) -> None:
    for key, media_type in (("layers", OCI_MANIFEST), ("manifests", OCI_INDEX)):
        document = Document(media_type, json.dumps({"config": CONFIG, key: items}).encode())
        for read in (Manifest.from_document, index_entries):
            try:
                read(document)
            except ManifestError:
                continue


@given(st.binary())
def test_no_bytes_do_worse_than_being_no_manifest(data: bytes) -> None:
    with pytest.raises(ManifestError):
        Manifest.from_document(Document(OCI_MANIFEST, data))


def test_a_bottomless_document_is_no_manifest() -> None:
    with pytest.raises(ManifestError, match="not JSON"):
        Manifest.from_document(Document(OCI_MANIFEST, b"[" * 100_000))


# Layers' media types


@pytest.mark.parametrize(
    ("oci", "docker"),
    [
        (f"{OCI}v1.tar", f"{DOCKER}diff.tar"),
        (f"{OCI}v1.tar+gzip", f"{DOCKER}diff.tar.gzip"),
        (f"{OCI}nondistributable.v1.tar", f"{DOCKER}foreign.diff.tar"),
        (f"{OCI}nondistributable.v1.tar+gzip", f"{DOCKER}foreign.diff.tar.gzip"),
    ],
)
def test_a_layer_type_has_a_twin_in_the_other_family(oci: str, docker: str) -> None:
    assert convert_layer_type(oci, "docker") == docker
    assert convert_layer_type(docker, "oci") == oci
    assert convert_layer_type(oci, "oci") == oci
    assert convert_layer_type(docker, "docker") == docker
    assert is_foreign(oci) is is_foreign(docker) is ("nondistributable" in oci)
    assert layer_compression(oci) == layer_compression(docker) == oci.partition("+")[2]


def test_zstd_is_known_to_one_family_only() -> None:
    assert convert_layer_type(f"{DOCKER}diff.tar.zstd", "oci") == f"{OCI}v1.tar+zstd"
    for media_type in (f"{OCI}v1.tar+zstd", f"{DOCKER}diff.tar.zstd"):
        assert layer_compression(media_type) == "zstd"
        with pytest.raises(ManifestError, match="knows gzip only; use --format oci"):
            convert_layer_type(media_type, "docker")


def test_a_layer_type_of_no_family_stays() -> None:
    for format in ("oci", "docker"):
        assert convert_layer_type("application/x-own", format) == "application/x-own"


def test_the_type_of_a_layer_says_how_it_is_compressed() -> None:
    assert layer_media_type("zstd") == f"{OCI}v1.tar+zstd"
    assert layer_media_type("gzip") == f"{OCI}v1.tar+gzip"
    assert layer_media_type("") == f"{OCI}v1.tar"
    assert layer_media_type("gzip", "docker") == f"{DOCKER}diff.tar.gzip"
