"""A repository in a registry: a place that images come from and go to."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from sematic.oci.blob import Blob, Progress, Receipt, Source
from sematic.oci.errors import Denied, ManifestError, RegistryError
from sematic.oci.events import Listener, ignore
from sematic.oci.manifest import Descriptor, Document, Manifest, is_digest
from sematic.oci.memo import Forgetful, Memo
from sematic.oci.reference import RegistryReference
from sematic.oci.registry.auth import Authorizer
from sematic.oci.registry.backoff import Patience
from sematic.oci.registry.client import RegistryClient
from sematic.oci.registry.credentials import Clouds, Credentials
from sematic.oci.registry.downloads import download
from sematic.oci.registry.referrers import announce
from sematic.oci.registry.routes import Routes
from sematic.oci.registry.transport import Transport
from sematic.oci.registry.uploads import Uploads

if TYPE_CHECKING:
    from concurrent.futures import Future

_SMALL = 256 << 10


class Repository:
    """The repository that a reference names, as :class:`Source` and :class:`Destination`.

    :param memo: keeps which blobs have been seen in it, and the manifest that they are blobs of:
        while that is there they are, and are not asked for.
    :param kept: manifests (``NAME@DIGEST``) of which it is known whether they are still there.
    :param expected: tags (``NAME:TAG``) that are being asked for.
    """

    def __init__(
        self,
        reference: RegistryReference,
        client: RegistryClient,
        memo: Memo | None = None,
        kept: dict[str, bool] | None = None,
        expected: dict[str, Future[str | None]] | None = None,
    ) -> None:
        self._reference = reference
        self._client = client
        self._memo = memo or Forgetful()
        self._uploads = Uploads(client)
        self._is_doubting = False
        self._kept = {} if kept is None else kept
        self._lock = threading.Lock()
        self._unmountable: set[str] = set()
        self._expected = {} if expected is None else expected

    @property
    def reference(self) -> RegistryReference:
        return self._reference

    # As a source

    def head(self, reference: str) -> str | None:
        expected = self._expected.get(self._named(reference))
        return expected.result() if expected else self._client.head_manifest(reference)

    def manifest(self, reference: str) -> Document:
        """What is read of an image is remembered as what is there, and is not asked for again."""
        document = self._client.manifest(reference)
        self._kept[self._name(document.descriptor.digest)] = True
        with suppress(ManifestError):  # of another kind
            manifest = Manifest.from_document(document)
            self._remember(document, [manifest.config, *manifest.layers])
        return document

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        return download(self._client, descriptor)

    def tags(self) -> Iterator[str]:
        """All tags, asked for page by page."""
        return self._client.tags()

    # As a destination

    def expect(self, tag: str) -> None:
        """Ask at once what a tag stands for, if this machine has delivered here before.

        What it stands for then is most often what this machine delivered last, and proves all
        that is remembered of that; and it may be what :meth:`holds` is to be asked about.
        """
        if self._memo.recall(self._own_key) is None:
            return
        from concurrent.futures import ThreadPoolExecutor

        aside = ThreadPoolExecutor(1, "tag")
        self._expected[self._named(tag)] = aside.submit(self._client.head_manifest, tag)
        aside.shutdown(wait=False)

    def holds(self, digest: str, tags: Sequence[str]) -> bool:
        """One request for each tag: a tag that stands for the manifest proves that it is there."""
        return all(self._stands_for(reference) == digest for reference in tags or (digest,))

    def has(self, descriptor: Descriptor) -> bool:
        if descriptor.is_elsewhere:
            return True
        return self.remembers(descriptor) or self._is_there(descriptor)

    def remembers(self, descriptor: Descriptor) -> bool:
        return self._is_kept(self._key(descriptor))

    def put(self, blob: Blob, progress: Progress) -> Receipt:
        before = blob.descriptor
        session = None
        if before is not None:
            if self.remembers(before):
                return Receipt(before, "reused")
            if not self._is_new(blob, before) and self.has(before):
                return Receipt(before, "reused")
            is_mounted, session = self._mount(before, blob.origin)
            if is_mounted:
                return Receipt(before, "mounted")
        sent = self._uploads.send(blob, progress, session)
        descriptor = blob.descriptor
        assert descriptor is not None, f"{blob.name} has been sent, but has no descriptor"
        return Receipt(descriptor, "new", sent)

    def doubt(self) -> None:
        if self._is_doubting:  # every blob has been asked for, and was there
            self._client.hold_off("does not see blobs that it has")
        self._is_doubting = True

    def add(self, manifest: Document, blobs: Iterable[Descriptor]) -> None:
        self._client.put_manifest(manifest.descriptor.digest, manifest)
        self._remember(manifest, blobs)

    def finish(self, manifest: Document, tags: Sequence[str], blobs: Iterable[Descriptor]) -> None:
        self._forget_expected()
        first, *others = tags or (manifest.descriptor.digest,)
        stored = self._client.put_manifest(first, manifest)
        announce(self._client, manifest, stored)
        for tag in others:
            self._client.put_manifest(tag, manifest)
        self._remember(manifest, blobs, self._own_key)

    def abandon(self) -> None:
        """Wait for nothing any more. Every put that failed cancels its own upload."""
        self._forget_expected()
        self._client.transport.stop()

    def _stands_for(self, tag: str) -> str | None:
        """What a tag stands for, or stood for when it was expected to be asked for."""
        expected = self._expected.pop(self._named(tag), None)
        return expected.result() if expected else self._client.head_manifest(tag)

    def _forget_expected(self) -> None:
        for name in [name for name in self._expected if name.startswith(self._named(""))]:
            del self._expected[name]

    def _is_there_still(self, digest: str) -> bool:
        """Whether a manifest is there; what a tag was found to stand for is.

        It only spares questions: where that cannot be known, blobs are asked for.
        """
        own = self._named("")
        expected = [asked for name, asked in [*self._expected.items()] if name.startswith(own)]
        if any(not each.exception() and each.result() == digest for each in expected):
            return True
        try:
            return self.head(digest) == digest
        except RegistryError:
            return False

    def _remember(self, manifest: Document, blobs: Iterable[Descriptor], *more: str) -> None:
        keys = (*map(self._key, blobs), *more)
        self._memo.remember_all(dict.fromkeys(keys, manifest.descriptor.digest.encode()))

    def _is_there(self, descriptor: Descriptor) -> bool:
        try:
            return self._client.has_blob(descriptor)
        except RegistryError as error:
            if error.status != 500:
                raise
            # docker-registry says so of a blob that came when its disk was full, until it comes
            # again.
            return False

    def _is_new(self, blob: Blob, descriptor: Descriptor) -> bool:
        """Whether to send a blob without asking for it.

        Where this machine has delivered to before, a small blob that it has not sent is a new
        one as good as always, and sending it costs less than the answer.
        """
        is_small = descriptor.size <= _SMALL and blob.origin is None
        return is_small and self._is_kept(self._own_key)

    def _is_kept(self, key: str) -> bool:
        """Whether the manifest that is remembered under a key is still there.

        It is asked for once. Few registries keep a manifest without its blobs, but some take one
        whose blobs they lack.
        """
        remembered = None if self._is_doubting else self._memo.recall(key)
        if remembered is None:
            return False
        digest = remembered.decode()
        with self._lock:
            name = self._name(digest)
            if name not in self._kept:
                self._kept[name] = is_digest(digest) and self._is_there_still(digest)
            return self._kept[name]

    @property
    def _own_key(self) -> str:
        return f"delivered:{self._reference.name}"

    def _name(self, digest: str) -> str:
        return f"{self._reference.name}@{digest}"

    def _named(self, tag: str) -> str:
        return f"{self._reference.name}:{tag}"

    def _key(self, descriptor: Descriptor) -> str:
        return f"blob:{self._name(descriptor.digest)}"

    def _mount(self, descriptor: Descriptor, source: Source | None) -> tuple[bool, str | None]:
        """Whether a blob could be linked here from its source, and the upload opened instead."""
        if not isinstance(source, Repository) or not self._may_mount(source.reference):
            return False, None
        repository = source.reference.repository
        try:
            session = self._client.mount(descriptor.digest, repository)
        except RegistryError as error:
            if isinstance(error, Denied):
                self._unmountable.add(repository)
            return False, None
        return session is None, session

    def _may_mount(self, source: RegistryReference) -> bool:
        own = self._reference
        return (
            source.host == own.host
            and source.repository != own.repository
            and source.repository not in self._unmountable
        )


class Registries:
    """The connections, credentials and tokens that repositories share. Nothing is asked at first.

    :param target: the host that is pushed to: SEMATIC_REGISTRY_USERNAME is for it.
    :param memo: see :class:`Repository`.
    :param listener: told when a registry makes it wait.
    :param insecure: hosts that may be spoken to in plain http, besides loopback and
        SEMATIC_INSECURE_REGISTRIES.
    """

    def __init__(
        self,
        target: str = "",
        *,
        memo: Memo | None = None,
        listener: Listener = ignore,
        insecure: Iterable[str] = (),
        patience: Patience | None = None,
    ) -> None:
        self._memo = memo
        self._kept: dict[str, bool] = {}
        self._expected: dict[str, Future[str | None]] = {}
        self._transport = Transport(
            Routes(insecure), patience=patience, listener=listener, memo=memo
        )
        credentials = Credentials(target, clouds=Clouds(self._transport))
        self._authorizer = Authorizer(self._transport, credentials)

    def repository(
        self, reference: RegistryReference, *, push: bool = False, memo: Memo | None = None
    ) -> Repository:
        """The repository that a reference names.

        :param push: ask for the right to push from the start.
        :param memo: in place of the one that all others share.
        """
        if push:
            self._transport.resume()
        client = RegistryClient(
            reference.host, reference.repository, self._transport, self._authorizer, push=push
        )
        return Repository(reference, client, memo or self._memo, self._kept, self._expected)


def open_repository(
    reference: RegistryReference,
    *,
    memo: Memo | None = None,
    listener: Listener = ignore,
    push: bool = False,
    insecure: Iterable[str] = (),
    patience: Patience | None = None,
) -> Repository:
    """The repository that a reference names, with connections of its own."""
    registries = Registries(
        reference.host if push else "",
        memo=memo,
        listener=listener,
        insecure=insecure,
        patience=patience,
    )
    return registries.repository(reference, push=push)
