"""Small images and layouts made by hand, to be bases of others."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sematic.oci.base import Base, find_base
from sematic.oci.blob import Source
from sematic.oci.compression import Compression
from sematic.oci.delivery import deliver
from sematic.oci.files import FileEntry
from sematic.oci.image import Image
from sematic.oci.layer import Bytes, Layer
from sematic.oci.layout import Layout
from sematic.oci.manifest import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Document,
    Platform,
    digest_of,
    layer_media_type,
    to_json,
)
from sematic.oci.memo import Forgetful
from sematic.oci.reference import LayoutReference

AMD64 = Platform("linux", "amd64")


def layout(folder: Path, tag: str = "", digest: str = "") -> Layout:
    return Layout(LayoutReference(str(folder), tag, digest))


def layer(name: str, *entries: FileEntry) -> Layer:
    """A layer whose bytes have been made."""
    found = Layer(name, entries or [FileEntry.from_bytes(name, name.encode())])
    for _ in found.open():
        continue
    return found


def links(**targets: str) -> list[FileEntry]:
    """Links by their path, with __ for /."""
    return [FileEntry.link(path.replace("__", "/"), to) for path, to in targets.items()]


@dataclass
class Made:
    """An image written blob by blob, so that it can be as odd as a test wants.

    :param layers: media type, bytes and diff_id of each.
    """

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    layers: list[tuple[str, bytes, str]] = field(default_factory=list)
    config_type: str = OCI_CONFIG
    media_type: str = OCI_MANIFEST

    def add(self, media_type: str, data: bytes, diff_id: str = "") -> Made:
        self.layers.append((media_type, data, diff_id or digest_of(data)))
        return self

    def store(self, tag: str = "latest", **extra: Any) -> Descriptor:
        """Write it into the layout."""
        platform = AMD64.to_dict()
        diff_ids = [diff_id for _, _, diff_id in self.layers]
        config = {**platform, "rootfs": {"type": "layers", "diff_ids": diff_ids}, **self.config}
        blobs = [(self.config_type, to_json(config))]
        blobs += [(media_type, data) for media_type, data, _ in self.layers]
        descriptors = [put(self.folder, media_type, data) for media_type, data in blobs]
        document = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": descriptors[0].to_dict(),
            "layers": [descriptor.to_dict() for descriptor in descriptors[1:]],
            **extra,
        }
        return tag_document(self.folder, self.media_type, document, tag)


def put(folder: Path, media_type: str, data: bytes) -> Descriptor:
    descriptor = Descriptor.of(media_type, data)
    layout(folder).put(Bytes("blob", descriptor, data), lambda count: None)
    return descriptor


def tag_document(
    folder: Path, media_type: str, document: Mapping[str, Any], tag: str
) -> Descriptor:
    written = Document(media_type, to_json(document))
    layout(folder).finish(written, [tag] if tag else [], [])
    return written.descriptor


def store_index(
    folder: Path, entries: Sequence[Descriptor], tag: str, media_type: str = OCI_INDEX
) -> Descriptor:
    manifests = [entry.to_dict() for entry in entries]
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}
    return tag_document(folder, media_type, document, tag)


def base_of(folder: Path, tag: str = "latest", platform: Platform | None = None) -> Base:
    """The base that a tag of a layout is."""
    source: Source = layout(folder, tag)
    return find_base(source, Forgetful(), platform)


def store_base(
    folder: Path,
    *layers: Iterable[FileEntry],
    env: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    platform: Platform = AMD64,
    tag: str = "latest",
) -> str:
    """An image with these layers, made by sematic itself; its reference with the tag."""
    image = Image(platform).configured(env=env, labels=labels, command=["/bin/sh"])
    plain = Compression.parse("gzip")  # which every format has
    image = image.append(
        *(Layer(f"layer {n}", found, compression=plain) for n, found in enumerate(layers))
    )
    deliver(image, layout(folder), [tag])
    return f"oci-layout:{folder}:{tag}"


def gzip_members(*entries: FileEntry) -> tuple[str, bytes, str]:
    """A gzip layer with a member for each 512 bytes, as eStargz layers have one for each file."""
    data = tar(*entries)
    members = [gzip.compress(data[at : at + 512]) for at in range(0, len(data), 512)]
    return layer_media_type("gzip"), b"".join(members), digest_of(data)


def tar(*entries: FileEntry) -> bytes:
    """A tar of files and links, by tarfile."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as opened:
        for entry in entries:
            member = tarfile.TarInfo(entry.path)
            member.size = entry.size
            if entry.kind == "link":
                member.type, member.linkname = tarfile.SYMTYPE, entry.target
            opened.addfile(member, io.BytesIO(entry.data))
    return file.getvalue()
