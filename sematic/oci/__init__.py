"""A pure-Python OCI writer: files to layers, layers onto a base, images into registries.

The ordinary image of a project:

    from sematic.oci import push
    push("examples/quickstart").reference       # 'oci-layout:...@sha256:...'

An image of one's own:

    from sematic.oci import FileEntry, Image, Layer, Platform, deliver, open_destination
    from sematic.oci import parse_reference

    layer = Layer("motd", [FileEntry.from_bytes("etc/motd", b"hello")])
    image = Image(Platform.parse("linux/amd64")).append(layer)
    image = image.configured(env={"MODE": "test"}, command=["/bin/sh"])
    destination = open_destination(parse_reference("oci-layout:out"))
    deliver(image, destination, ["v1"]).digest  # 'sha256:...'

Everything that the command ``sematic-oci`` does with images is done with what is here. Names are
looked up when they are first used, so that importing this costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing and importlib take longer to import than it takes to say so
if TYPE_CHECKING:
    from typing import Any

    from sematic.oci.archive import Archive as Archive
    from sematic.oci.base import Base as Base
    from sematic.oci.base import find_base as find_base
    from sematic.oci.blob import Blob as Blob
    from sematic.oci.blob import Destination as Destination
    from sematic.oci.blob import Receipt as Receipt
    from sematic.oci.blob import Source as Source
    from sematic.oci.cache import Cache as Cache
    from sematic.oci.compression import Compression as Compression
    from sematic.oci.delivery import Delivery as Delivery
    from sematic.oci.delivery import deliver as deliver
    from sematic.oci.errors import OCIError as OCIError
    from sematic.oci.files import FileEntry as FileEntry
    from sematic.oci.image import Image as Image
    from sematic.oci.index import Index as Index
    from sematic.oci.layer import Bytes as Bytes
    from sematic.oci.layer import ExistingLayer as ExistingLayer
    from sematic.oci.layer import Layer as Layer
    from sematic.oci.layout import Layout as Layout
    from sematic.oci.manifest import Descriptor as Descriptor
    from sematic.oci.manifest import Document as Document
    from sematic.oci.manifest import Manifest as Manifest
    from sematic.oci.manifest import Platform as Platform
    from sematic.oci.memo import Forgetful as Forgetful
    from sematic.oci.memo import Memo as Memo
    from sematic.oci.places import Places as Places
    from sematic.oci.places import open_destination as open_destination
    from sematic.oci.places import open_source as open_source
    from sematic.oci.project import push as push
    from sematic.oci.project_image import Build as Build
    from sematic.oci.project_image import build as build
    from sematic.oci.reference import parse_reference as parse_reference
    from sematic.oci.settings import Settings as Settings
    from sematic.oci.settings import read_settings as read_settings
    from sematic.oci.tree.walk import find_tree as find_tree

_WHERE = {
    "archive": ("Archive",),
    "base": ("Base", "find_base"),
    "blob": ("Blob", "Destination", "Receipt", "Source"),
    "cache": ("Cache",),
    "compression": ("Compression",),
    "delivery": ("Delivery", "deliver"),
    "errors": ("OCIError",),
    "files": ("FileEntry",),
    "image": ("Image",),
    "index": ("Index",),
    "layer": ("Bytes", "ExistingLayer", "Layer"),
    "layout": ("Layout",),
    "manifest": ("Descriptor", "Document", "Manifest", "Platform"),
    "memo": ("Forgetful", "Memo"),
    "places": ("Places", "open_destination", "open_source"),
    "project": ("push",),
    "project_image": ("Build", "build"),
    "reference": ("parse_reference",),
    "settings": ("Settings", "read_settings"),
    "tree.walk": ("find_tree",),
}
_MODULES = {name: module for module, names in _WHERE.items() for name in names}


def __dir__() -> list[str]:
    return sorted(_MODULES)


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"sematic.oci.{module}"), name)
