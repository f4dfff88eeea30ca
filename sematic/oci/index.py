"""An index of images: one thing for several platforms (image-spec, image-index.md). A value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sematic.oci.errors import ManifestError
from sematic.oci.image import AnyLayer, Image
from sematic.oci.manifest import DOCKER_INDEX, OCI_INDEX, Descriptor, Document, to_json
from sematic.oci.values import field, frozen, replace


@frozen
class Index:
    """Images for different platforms, of which each machine takes its own.

    :param images: in the order in which they are listed; all of one format.
    :param annotations: of the index itself; Docker's manifest lists have none.
    :raises ManifestError: no images, two for one platform, or of two formats.
    """

    images: Sequence[Image]
    annotations: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        platforms = Counter(str(image.platform) for image in self.images)
        twice = [platform for platform, count in platforms.items() if count > 1]
        if twice:
            raise ManifestError(f"an index of two images for {', '.join(twice)}")
        if len({image.format for image in self.images}) != 1:
            raise ManifestError("an index is of images of one format, and of one image at least")

    def all_layers(self) -> tuple[AnyLayer, ...]:
        """Those of every image, one image after the other."""
        return tuple(layer for image in self.images for layer in image.all_layers())

    def is_settled(self) -> bool:
        """Whether the digest of every image is known."""
        return all(image.is_settled() for image in self.images)

    def document(self) -> Document:
        """The index.

        :raises ManifestError: a layer has not been made yet, or cannot be in this format.
        """
        is_oci = self.images[0].format == "oci"
        media_type = OCI_INDEX if is_oci else DOCKER_INDEX
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": [_entry(image).to_dict() for image in self.images],
        }
        if self.annotations and is_oci:
            document["annotations"] = dict(self.annotations)
        return Document(media_type, to_json(document))


def _entry(image: Image) -> Descriptor:
    return replace(image.document().descriptor, platform=image.platform)
