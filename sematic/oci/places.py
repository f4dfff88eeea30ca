"""From references to the places they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sematic.oci.blob import Destination, Source
from sematic.oci.errors import InvalidReference
from sematic.oci.events import Listener, ignore
from sematic.oci.memo import Forgetful, Memo
from sematic.oci.reference import (
    ArchiveReference,
    LayoutReference,
    Reference,
    RegistryReference,
)

if TYPE_CHECKING:
    from sematic.oci.layout import Layout
    from sematic.oci.registry import Registries, Repository


class Places:
    """The places of one piece of work; those in registries share connections and tokens.

    :param target: where the work will be delivered.
    :param memo: keeps which blobs have been seen where.
    :param listener: told when a registry makes it wait.
    """

    def __init__(
        self,
        target: Reference | None = None,
        *,
        memo: Memo | None = None,
        listener: Listener = ignore,
    ) -> None:
        self._target = target.host if isinstance(target, RegistryReference) else ""
        self._memo = memo
        self._listener = listener
        self._made: Registries | None = None

    def source(self, reference: Reference) -> Source:
        """Where an image can be read.

        :raises InvalidReference: it names an archive, which is only written.
        """
        if isinstance(reference, ArchiveReference):
            raise InvalidReference(
                f"{reference}: archives are written only; name a registry's image "
                "or an oci-layout:DIR"
            )
        if isinstance(reference, LayoutReference):
            return _layout(reference)
        return self._registries().repository(reference)

    def destination(
        self, reference: Reference, image_name: str = "sematic", *, tag: str = ""
    ) -> Destination:
        """Where an image can be delivered.

        :param image_name: the repository name that an image gets when its archive is loaded.
        :param tag: will be asked for, so a registry may be asked at once.
        """
        if isinstance(reference, LayoutReference):
            return _layout(reference)
        if isinstance(reference, ArchiveReference):
            from sematic.oci.archive import Archive

            return Archive(reference, image_name)
        repository = self._registries().repository(reference, push=True)
        if tag:
            repository.expect(tag)
        return repository

    def artifacts(self, reference: Reference) -> Repository | None:
        """Where artifacts can be kept beside images; None for what is no registry.

        What is put there is not remembered: it has nothing to do with the images.
        """
        if not isinstance(reference, RegistryReference):
            return None
        return self._registries().repository(reference, push=True, memo=Forgetful())

    def _registries(self) -> Registries:
        if self._made is None:
            from sematic.oci.registry import Registries

            self._made = Registries(self._target, memo=self._memo, listener=self._listener)
        return self._made


def _layout(reference: LayoutReference) -> Layout:
    from sematic.oci.layout import Layout

    return Layout(reference)


def open_source(reference: Reference, *, memo: Memo | None = None) -> Source:
    """Where an image can be read: :meth:`Places.source` of a place of its own."""
    return Places(memo=memo).source(reference)


def open_destination(reference: Reference, *, memo: Memo | None = None) -> Destination:
    """Where an image can be delivered: :meth:`Places.destination` of a place of its own."""
    return Places(reference, memo=memo).destination(reference)
