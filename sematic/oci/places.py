"""From a reference to the place it names."""

from __future__ import annotations

from sematic.oci.blob import Destination, Source
from sematic.oci.errors import InvalidReference
from sematic.oci.events import Listener, ignore
from sematic.oci.layout import Layout
from sematic.oci.memo import Memo
from sematic.oci.reference import ArchiveReference, LayoutReference, Reference


def open_source(
    reference: Reference, *, memo: Memo | None = None, listener: Listener = ignore
) -> Source:
    """Where an image can be read.

    :raises InvalidReference: it names an archive, which is only written.
    """
    if isinstance(reference, ArchiveReference):
        raise InvalidReference(
            f"{reference}: archives are written only; name a registry's image or an oci-layout:DIR"
        )
    if isinstance(reference, LayoutReference):
        return Layout(reference)
    from sematic.oci.registry import open_repository

    return open_repository(reference, memo=memo, listener=listener)


def open_destination(
    reference: Reference,
    *,
    memo: Memo | None = None,
    listener: Listener = ignore,
    image_name: str = "sematic",
) -> Destination:
    """Where an image can be delivered.

    :param image_name: the repository name that an image gets when its archive is loaded.
    """
    if isinstance(reference, LayoutReference):
        return Layout(reference)
    if isinstance(reference, ArchiveReference):
        from sematic.oci.archive import Archive

        return Archive(reference, image_name)
    from sematic.oci.registry import open_repository

    return open_repository(reference, memo=memo, listener=listener, push=True)
