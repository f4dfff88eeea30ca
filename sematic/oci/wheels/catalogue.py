"""What wheel became which layer, told to others: an artifact beside the images of a repository.

Whoever pushes the same wheels there needs none of them then: neither to plan their layers (the
facts of each wheel), nor to send them (the digests of layers that are there already). It is
believed for the repository that it lies in and for no other: who can write it can write the images.

A tagged manifest (image-spec, "Guidelines for Artifact Usage"). Its first layer is a table of
layers, newest first; each other one has the facts of a wheel.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sematic.oci.errors import OCIError
from sematic.oci.layer import Bytes, Made
from sematic.oci.manifest import OCI_MANIFEST, Descriptor, Document, Manifest, is_digest, to_json
from sematic.oci.memo import Memo
from sematic.oci.untrusted import MOST_BYTES, parse_json
from sematic.oci.wheels.facts import VERSION, Facts

if TYPE_CHECKING:
    from sematic.oci.registry import Repository

TAG = "sematic.wheels"

_KIND = "application/vnd.sematic.wheels.v1+json"
TABLE = "application/vnd.sematic.wheels.layers.v1+json"
_FACTS = "application/vnd.sematic.wheel.v1+json+zstd"
_EMPTY = Bytes("empty", Descriptor.of("application/vnd.oci.empty.v1+json", b"{}"), b"{}")
_WHEEL = "dev.sematic.wheel"
_MOST_WHEELS = 1000
_MOST_LAYERS = 2000
_READS = 8
"""Facts that are read at once."""


class Catalogue:
    """The catalogue of a repository; read when something is asked for that is not remembered.

    :param memo: keeps what was read, under the repository's name.
    """

    def __init__(self, repository: Repository, memo: Memo) -> None:
        self.repository = repository
        self._memo = memo
        self._read: tuple[dict[str, Made], dict[str, Descriptor]] | None = None

    def facts(self, keys: Sequence[str], python: str) -> dict[str, Facts]:
        """What is known of wheels, by the sha256 (hex) of their files, or of their sources."""
        found: dict[str, Facts] = {}
        for key in keys:
            kept = self._memo.recall(self._key(_label(key, python)))
            facts = Facts.from_bytes(kept) if kept is not None else None
            if facts is not None:
                found[key] = facts
        missing = [key for key in keys if key not in found]
        if missing:
            with ThreadPoolExecutor(_READS, "facts") as executor:
                read = executor.map(lambda key: self._fetch(_label(key, python)), missing)
                found |= {key: facts for key, facts in zip(missing, read, strict=True) if facts}
        return found

    def layer(self, fingerprint: bytes) -> Made | None:
        """What a layer with this fingerprint came out as, for somebody."""
        key = self._key(fingerprint.hex())
        kept = self._memo.recall(key)
        if kept is not None:
            return Made(*json.loads(kept))
        made = self._table().get(fingerprint.hex())
        if made is not None:
            self._memo.remember(key, json.dumps(_row(made)).encode())
        return made

    def publish(
        self, python: str, wheels: Mapping[str, Facts], layers: Mapping[bytes, Made]
    ) -> bool:
        """Tell others of wheels and layers that are in the repository now; whether that was news.

        :param wheels: by the sha256 (hex) of their files, or of their sources.
        :param layers: by fingerprint.
        :raises OCIError: it could not be stored.
        """
        own = {_label(key, python): facts for key, facts in wheels.items()}
        made = {fingerprint.hex(): layer for fingerprint, layer in layers.items()}
        key = self._key(f"told {_hash([*own, *map(repr, made.items())])}")
        if self._memo.recall(key) is not None:
            return False
        self._read = None
        table, known = self._load()
        is_news = any(table.get(name) != layer for name, layer in made.items())
        if is_news or own.keys() - known.keys():
            self._store({**made, **_without(table, made)}, own, known)
        self._memo.remember(key, b"")
        return True

    def _store(
        self,
        table: Mapping[str, Made],
        own: Mapping[str, Facts],
        known: Mapping[str, Descriptor],
    ) -> None:
        rows = [[name, *_row(made)] for name, made in list(table.items())[:_MOST_LAYERS]]
        blobs = [Bytes("table", *_described(TABLE, to_json({"layers": rows})))]
        there = [known[label] for label in own if label in known]
        for label, facts in own.items():
            if label not in known:
                blobs.append(Bytes("facts", *_described(_FACTS, facts.to_bytes(), label)))
        for blob in (*blobs, _EMPTY):
            self.repository.put(blob, _unheard)
        others = [descriptor for label, descriptor in known.items() if label not in own]
        facts_of = [*(blob.descriptor for blob in blobs[1:]), *there, *others][:_MOST_WHEELS]
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": _KIND,
            "config": _EMPTY.descriptor.to_dict(),
            "layers": [blob.to_dict() for blob in (blobs[0].descriptor, *facts_of)],
        }
        self.repository.finish(Document(OCI_MANIFEST, to_json(manifest)), [TAG], ())

    def _fetch(self, label: str) -> Facts | None:
        descriptor = self._load()[1].get(label)
        if descriptor is None or descriptor.size > MOST_BYTES:
            return None
        data = b"".join(self.repository.blob(descriptor))
        facts = Facts.from_bytes(data)
        if facts is not None:
            self._memo.remember(self._key(label), data)
        return facts

    def _table(self) -> dict[str, Made]:
        return self._load()[0]

    def _load(self) -> tuple[dict[str, Made], dict[str, Descriptor]]:
        """The layers and the wheels that it tells of; nothing where there is none."""
        if self._read is None:
            self._read = self._read_all()
        return self._read

    def _read_all(self) -> tuple[dict[str, Made], dict[str, Descriptor]]:
        try:
            manifest = Manifest.from_document(self.repository.manifest(TAG))
        except OCIError:
            return {}, {}
        wheels = {
            blob.annotations[_WHEEL]: blob
            for blob in manifest.layers
            if blob.media_type == _FACTS and _WHEEL in blob.annotations
        }
        table = manifest.layers[0] if manifest.layers else None
        if table is None or table.media_type != TABLE or table.size > MOST_BYTES:
            return {}, wheels
        try:
            document = parse_json(b"".join(self.repository.blob(table)))
        except (OCIError, ValueError):
            return {}, wheels
        return dict(_rows(document)), wheels

    def _key(self, name: str) -> str:
        return f"catalogue:{self.repository.reference.name} {name}"


def _label(key: str, python: str) -> str:
    """A wheel, a Python, and the version of what is known of both."""
    return f"{VERSION}/{python}/{key}"


def _described(media_type: str, data: bytes, label: str = "") -> tuple[Descriptor, bytes]:
    annotations = {_WHEEL: label} if label else {}
    plain = Descriptor.of(media_type, data)
    return Descriptor(media_type, plain.digest, plain.size, annotations), data


def _row(made: Made) -> list[Any]:
    return [made.diff_id, made.tar_size, made.digest, made.size]


def _rows(document: Any) -> Iterable[tuple[str, Made]]:
    """The rows of a table that can be read."""
    rows = document.get("layers") if isinstance(document, dict) else None
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, list) or list(map(type, row)) != [str, str, int, str, int]:
            continue
        name, diff_id, tar_size, digest, size = row
        if is_digest(diff_id) and is_digest(digest) and min(tar_size, size) >= 0:
            yield name, Made(diff_id, tar_size, digest, size)


def _without(table: Mapping[str, Made], own: Mapping[str, Made]) -> dict[str, Made]:
    return {name: made for name, made in table.items() if name not in own}


def _hash(words: Iterable[str]) -> str:
    import hashlib

    return hashlib.blake2b("\n".join(sorted(words)).encode(), digest_size=16).hexdigest()


def _unheard(count: int) -> None:
    """Progress of what is too small to speak of."""
