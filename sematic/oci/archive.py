"""One tar file that ``podman load`` and ``docker load`` take: an image layout, packed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from sematic.oci.blob import Blob, Progress, Receipt
from sematic.oci.errors import PlaceError
from sematic.oci.files import FileEntry
from sematic.oci.layout import Layout, tag_of
from sematic.oci.manifest import Descriptor, Document, Manifest, layer_compression, to_json
from sematic.oci.reference import ArchiveReference, LayoutReference
from sematic.oci.tar import in_order, source_date_epoch, tar_chunks


class Archive:
    """An archive file: a :class:`Destination`. It appears, whole, when it is finished.

    Beside the image layout it has the ``manifest.json`` that older versions of Docker read,
    except for zstd layers and indexes, which those do not know.

    :param image_name: the repository name that the image gets when it is loaded.
    """

    def __init__(self, reference: ArchiveReference, image_name: str = "sematic") -> None:
        self.reference = reference
        self._path = Path(reference.path)
        self._image_name = image_name
        unique = f".{self._path.name}.{os.getpid()}-{os.urandom(4).hex()}"
        self._folder = self._path.parent / unique
        self._layout = Layout(LayoutReference(str(self._folder)))

    def holds(self, digest: str, tags: Sequence[str]) -> bool:
        """An archive is always written anew."""
        return False

    def has(self, descriptor: Descriptor) -> bool:
        return False

    def remembers(self, descriptor: Descriptor) -> bool:
        return False

    def put(self, blob: Blob, progress: Progress) -> Receipt:
        if not self._path.parent.is_dir():
            raise PlaceError(f"cannot write {self._path}: there is no folder {self._path.parent}")
        return self._layout.put(blob, progress)

    def doubt(self) -> None:
        """Nothing is remembered here."""

    def add(self, manifest: Document, blobs: Iterable[Descriptor]) -> None:
        self._layout.add(manifest, blobs)

    def finish(self, manifest: Document, tags: Sequence[str], blobs: Iterable[Descriptor]) -> None:
        blobs = list(blobs)
        self._layout.finish(manifest, tags, blobs)
        names = [f"{self._image_name}:{tag}" for tag in tags]
        entries = [self._index(tags), *self._docker_manifest(manifest, names)]
        for path in sorted(self._folder.rglob("*")):
            name = path.relative_to(self._folder).as_posix()
            if path.is_dir():
                entries.append(FileEntry.folder(name))
            elif name != "index.json":
                entries.append(FileEntry.from_file(name, path))
        partial = self._folder.with_suffix(".tar")
        try:
            with partial.open("xb") as file:
                for chunk in tar_chunks(in_order(entries), source_date_epoch()):
                    file.write(chunk)
            partial.replace(self._path)
        except OSError as error:
            raise PlaceError(f"cannot write {self._path}: {error.strerror}") from None
        finally:
            partial.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Remove what was gathered beside the archive."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _index(self, tags: Sequence[str]) -> FileEntry:
        """The layout's index, with the names that containerd and Docker look for."""
        index = json.loads((self._folder / "index.json").read_bytes())
        for entry in index["manifests"]:
            tag = tag_of(entry)
            if tag in tags:
                name = f"docker.io/library/{self._image_name}:{tag}"
                entry["annotations"]["io.containerd.image.name"] = name
        return FileEntry.from_bytes("index.json", to_json(index))

    @staticmethod
    def _docker_manifest(document: Document, names: Sequence[str]) -> list[FileEntry]:
        if document.is_index:
            return []
        manifest = Manifest.from_document(document)
        if any(layer_compression(layer.media_type) == "zstd" for layer in manifest.layers):
            return []
        legacy = {
            "Config": _blob_name(manifest.config),
            "RepoTags": list(names),
            "Layers": [_blob_name(layer) for layer in manifest.layers],
        }
        data = json.dumps([legacy], sort_keys=True).encode()
        return [FileEntry.from_bytes("manifest.json", data)]


def _blob_name(descriptor: Descriptor) -> str:
    return "blobs/" + descriptor.digest.replace(":", "/")
