"""Descriptors, platforms, manifests and indexes (OCI image-spec 1.1; Docker schema 2).

A digest is of bytes, not of parsed JSON, so whatever was fetched keeps its raw bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import reprlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from sematic.oci.errors import ManifestError, SettingsError
from sematic.oci.untrusted import one_line, parse_json
from sematic.oci.values import field, frozen, replace

if TYPE_CHECKING:
    from hashlib import _Hash

Format = Literal["oci", "docker"]

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_INDEX)

_OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
_OCI_FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar"
_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
_DOCKER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar"

_TO_OCI = {
    _DOCKER_LAYER: _OCI_LAYER,
    _DOCKER_LAYER + ".gzip": _OCI_LAYER + "+gzip",
    _DOCKER_LAYER + ".zstd": _OCI_LAYER + "+zstd",
    _DOCKER_FOREIGN: _OCI_FOREIGN,
    _DOCKER_FOREIGN + ".gzip": _OCI_FOREIGN + "+gzip",
}
_TO_DOCKER = {oci: docker for docker, oci in _TO_OCI.items() if not docker.endswith(".zstd")}

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_MEDIA_TYPE = re.compile(r"[!-~]{1,255}")
_MOST_SIZE = 2**63 - 1  # image-spec, descriptor.md: an int64

_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = 100


def digest_of(data: bytes) -> str:
    """The digest of some bytes, as ``sha256:<hex>``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def is_digest(text: str) -> bool:
    """Whether text is a digest of a registered algorithm (image-spec, "Registered Algorithms")."""
    return _DIGEST.fullmatch(text) is not None


def new_hash(digest: str) -> _Hash:
    """A hash of a digest's algorithm."""
    return hashlib.new(digest.partition(":")[0])


def to_json(document: Mapping[str, Any]) -> bytes:
    """The one way in which documents are written: compact, keys sorted, UTF-8."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def is_media_type(text: str) -> bool:
    """Whether text may be a media type, as far as it is compared and shown (RFC 6838, 4.2)."""
    return _MEDIA_TYPE.fullmatch(text) is not None


def layer_media_type(compression: str, format: Format = "oci") -> str:
    """The media type of a layer.

    :param compression: ``""``, ``"gzip"`` or ``"zstd"``.
    """
    media_type = _OCI_LAYER + (f"+{compression}" if compression else "")
    return media_type if format == "oci" else convert_layer_type(media_type, "docker")


def convert_layer_type(media_type: str, format: Format) -> str:
    """The same layer's media type in the other family; types of no family stay.

    :raises ManifestError: Docker's family has no type for it (zstd).
    """
    if format == "oci":
        return _TO_OCI.get(media_type, media_type)
    if media_type.endswith("zstd"):
        raise ManifestError(
            f"a {media_type} layer cannot be part of a Docker schema 2 image, "
            "which knows gzip only; use --format oci"
        )
    return _TO_DOCKER.get(media_type, media_type)


def layer_compression(media_type: str) -> str:
    """``"gzip"``, ``"zstd"`` or ``""`` for a layer's media type."""
    for word in ("gzip", "zstd"):
        if media_type.endswith(word):
            return word
    return ""


def is_foreign(media_type: str) -> bool:
    """Whether a layer is not distributable: it stays where its ``urls`` say."""
    return "nondistributable" in media_type or "foreign" in media_type


@frozen
class Platform:
    """An operating system and a CPU, in Go's words (``linux``, ``amd64``, ``arm64``, ``v8``)."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read ``os/architecture[/variant]``.

        :raises SettingsError: it is nothing of the kind.
        """
        parts = text.lower().split("/")
        if len(parts) not in (2, 3) or not all(re.fullmatch(r"[a-z0-9_.]+", p) for p in parts):
            raise SettingsError(f"{text!r} is no platform: write OS/ARCHITECTURE, as linux/amd64")
        parts[1] = _ARCHITECTURES.get(parts[1], parts[1])
        return cls(*parts)

    @classmethod
    def of_host(cls) -> Platform:
        """Linux on this machine's CPU."""
        machine = os.uname().machine.lower()
        return cls("linux", _ARCHITECTURES.get(machine, machine))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Platform:
        return cls(
            str(document.get("os", "")),
            str(document.get("architecture", "")),
            str(document.get("variant", "")),
        )

    def to_dict(self) -> dict[str, str]:
        pairs = {"os": self.os, "architecture": self.architecture, "variant": self.variant}
        return {key: value for key, value in pairs.items() if value}

    def accepts(self, other: Platform) -> bool:
        """Whether an image for the other platform serves this one.

        A variant that is not given is not asked for; arm64 without one is v8.
        """
        same = (self.os, self.architecture) == (other.os, other.architecture)
        return same and (not self.variant or self._variant() == other._variant())

    def _variant(self) -> str:
        return self.variant or ("v8" if self.architecture == "arm64" else "")

    def __str__(self) -> str:
        return one_line("/".join(filter(None, (self.os, self.architecture, self.variant))))


_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i386": "386", "i686": "386"}


@frozen
class Descriptor:
    """What a blob or manifest is, how large (bytes), and its digest (image-spec, descriptor.md)."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    urls: tuple[str, ...] = ()
    platform: Platform | None = None
    artifact_type: str = ""

    @classmethod
    def of(cls, media_type: str, data: bytes) -> Descriptor:
        return cls(media_type, digest_of(data), len(data))

    @classmethod
    def from_dict(cls, document: Any) -> Descriptor:
        """:raises ManifestError: a required property is missing or of the wrong kind."""
        if not isinstance(document, dict):
            raise ManifestError(f"not a descriptor: {_shown.repr(document)}")
        for key in ("mediaType", "digest", "size"):
            if key not in document:
                raise ManifestError(f"a descriptor lacks {key!r}: {_shown.repr(document)}")
        media_type, digest, size = document["mediaType"], document["digest"], document["size"]
        platform = document.get("platform")
        urls = document.get("urls") or []
        if not (
            isinstance(media_type, str)
            and is_media_type(media_type)
            and isinstance(digest, str)
            and is_digest(digest)
            and type(size) is int
            and 0 <= size <= _MOST_SIZE
            and isinstance(urls, list)
            and all(isinstance(url, str) for url in urls)
            and (platform is None or isinstance(platform, dict))
        ):
            raise ManifestError(f"not a descriptor: {_shown.repr(document)}")
        return cls(
            media_type,
            digest,
            size,
            _annotations(document),
            tuple(urls),
            Platform.from_dict(platform) if platform else None,
            str(document.get("artifactType") or ""),
        )

    def to_dict(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.urls:
            document["urls"] = list(self.urls)
        if self.platform:
            document["platform"] = self.platform.to_dict()
        if self.artifact_type:
            document["artifactType"] = self.artifact_type
        return document

    @property
    def is_elsewhere(self) -> bool:
        """Whether it may not be distributed and says where it can be had: nobody stores it."""
        return is_foreign(self.media_type) and bool(self.urls)

    def with_media_type(self, media_type: str) -> Descriptor:
        return replace(self, media_type=media_type)


@frozen
class Document:
    """A manifest or an index as it was fetched or written: its bytes, and what they are."""

    media_type: str
    data: bytes

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor.of(self.media_type, self.data)

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEXES

    def parsed(self) -> dict[str, Any]:
        """:raises ManifestError: not a JSON object, or its own mediaType contradicts."""
        try:
            document = parse_json(self.data)
        except ValueError as error:
            raise ManifestError(f"not JSON, though of type {self.media_type}: {error}") from None
        if not isinstance(document, dict):
            raise ManifestError(f"a {self.media_type} that is not a JSON object")
        own = document.get("mediaType")
        if own and self.media_type and own != self.media_type:
            raise ManifestError(f"served as {self.media_type}, but says it is {_shown.repr(own)}")
        if "manifests" in document and ("layers" in document or "config" in document):
            raise ManifestError("an image manifest and an index at once")
        return document


@frozen
class Manifest:
    """One image for one platform: its config and its layers, lowest first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_document(cls, document: Document) -> Manifest:
        """:raises ManifestError: an index, an older schema, or something else altogether."""
        if document.media_type not in MANIFESTS:
            raise ManifestError(f"not an image manifest but {document.media_type or 'untyped'}")
        parsed = document.parsed()
        layers = parsed.get("layers")
        if not isinstance(layers, list):
            raise ManifestError("an image manifest without a list of layers")
        return cls(
            document.media_type,
            Descriptor.from_dict(parsed.get("config")),
            tuple(Descriptor.from_dict(layer) for layer in layers),
            _annotations(parsed),
        )

    @property
    def format(self) -> Format:
        return "docker" if self.media_type == DOCKER_MANIFEST else "oci"

    def document(self) -> Document:
        parsed: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.config.to_dict(),
            "layers": [layer.to_dict() for layer in self.layers],
        }
        if self.annotations:
            parsed["annotations"] = dict(self.annotations)
        return Document(self.media_type, to_json(parsed))


def index_entries(document: Document) -> tuple[Descriptor, ...]:
    """The manifests that an index lists (image-spec, image-index.md).

    :raises ManifestError: it is no index.
    """
    manifests = document.parsed().get("manifests")
    if not document.is_index or not isinstance(manifests, list):
        raise ManifestError(f"not an image index but {document.media_type or 'untyped'}")
    return tuple(Descriptor.from_dict(entry) for entry in manifests)


def select_platform(entries: Sequence[Descriptor], wanted: Platform) -> Descriptor:
    """The manifest of an index that serves the platform: one of just its variant, else the first.

    :raises ManifestError: none does; the message lists those there are.
    """
    serving = [entry for entry in entries if entry.platform and wanted.accepts(entry.platform)]
    exact = [entry for entry in serving if entry.platform == wanted]
    if serving:
        return (exact or serving)[0]
    there = [str(e.platform) for e in entries if e.platform and e.platform.os != "unknown"]
    raise ManifestError(f"it has no {wanted}, only {', '.join(there) or 'nothing'}")


def _annotations(document: Mapping[str, Any]) -> dict[str, str]:
    """:raises ManifestError: they are not strings by string."""
    found = document.get("annotations") or {}
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise ManifestError(f"annotations that are none: {_shown.repr(found)}")
    return found
