"""The real servers that pushes go through the proxy to, and what lies in them beforehand."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from sematic.oci.compression import Compression
from sematic.oci.delivery import deliver
from sematic.oci.files import FileEntry
from sematic.oci.image import Image
from sematic.oci.layer import Layer
from sematic.oci.manifest import OCI_MANIFEST, Platform
from sematic.oci.reference import RegistryReference
from sematic.oci.registry import Registries
from tests.peers.registry import registry
from tests.peers.tokens import Account, token_server

USER, PASSWORD = "me", "planted-secret"
BASE = "base/python"
_TEMPLATE = "template/app"


@dataclass(frozen=True)
class Server:
    """A registry that wants tokens, the same one without, and the token server's realm.

    :param open: an address at which its storage can be read by anyone, past the proxy.
    """

    guarded: str
    open: str
    realm: str
    storage: str

    @property
    def tokens(self) -> str:
        return urlsplit(self.realm).netloc

    def folder(self, repository: str) -> Path:
        return Path(self.storage, "data/docker/registry/v2/repositories", repository)


@dataclass(frozen=True)
class Ground:
    """Two registries with token servers: one knows the user, the other gives all to everyone.

    Both have the base image.

    :param previous: digest of the image that the tag stands for before each push.
    """

    registry: Server
    neighbour: Server
    previous: str

    def prepare(self, repository: str) -> None:
        """Make a repository in which the tag stands for the previous image."""
        shutil.copytree(self.registry.folder(_TEMPLATE), self.registry.folder(repository))


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """Start everything, and fill it."""
    with ExitStack() as stack:
        known = stack.enter_context(token_server(folder / "known", {USER: Account(PASSWORD)}))
        anyone = stack.enter_context(
            token_server(folder / "anyone", {}, anonymous={"*": "pull"}),
        )
        servers = []
        for name, tokens in (("registry", known), ("neighbour", anyone)):
            root = folder / name
            guarded = stack.enter_context(registry(root, tokens=tokens))
            free = stack.enter_context(registry(root))
            servers.append(Server(guarded.host, free.host, tokens.realm, str(root)))
            _deliver(free.host, BASE, base_layer())
        previous = _deliver(servers[0].open, _TEMPLATE, kept_layer(), layer("old", 20_000))
        yield Ground(servers[0], servers[1], previous)


def _deliver(host: str, repository: str, *layers: Layer) -> str:
    to = Registries().repository(RegistryReference(host, repository), push=True)
    image = Image(Platform("linux", "amd64")).append(*layers)
    return deliver(image, to, ["latest"]).digest


def layer(name: str, size: int, zeros: int = 0) -> Layer:
    """A layer of one file that cannot be compressed, but for its zeros."""
    return Layer(name, _entries(name, size, zeros), compression=Compression.parse("zstd:1"))


@lru_cache
def _entries(name: str, size: int, zeros: int) -> list[FileEntry]:
    data = random.Random(name).randbytes(size) + bytes(zeros)
    return [FileEntry.from_bytes(f"{name}.bin", data)]


def base_layer() -> Layer:
    return layer("base layer", 150_000)


def kept_layer() -> Layer:
    """One that the previous image has as well."""
    return layer("kept layer", 3000)


def small_layer() -> Layer:
    """One whose digest is known before it is sent."""
    return layer("small layer", 2000)


def large_layer() -> Layer:
    """One that is streamed, as its digest is not known before."""
    return layer("large layer", 400_000, 4 << 20)


@dataclass(frozen=True)
class Stored:
    """An image as a registry has it: digests of the manifest, the config, the layers."""

    manifest: str
    config: str
    layers: tuple[str, ...]


def stored(server: Server, repository: str, tag: str = "latest") -> Stored:
    """What a tag stands for, every byte of it read and hashed.

    :raises AssertionError: something is missing or is not what it is called.
    """
    connection = http.client.HTTPConnection(server.open, timeout=60)
    try:
        data = _get(connection, f"/v2/{repository}/manifests/{tag}")
        digest = _digest(data)
        assert _get(connection, f"/v2/{repository}/manifests/{digest}") == data
        document = json.loads(data)
        config, layers = document["config"], document["layers"]
        for descriptor in (config, *layers):
            blob = _get(connection, f"/v2/{repository}/blobs/{descriptor['digest']}")
            assert len(blob) == descriptor["size"], f"{descriptor} has {len(blob)} bytes"
            assert _digest(blob) == descriptor["digest"], f"{descriptor} is {_digest(blob)}"
        return Stored(digest, config["digest"], tuple(each["digest"] for each in layers))
    finally:
        connection.close()


def _get(connection: http.client.HTTPConnection, url: str) -> bytes:
    connection.request("GET", url, headers={"Accept": OCI_MANIFEST})
    response = connection.getresponse()
    data = response.read()
    assert response.status == 200, f"GET {url}: {response.status} {data[:200]!r}"
    return data


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
