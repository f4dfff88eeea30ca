"""Referrers for registries that do not keep them (distribution-spec, "Referrers Tag Schema")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sematic.oci.errors import NotFound
from sematic.oci.manifest import (
    OCI_INDEX,
    Descriptor,
    Document,
    index_entries,
    to_json,
)
from sematic.oci.registry.client import RegistryClient

if TYPE_CHECKING:
    from sematic.oci.registry.answer import Answer


def announce(client: RegistryClient, document: Document, stored: Answer) -> None:
    """List a manifest among its subject's referrers, unless the registry has done so.

    :param stored: what the registry answered to the manifest.
    """
    if "oci-subject" in stored.headers:
        return
    parsed = document.parsed()
    if not parsed.get("subject"):
        return
    tag = fallback_tag(Descriptor.from_dict(parsed["subject"]).digest)
    entries = _entries(client, tag)
    own = _entry(document, parsed)
    if own.digest in {entry.digest for entry in entries}:
        return
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [entry.to_dict() for entry in (*entries, own)],
    }
    client.put_manifest(tag, Document(OCI_INDEX, to_json(index)))


def fallback_tag(digest: str) -> str:
    """The tag of the index that lists what refers to a digest."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


def _entries(client: RegistryClient, tag: str) -> tuple[Descriptor, ...]:
    try:
        return index_entries(client.manifest(tag))
    except NotFound:
        return ()


def _entry(document: Document, parsed: dict[str, Any]) -> Descriptor:
    own = document.descriptor
    config = parsed.get("config") or {}
    return Descriptor(
        own.media_type,
        own.digest,
        own.size,
        dict(parsed.get("annotations") or {}),
        artifact_type=str(parsed.get("artifactType") or config.get("mediaType") or ""),
    )
