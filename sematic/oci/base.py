"""Base images: a manifest and a config. The layers stay where they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sematic.oci.blob import Source
from sematic.oci.errors import BaseError, ManifestError, NotFound
from sematic.oci.layer import ExistingLayer
from sematic.oci.manifest import (
    DOCKER_CONFIG,
    OCI_CONFIG,
    Document,
    Manifest,
    Platform,
    index_entries,
    is_digest,
    select_platform,
)
from sematic.oci.memo import Memo
from sematic.oci.untrusted import MOST_BYTES, parse_json
from sematic.oci.values import frozen

LAYERS_ANNOTATION = "dev.sematic.layers"
"""In a manifest: how many of its layers, from the top, were put on a base here."""


@frozen
class Base:
    """A base image for one platform.

    :param name: the reference it was found by.
    :param digest: of its manifest for this platform.
    :param manifest: as it was fetched.
    :param config: its config, parsed.
    :param source: where its layers lie.
    """

    name: str
    digest: str
    manifest: Manifest
    config: Mapping[str, Any]
    source: Source

    @property
    def platform(self) -> Platform:
        return Platform.from_dict(self.config)

    @property
    def layers(self) -> tuple[ExistingLayer, ...]:
        """Its layers, lowest first."""
        diff_ids = self.config["rootfs"]["diff_ids"]
        return tuple(
            ExistingLayer(descriptor, diff_id, self.source, f"base {number}")
            for number, (descriptor, diff_id) in enumerate(
                zip(self.manifest.layers, diff_ids, strict=True), 1
            )
        )

    @property
    def own_layers(self) -> tuple[ExistingLayer, ...]:
        """Those that :mod:`sematic.oci` put on top of a base, as far as the manifest says so."""
        text = self.manifest.annotations.get(LAYERS_ANNOTATION, "")
        count = int(text) if re.fullmatch("[0-9]{1,3}", text) else 0
        return self.layers[max(0, len(self.layers) - count) :]

    def layer_names(self) -> list[str]:
        """What its history says of each layer; empty where it does not speak of every one."""
        history = [h for h in self.config.get("history") or () if not h.get("empty_layer")]
        if len(history) != len(self.manifest.layers):
            history = [{} for _ in self.manifest.layers]
        return [str(entry.get("created_by") or "") for entry in history]

    @property
    def labels(self) -> dict[str, str]:
        return dict((self.config.get("config") or {}).get("Labels") or {})

    def environment(self) -> dict[str, str]:
        """The environment variables that its config sets."""
        pairs = (self.config.get("config") or {}).get("Env") or ()
        return dict(pair.partition("=")[::2] for pair in pairs)


def find_base(source: Source, memo: Memo, platform: Platform | None = None) -> Base:
    """The image that a source's reference names, for one platform.

    Manifests and configs are remembered by digest, so that a tag that has not moved costs one
    HEAD, and a digest nothing.

    :param platform: which of an index; linux on this machine's CPU where it is not given. An
        image that is no index must be for it, if it is given.
    :raises BaseError: there is no such image, none for the platform, or it is no image.
    """
    name = str(source.reference)
    try:
        return _find(source, memo, platform, name)
    except NotFound as error:
        raise BaseError(f"base image {name}: {error}") from None
    except ManifestError as error:
        raise BaseError(f"base image {name}: {error}") from error


def _find(source: Source, memo: Memo, platform: Platform | None, name: str) -> Base:
    digest = getattr(source.reference, "digest", "")
    if not digest:
        tag = source.reference.tag or "latest"
        digest = source.head(tag) or ""
        if not digest:
            raise ManifestError(f"there is no tag {tag!r}")
    document = _document(source, memo, digest)
    is_selected = document.is_index
    if is_selected:
        wanted = platform or Platform.of_host()
        digest = select_platform(index_entries(document), wanted).digest
        document = _document(source, memo, digest)
    manifest = Manifest.from_document(document)
    base = Base(name, digest, manifest, _config(source, memo, manifest), source)
    if platform and not is_selected and not platform.accepts(base.platform):
        raise ManifestError(f"it is for {base.platform}, not for {platform}")
    return base


def _document(source: Source, memo: Memo, digest: str) -> Document:
    """A manifest or index by digest, remembered with its media type."""
    key = f"document:{digest}"
    kept = memo.recall(key)
    if kept is not None:
        media_type, _, data = kept.partition(b"\n")
        return Document(media_type.decode(), data)
    document = source.manifest(digest)
    memo.remember(key, document.media_type.encode() + b"\n" + document.data)
    return document


def _config(source: Source, memo: Memo, manifest: Manifest) -> dict[str, Any]:
    descriptor = manifest.config
    if descriptor.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
        raise ManifestError(f"it is no image: its config is {descriptor.media_type}")
    key = f"document:{descriptor.digest}"
    data = memo.recall(key)
    if data is None:
        if descriptor.size > MOST_BYTES:
            raise ManifestError(
                f"its config has {descriptor.size} bytes, and no more than {MOST_BYTES} are read"
            )
        data = b"".join(source.blob(descriptor))
    try:
        config = parse_json(data)
    except ValueError as error:
        raise ManifestError(f"its config is not JSON: {error}") from None
    if not _is_config(config):
        raise ManifestError(f"its config is no {descriptor.media_type}")
    if len(config["rootfs"]["diff_ids"]) != len(manifest.layers):
        raise ManifestError("its config and its manifest do not name as many layers")
    memo.remember(key, data)
    return dict(config)


def _is_config(document: Any) -> bool:
    """Whether all that is read of an image config (image-spec, config.md) can be read."""
    if not isinstance(document, dict) or not isinstance(document.get("rootfs"), dict):
        return False
    run, diff_ids = document.get("config") or {}, document["rootfs"].get("diff_ids")
    if not isinstance(run, dict) or not isinstance(diff_ids, list):
        return False
    env, labels = run.get("Env") or [], run.get("Labels") or {}
    history = document.get("history") or []
    if not (isinstance(env, list) and isinstance(labels, dict) and isinstance(history, list)):
        return False
    texts = [*env, *labels.values()]
    return (
        all(isinstance(item, str) and is_digest(item) for item in diff_ids)
        and all(isinstance(text, str) for text in texts)
        and all(isinstance(item, dict) for item in history)
    )
