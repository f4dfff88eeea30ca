"""An OCI image layout on disk (image-spec, image-layout.md): read, and written by many at once.

A blob is written under a name of its own and gets its digest's name when it is complete; the
index is replaced as a whole, under a lock. So whatever can be seen is complete, and writers
that die leave at most a hidden file, which the next writer removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sematic.oci.blob import Blob, Progress, Receipt
from sematic.oci.errors import (
    BlobsMissing,
    DigestError,
    ManifestError,
    NotFound,
    PlaceError,
)
from sematic.oci.manifest import (
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Document,
    Manifest,
    index_entries,
    is_digest,
    is_media_type,
    new_hash,
    to_json,
)
from sematic.oci.reference import LayoutReference
from sematic.oci.untrusted import MOST_BYTES, parse_json

if TYPE_CHECKING:
    from hashlib import _Hash

REF_NAME = "org.opencontainers.image.ref.name"

_VERSION = b'{"imageLayoutVersion":"1.0.0"}'
_CHUNK = 1 << 20
_INCOMING = ".incoming-"
_OWN = ("blobs", "index.json", "oci-layout")
_ABANDONED = 60.0  # seconds after which a hidden file without a lock belongs to nobody


class Layout:
    """An image layout: a :class:`Source` and a :class:`Destination`."""

    def __init__(self, reference: LayoutReference) -> None:
        self.reference = reference
        self._folder = Path(reference.path)
        self._is_swept = False

    # --- as a source

    def head(self, reference: str) -> str | None:
        if is_digest(reference):
            return reference if self._blob_path(reference).is_file() else None
        return self._tagged(reference) or self._only(reference)

    def manifest(self, reference: str) -> Document:
        digest = self.head(reference)
        if digest is None:
            there = ", ".join(self.tags()) or "no tags"
            raise NotFound(f"{self.reference.name} has no {reference!r}, it has {there}")
        with _explained(f"read {self.reference.name}"):
            data = self._read_manifest(self._blob_path(digest))
            found = new_hash(digest)
            found.update(data)
        _check(self._blob_path(digest), found, digest)
        return Document(_media_type(data), data)

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        path, found, size = self._blob_path(descriptor.digest), new_hash(descriptor.digest), 0
        try:
            with path.open("rb") as file:
                while data := file.read(_CHUNK):
                    found.update(data)
                    size += len(data)
                    if size > descriptor.size:
                        break
                    if size == descriptor.size:
                        _check(path, found, descriptor.digest)
                    yield data
        except FileNotFoundError:
            raise NotFound(f"{self.reference.name} has no blob {descriptor.digest}") from None
        except OSError as error:
            raise PlaceError(f"cannot read {path}: {error.strerror}") from None
        if size != descriptor.size:
            raise DigestError(f"{path} has not the {descriptor.size} bytes that it should have")
        _check(path, found, descriptor.digest)

    def tags(self) -> list[str]:
        """The tags there are."""
        return sorted(filter(None, map(tag_of, self._entries())))

    # --- as a destination

    def holds(self, digest: str, tags: Sequence[str]) -> bool:
        try:
            if any(self._tagged(tag) != digest for tag in tags):
                return False
            if not any(entry.get("digest") == digest for entry in self._entries()):
                return False
            document = self.manifest(digest)
            if document.is_index:
                images = [self.manifest(entry.digest) for entry in index_entries(document)]
            else:
                images = [document]
            manifests = [Manifest.from_document(image) for image in images]
        except (NotFound, DigestError, ManifestError):
            return False
        return not any(self._missing([each.config, *each.layers]) for each in manifests)

    def has(self, descriptor: Descriptor) -> bool:
        if descriptor.is_elsewhere:
            return True
        try:
            return self._blob_path(descriptor.digest).stat().st_size == descriptor.size
        except OSError:
            return False

    def remembers(self, descriptor: Descriptor) -> bool:
        return self.has(descriptor)

    def put(self, blob: Blob, progress: Progress) -> Receipt:
        descriptor = blob.descriptor
        if descriptor is not None and self.has(descriptor):
            return Receipt(descriptor, "reused")
        self._begin()
        with self._incoming() as (file, name):
            digest, size = _copy(blob, file, progress, self.reference.name)
            descriptor = blob.descriptor
            if descriptor is None or (descriptor.digest, descriptor.size) != (digest, size):
                raise DigestError(f"{blob.name}: {size} bytes with digest {digest} came")
            self._settle(name, digest)
        return Receipt(descriptor, "new", size)

    def doubt(self) -> None:
        """Nothing is remembered here: every look is at the disk."""

    def add(self, manifest: Document, blobs: Iterable[Descriptor]) -> None:
        missing = self._missing(blobs)
        if missing:
            raise BlobsMissing(f"{self.reference.name} lacks {', '.join(missing)}")
        self._begin()
        self._write(self._blob_path(manifest.descriptor.digest), manifest.data)

    def finish(self, manifest: Document, tags: Sequence[str], blobs: Iterable[Descriptor]) -> None:
        self.add(manifest, blobs)
        with self._locked():
            index = self._index()
            index["manifests"] = _with_tags(self._entries(), manifest.descriptor, tags)
            self._write(self._folder / "index.json", to_json(index))

    def abandon(self) -> None:
        """Complete blobs stay: the next delivery finds them."""

    # --- on disk

    def _blob_path(self, digest: str) -> Path:
        algorithm, _, hexadecimal = digest.partition(":")
        return self._folder / "blobs" / algorithm / hexadecimal

    def _read_manifest(self, path: Path) -> bytes:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ManifestError(f"{path} has more than the {MOST_BYTES} bytes a manifest may have")
        return data

    def _missing(self, blobs: Iterable[Descriptor]) -> list[str]:
        return [blob.digest for blob in blobs if not self.has(blob)]

    def _tagged(self, tag: str) -> str | None:
        for entry in self._entries():
            if tag_of(entry) == tag:
                return Descriptor.from_dict(entry).digest
        return None

    def _only(self, reference: str) -> str | None:
        """A layout with one image needs no tag to name it."""
        entries = self._entries()
        if not self.reference.tag and reference == "latest" and len(entries) == 1:
            return Descriptor.from_dict(entries[0]).digest
        return None

    def _index(self) -> dict[str, Any]:
        path = self._folder / "index.json"
        try:
            index = parse_json(path.read_bytes())
        except FileNotFoundError:
            if not self._folder.is_dir():
                raise NotFound(f"there is no image layout in {self._folder}") from None
            raise NotFound(f"{self._folder} is no image layout: it has no index.json") from None
        except OSError as error:
            raise PlaceError(f"cannot read {path}: {error.strerror}") from None
        except ValueError as error:
            raise PlaceError(f"{path} is damaged: {error}") from None
        manifests = index.get("manifests") if isinstance(index, dict) else None
        if not isinstance(manifests, list) or not all(isinstance(m, dict) for m in manifests):
            raise PlaceError(f"{path} is no image index")
        return dict(index)

    def _entries(self) -> list[dict[str, Any]]:
        return list(self._index()["manifests"])

    def _begin(self) -> None:
        """Make the folder a layout, if it is none yet, and tidy it up."""
        if not self._is_layout():
            self._make()
        if not self._is_swept:
            self._is_swept = True
            self._sweep()

    def _is_layout(self) -> bool:
        return all((self._folder / name).is_file() for name in ("oci-layout", "index.json"))

    def _make(self) -> None:
        mark = self._folder / "oci-layout"
        with _explained(f"write {self.reference.name}"):
            if self._folder.is_dir() and not mark.exists():
                self._check_empty()
            (self._folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        with self._locked():
            if not (self._folder / "index.json").exists():
                empty = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
                self._write(self._folder / "index.json", to_json(empty))
            self._write(mark, _VERSION)

    def _check_empty(self) -> None:
        """A folder may become a layout if it is empty, or becoming one by another's hand."""
        for path in sorted(self._folder.iterdir()):
            if path.name not in _OWN and not path.name.startswith(_INCOMING):
                raise PlaceError(
                    f"{self._folder} is no image layout but has other things in it "
                    f"({path.name}); name an empty or a new folder"
                )

    def _write(self, path: Path, data: bytes) -> None:
        with _explained(f"write {path}"), self._incoming() as (file, name):
            _write_all(file, data)
            name.replace(path)

    def _settle(self, name: Path, digest: str) -> None:
        with _explained(f"write {self.reference.name}"):
            name.replace(self._blob_path(digest))

    @contextlib.contextmanager
    def _incoming(self) -> Iterator[tuple[int, Path]]:
        """A hidden file, locked while it is written, gone afterwards unless it was renamed."""
        path = self._folder / f"{_INCOMING}{os.getpid()}-{os.urandom(6).hex()}"
        with _explained(f"write {self.reference.name}"):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file, path
        finally:
            os.close(file)
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The only writer of the index, while it lasts."""
        with _explained(f"lock {self.reference.name}"):
            folder = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _sweep(self) -> None:
        """Remove what writers that died have left."""
        for path in self._folder.glob(f"{_INCOMING}*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime < _ABANDONED:
                    continue
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(file)


def _check(path: Path, found: _Hash, digest: str) -> None:
    if found.hexdigest() != digest.partition(":")[2]:
        raise DigestError(f"{path} is damaged: its digest is not its name")


def tag_of(entry: Mapping[str, Any]) -> str:
    """The tag of an entry of an index, empty if it has none."""
    annotations = entry.get("annotations")
    return str(annotations.get(REF_NAME) or "") if isinstance(annotations, dict) else ""


def _media_type(data: bytes) -> str:
    """What a manifest says it is; before image-spec 1.1 it need not say."""
    try:
        document = parse_json(data)
    except ValueError:
        return ""
    if not isinstance(document, dict):
        return ""
    default = OCI_INDEX if "manifests" in document else OCI_MANIFEST
    own = str(document.get("mediaType") or default)
    return own if is_media_type(own) else ""


def _with_tags(
    entries: Sequence[dict[str, Any]], descriptor: Descriptor, tags: Sequence[str]
) -> list[dict[str, Any]]:
    """The index's entries with the tags on this manifest and on no other."""
    kept = []
    for entry in entries:
        tag = tag_of(entry)
        untagged_twin = entry.get("digest") == descriptor.digest and not tag
        if tag not in tags and not untagged_twin:
            kept.append(entry)
    own = descriptor.to_dict()
    if tags:
        kept += [{**own, "annotations": {REF_NAME: tag}} for tag in tags]
    elif not any(entry.get("digest") == descriptor.digest for entry in kept):
        kept.append(own)
    return kept


def _copy(blob: Blob, file: int, progress: Progress, place: str) -> tuple[str, int]:
    found, size = hashlib.sha256(), 0
    for chunk in blob.open():
        found.update(chunk)
        with _explained(f"write {place}"):
            _write_all(file, chunk)
        size += len(chunk)
        progress(len(chunk))
    return f"sha256:{found.hexdigest()}", size


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


@contextlib.contextmanager
def _explained(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PlaceError(f"cannot {doing}: {error.strerror or error}") from None
