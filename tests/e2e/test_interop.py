"""What other tools push is read here, and what is pushed here is read by them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sematic.oci.base_python import PYTHON_LABEL
from sematic.oci.files import FileEntry
from sematic.oci.manifest import (
    OCI_MANIFEST,
    Descriptor,
    Document,
    Manifest,
    Platform,
    index_entries,
    to_json,
)
from sematic.oci.reference import RegistryReference
from sematic.oci.registry import Repository, open_repository
from tests.e2e.command import run
from tests.oci.images import store_base, store_index, tar
from tests.peers.podman import Podman
from tests.peers.registry import Registry
from tests.peers.tools import Crane, Skopeo, Tool, ToolError
from tests.projects import make_project


@pytest.fixture(scope="module", params=["docker", "crane"])
def place(
    request: pytest.FixtureRequest, docker_registry: Registry, crane_registry: Registry
) -> Registry:
    return docker_registry if request.param == "docker" else crane_registry


def open_at(registry: Registry, name: str, *, push: bool = False) -> Repository:
    return open_repository(RegistryReference(registry.host, name), push=push)


def read_all(repository: Repository, document: Document) -> list[int]:
    """Read all blobs of a manifest, which proves size and digest: their sizes."""
    manifest = Manifest.from_document(document)
    blobs = (manifest.config, *manifest.layers)
    return [len(b"".join(repository.blob(blob))) for blob in blobs]


def store_image(folder: Path, content: str, tag: str = "latest", cpu: str = "") -> Descriptor:
    """An image of one layer with a file of this content."""
    entries = [FileEntry.from_bytes("etc/content", content.encode())]
    platform = Platform("linux", cpu) if cpu else Platform.of_host()
    store_base(folder, entries, labels={PYTHON_LABEL: "3.11"}, platform=platform, tag=tag)
    index = Document("", (folder / "index.json").read_bytes()).parsed()["manifests"]
    return next(
        Descriptor.from_dict(entry)
        for entry in index
        if entry["annotations"]["org.opencontainers.image.ref.name"] == tag
    )


# What others push


@dataclass(frozen=True)
class Others:
    """The tools, and a folder with an image for them to push."""

    folder: Path
    content: str
    skopeo: Skopeo
    crane: Crane
    podman: Podman

    @property
    def source(self) -> str:
        store_image(self.folder / "layout", self.content)
        return f"oci:{self.folder}/layout:latest"


def skopeo_oci(others: Others, ref: str) -> None:
    others.skopeo.copy(others.source, f"docker://{ref}")


def skopeo_docker(others: Others, ref: str) -> None:
    others.skopeo.copy(others.source, f"docker://{ref}", "--format=v2s2")


def skopeo_zstd(others: Others, ref: str) -> None:
    zstd = ("--dest-compress", "--dest-compress-format=zstd")
    others.skopeo.copy(others.source, f"docker://{ref}", *zstd)


def skopeo_index(others: Others, ref: str) -> None:
    layout = others.folder / "layout"
    images = [store_image(layout, f"{others.content} {cpu}", cpu, cpu) for cpu in CPUS]
    platforms = [Platform("linux", cpu) for cpu in CPUS]
    entries = [
        Descriptor(image.media_type, image.digest, image.size, platform=platform)
        for image, platform in zip(images, platforms, strict=True)
    ]
    store_index(layout, entries, "index")
    others.skopeo.copy(f"oci:{layout}:index", f"docker://{ref}", "--all")


def crane_append(others: Others, ref: str) -> None:
    skopeo_oci(others, base := f"{ref}-base")
    layer = others.folder / "layer.tar"
    layer.write_bytes(tar(FileEntry.from_bytes("etc/appended", others.content.encode())))
    others.crane.run("append", "--insecure", "--base", base, "--new_layer", layer, "-t", ref)


def crane_index(others: Others, ref: str) -> None:
    skopeo_oci(others, image := f"{ref}-image")
    others.crane.run("index", "append", "--insecure", "--manifest", image, "--tag", ref)


def podman_gzip(others: Others, ref: str, compression: str = "gzip") -> None:
    skopeo_oci(others, image := f"{ref}-image")
    push = ("push", "--tls-verify=false", f"--compression-format={compression}")
    others.podman.command(*push, others.podman.pull(image), ref)


def podman_zstd(others: Others, ref: str) -> None:
    podman_gzip(others, ref, "zstd")


def podman_chunked(others: Others, ref: str) -> None:
    podman_gzip(others, ref, "zstd:chunked")


CPUS = ("amd64", "arm64", "riscv64")
WRITERS: list[Callable[[Others, str], None]] = [
    *(skopeo_oci, skopeo_docker, skopeo_zstd, skopeo_index),
    *(crane_append, crane_index, podman_gzip, podman_zstd, podman_chunked),
]
ZSTD = {skopeo_zstd, podman_zstd, podman_chunked}
INDEXES = {skopeo_index, crane_index}


@pytest.mark.parametrize("write", WRITERS)
def test_an_image_that_others_push_is_read_and_is_a_base(
    write: Callable[[Others, str], None],
    place: Registry,
    skopeo: Skopeo,
    crane: Crane,
    podman: Podman,
    project: Path,
    tmp_path: Path,
) -> None:
    name = f"interop/{write.__name__}"
    ref = f"{place.host}/{name}:v1"
    write(Others(tmp_path, f"{write.__name__} {place.host}", skopeo, crane, podman), ref)

    found = run("inspect", ref, "--json").summary
    repository = open_at(place, name)
    tagged = repository.manifest("v1")
    assert "v1" in repository.tags()
    assert tagged.descriptor.digest == crane.digest(ref) == repository.head("v1")
    assert tagged.is_index == (write in INDEXES)
    listed = {entry.digest for entry in index_entries(tagged)} if tagged.is_index else set()
    assert found["digest"] in (listed or {crane.digest(ref)})
    image = repository.manifest(found["digest"])
    assert sum(read_all(repository, image)[1:]) == found["size"]
    layers = Manifest.from_document(image).layers
    assert all((write in ZSTD) == layer.media_type.endswith("zstd") for layer in layers)

    pushed = run(
        *("push", project, "--no-environment", "--base", ref, "--compression", "gzip", "--json"),
        *("--to", f"{place.host}/interop/on_{write.__name__}"),
    ).summary
    carried = pushed["layers"][: len(layers)]
    assert [each["digest"] for each in carried] == [layer.digest for layer in layers]
    # crane's repositories share their blobs.
    assert {each["fate"] for each in carried} <= {"mounted", "reused"}
    skopeo.copy(f"docker://{pushed['reference']}", f"oci:{tmp_path}/copy:latest")
    if write not in ZSTD:
        crane.validate(pushed["reference"])


def test_artifacts_of_others_are_read(
    place: Registry,
    skopeo: Skopeo,
    crane: Crane,
    oras: Tool,
    cosign: Tool,
    project: Path,
    tmp_path: Path,
) -> None:
    name = "interop/artifacts"
    ref = f"{place.host}/{name}:v1"
    (tmp_path / "notes.txt").write_text("an artifact's file")
    oras.run(
        *("push", "--plain-http", "--disable-path-validation"),
        *("--artifact-type", "application/vnd.example", ref, f"{tmp_path}/notes.txt:text/plain"),
    )
    repository = open_at(place, name)
    artifact = repository.manifest("v1")
    (layer,) = Manifest.from_document(artifact).layers
    assert b"".join(repository.blob(layer)) == b"an artifact's file"
    for arguments in (
        ("inspect", ref),
        ("push", project, "--base", ref, "--to", f"{place.host}/{name}"),
    ):
        refused = run(*arguments)
        assert refused.code == 1
        assert f"{ref}: it is no image" in refused.err

    oras.run("attach", "--plain-http", "--artifact-type", "application/vnd.a", "-a", "b=c", ref)
    sign(cosign, tmp_path, f"{place.host}/{name}@{artifact.descriptor.digest}")
    tags = list(repository.tags())
    fallback = artifact.descriptor.digest.replace(":", "-")
    assert set(tags) >= {"v1", fallback}
    referrers = index_entries(repository.manifest(fallback))
    assert len(referrers) == 2
    for referrer in referrers:
        document = repository.manifest(referrer.digest)
        assert document.parsed()["subject"]["digest"] == artifact.descriptor.digest
        assert all(read_all(repository, document))


def test_a_referrer_of_ours_stands_beside_those_of_others(
    place: Registry, oras: Tool, skopeo: Skopeo, tmp_path: Path
) -> None:
    name = "interop/referrers"
    ref = f"{place.host}/{name}:v1"
    store_image(tmp_path / "layout", f"referrers {place.host}")
    skopeo.copy(f"oci:{tmp_path}/layout:latest", f"docker://{ref}")
    attach = ("attach", "--plain-http", "-a", "b=c", "--artifact-type")
    oras.run(*attach, "application/vnd.first", ref)
    repository = open_at(place, name, push=True)
    subject = repository.manifest("v1")
    manifest = {
        **subject.parsed(),
        "artifactType": "application/vnd.ours",
        "subject": subject.descriptor.to_dict(),
    }
    document = Document(OCI_MANIFEST, to_json(manifest))
    repository.finish(document, [], [])
    oras.run(*attach, "application/vnd.last", ref)
    said = json.loads(oras.run("discover", "--plain-http", "--format", "json", ref))
    assert {referrer["artifactType"] for referrer in said["referrers"]} == {
        f"application/vnd.{word}" for word in ("first", "ours", "last")
    }


# What is pushed here

FORMATS = ["oci-zstd", "oci-gzip", "docker-gzip"]


@pytest.fixture(scope="module", params=FORMATS)
def ours(
    request: pytest.FixtureRequest,
    place: Registry,
    skopeo: Skopeo,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The reference of an image that the command pushed onto a base in the same registry."""
    folder = tmp_path_factory.mktemp("ours")
    base = f"{place.host}/interop/base:latest"
    store_image(folder / "layout", "base")
    skopeo.copy(f"oci:{folder}/layout:latest", f"docker://{base}")
    format, compression = request.param.split("-")
    pushed = run(
        *("push", make_project(folder / "demo"), "--no-environment", "--base", base),
        *("--to", f"{place.host}/interop/{request.param}", "--tag", "v1"),
        *("--format", format, "--compression", compression),
        HOME=str(folder),
        SEMATIC_CACHE_DIR=str(folder / "cache"),
    )
    yield pushed.reference


def digest_of(said: str) -> str:
    return f"sha256:{hashlib.sha256(said.encode()).hexdigest()}"


def test_skopeo_inspects_and_copies_it(ours: str, skopeo: Skopeo, tmp_path: Path) -> None:
    raw = skopeo.run("inspect", "--tls-verify=false", "--raw", f"docker://{ours}")
    assert digest_of(raw) == ours.rpartition("@")[2]
    skopeo.copy(f"docker://{ours}", f"dir:{tmp_path}/copy")
    assert (tmp_path / "copy/manifest.json").read_text() == raw


def test_crane_reads_it(ours: str, crane: Crane) -> None:
    name, _, digest = ours.rpartition("@")
    assert digest_of(crane.run("manifest", "--insecure", ours)) == digest
    assert crane.digest(f"{name}:v1") == digest
    assert crane.config(ours)["config"]["Labels"][PYTHON_LABEL] == "3.11"
    if "zstd" not in name:
        crane.validate(ours)


def test_podman_pulls_it(ours: str, podman: Podman, crane: Crane) -> None:
    assert f"sha256:{podman.pull(ours)}" == crane.manifest(ours)["config"]["digest"]


def test_oras_fetches_pulls_and_copies_it(
    ours: str, oras: Tool, crane: Crane, tmp_path: Path
) -> None:
    name, _, digest = ours.rpartition("@")
    assert digest_of(oras.run("manifest", "fetch", "--plain-http", ours)) == digest
    oras.run("pull", "--plain-http", "--output", tmp_path / "pulled", ours)
    plain = ("--from-plain-http", "--to-plain-http")
    oras.run("copy", *plain, ours, f"{name}-copied-by-oras:v1")
    assert crane.digest(f"{name}-copied-by-oras:v1") == digest


@pytest.mark.parametrize("ours", ["oci-zstd"], indirect=True)
def test_cosign_signs_and_verifies_it(ours: str, cosign: Tool, tmp_path: Path) -> None:
    public = sign(cosign, tmp_path, ours)
    verify = ("verify", "--key", public, "--insecure-ignore-tlog", "--allow-http-registry")
    assert ours.rpartition("@")[2] in cosign.run(*verify, ours)
    base = f"{ours.partition('/')[0]}/interop/base:latest"
    with pytest.raises(ToolError, match="no signatures"):
        cosign.run(*verify, base)


def sign(cosign: Tool, folder: Path, ref: str) -> Path:
    """Sign an image with a new key; the public one."""
    env = {"COSIGN_PASSWORD": ""}
    cosign.run("generate-key-pair", "--output-key-prefix", folder / "key", env=env)
    quiet = ("--tlog-upload=false", "--use-signing-config=false", "--allow-http-registry", "--yes")
    cosign.run("sign", "--key", folder / "key.key", *quiet, ref, env=env)
    return folder / "key.pub"
