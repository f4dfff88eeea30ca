"""Where pushes go, read without the code that wrote there, and checked byte by byte."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import os
import tarfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import zstandard

from tests.peers.registry import Registry

_ACCEPT = "application/vnd.oci.image.manifest.v1+json"
_SECONDS = 60
_TORN_SECONDS = 10
"""docker-registry writes links in place, and answers 500 to whoever reads one in that moment."""


class Place(ABC):
    """A repository or a layout.

    :param name: as ``--to`` takes it, without a tag.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._sound: set[str] = set()

    @abstractmethod
    def digest(self, tag: str) -> str:
        """What a tag stands for; "" where there is no such tag."""

    @abstractmethod
    def digests(self) -> set[str]:
        """Every manifest that can be had here."""

    @abstractmethod
    def blob(self, digest: str) -> bytes:
        """The bytes that are served for a digest, whatever they are."""

    @abstractmethod
    def manifest(self, digest: str) -> bytes: ...

    def leftovers(self) -> list[Path]:
        """What writers that died have left; in a registry, that is the registry's own concern."""
        return []

    def age(self) -> None:
        """Let what dead writers have left look old."""
        for path in self.leftovers():
            os.utime(path, (0, 0))

    def check(self) -> None:
        """Whatever manifest is here, all that it names is here too, with digests that are right.

        What has been found sound is not read again: digests are for ever. A new object knows of
        nothing.
        """
        for digest in self.digests() - self._sound:
            manifest = json.loads(self._verified(self.manifest(digest), digest))
            config = json.loads(self._described(manifest["config"]))
            diff_ids = config["rootfs"]["diff_ids"]
            for layer, diff_id in zip(manifest["layers"], diff_ids, strict=True):
                if layer["digest"] not in self._sound:
                    self._verified(_plain(self._described(layer)), diff_id)
                    self._sound.add(layer["digest"])
            self._sound.add(digest)

    def files(self, digest: str, below: str) -> dict[str, bytes]:
        """The files of an image in one of its folders, by their paths in there."""
        found = {}
        for layer in json.loads(self.manifest(digest))["layers"]:
            if "zstd" not in layer["mediaType"]:  # a layer of the base
                continue
            with tarfile.open(fileobj=io.BytesIO(_plain(self.blob(layer["digest"])))) as tar:
                for member in tar:
                    if member.isfile() and member.name.startswith(f"{below}/"):
                        file = tar.extractfile(member)
                        assert file is not None
                        found[member.name[len(below) + 1 :]] = file.read()
        return found

    def _described(self, descriptor: Any) -> bytes:
        data = self._verified(self.blob(descriptor["digest"]), descriptor["digest"])
        assert len(data) == descriptor["size"], f"{self.name}: {descriptor}"
        return data

    def _verified(self, data: bytes, digest: str) -> bytes:
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == digest, f"{self.name}: {digest}"
        return data


class RegistryPlace(Place):
    """A repository: tags and bytes by the registry's API, revisions from its storage."""

    def __init__(self, registry: Registry, repository: str) -> None:
        super().__init__(f"{registry.host}/{repository}")
        self._registry = registry
        self._repository = repository

    def digest(self, tag: str) -> str:
        status, digest, _ = self._get(f"manifests/{tag}")
        assert status in (200, 404), f"{self.name}:{tag}: {status}"
        return digest if status == 200 else ""

    def digests(self) -> set[str]:
        status, _, data = self._get("tags/list")
        tags = json.loads(data).get("tags") or [] if status == 200 else []
        found = {self.digest(tag) for tag in tags} - {""}  # it may be writing one now
        folder = self._registry.root / "data/docker/registry/v2/repositories" / self._repository
        links = folder.glob("_manifests/revisions/sha256/*/link")
        return found | {f"sha256:{link.parent.name}" for link in links if link.read_bytes()}

    def manifest(self, digest: str) -> bytes:
        return self._found(f"manifests/{digest}")

    def blob(self, digest: str) -> bytes:
        return self._found(f"blobs/{digest}")

    def _found(self, path: str) -> bytes:
        status, _, data = self._get(path)
        assert status == 200, f"{self.name}: {path}: {status} {data[:300]!r}"
        return data

    def _get(self, path: str) -> tuple[int, str, bytes]:
        """Status, digest and body of an answer, once no link is being written."""
        until = time.monotonic() + _TORN_SECONDS
        while True:
            answer = self._ask(path)
            if answer[0] != 500 or time.monotonic() > until:
                return answer
            time.sleep(0.02)

    def _ask(self, path: str) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection(self._registry.host, timeout=_SECONDS)
        try:
            headers = {"Accept": _ACCEPT}
            connection.request("GET", f"/v2/{self._repository}/{path}", headers=headers)
            answer = connection.getresponse()
            digest = answer.headers.get("Docker-Content-Digest", "")
            return answer.status, digest, answer.read()
        finally:
            connection.close()


class LayoutPlace(Place):
    def __init__(self, folder: Path) -> None:
        super().__init__(f"oci-layout:{folder}")
        self._folder = folder

    def digest(self, tag: str) -> str:
        return self._tags().get(tag, "")

    def digests(self) -> set[str]:
        return set(self._tags().values())

    def manifest(self, digest: str) -> bytes:
        return self.blob(digest)

    def blob(self, digest: str) -> bytes:
        return (self._folder / "blobs/sha256" / digest.partition(":")[2]).read_bytes()

    def leftovers(self) -> list[Path]:
        return list(self._folder.glob(".*"))

    def _tags(self) -> dict[str, str]:
        index = self._folder / "index.json"
        entries = json.loads(index.read_bytes())["manifests"] if index.exists() else []
        name = "org.opencontainers.image.ref.name"
        return {entry["annotations"][name]: entry["digest"] for entry in entries}


def _plain(data: bytes) -> bytes:
    """A layer's tar."""
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
