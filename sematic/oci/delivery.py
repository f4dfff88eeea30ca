"""Deliver an image, or an index of several: every blob, then the manifests, then the tags."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext

from sematic.oci.blob import Blob, Destination, Fate, Receipt
from sematic.oci.errors import BlobsMissing
from sematic.oci.events import Finished, Listener, Moved, Started, ignore
from sematic.oci.image import AnyLayer, Image
from sematic.oci.index import Index
from sematic.oci.layer import Bytes, ExistingLayer, Layer, Made
from sematic.oci.manifest import convert_layer_type
from sematic.oci.reference import check_tag
from sematic.oci.values import frozen, replace

WORKERS = 4
"""Layers on their way at once."""

_MAKERS = 2
"""Large layers that are made at once: each keeps all CPUs busy and has buffers of its own."""

_LAST_SECONDS = 3.0
"""The others have so long to give up their uploads when one has failed."""

_SMALL = 4 << 20
"""A tar of up to so many bytes is made in memory, so that its digest is known beforehand."""

_ROUNDS = 5
"""What was remembered may be wrong; and where others store the same blobs at the same moment, a
registry may not see what is there (docker-registry writes its links in place)."""

Known = Callable[[Layer], Iterable[Made]]
"""What is known of how a layer may come out."""


@frozen
class LayerReport:
    """What became of one layer.

    :param size: bytes of the compressed layer.
    :param sent: bytes that were sent or written for it.
    """

    name: str
    digest: str
    size: int
    fate: Fate
    sent: int


@frozen
class Delivery:
    """What became of an image, or of the images of an index.

    :param reference: ``NAME@sha256:...``, where it can be had.
    :param layers: of one image after the other; what two share is sent with the first.
    :param sent: bytes that were sent or written, of layers and config.
    :param seconds: from the call to the return.
    """

    reference: str
    digest: str
    tags: tuple[str, ...]
    layers: tuple[LayerReport, ...]
    sent: int
    seconds: float

    def count(self, fate: Fate) -> int:
        return sum(layer.fate == fate for layer in self.layers)


def deliver(
    image: Image | Index,
    destination: Destination,
    tags: Sequence[str] = (),
    *,
    listener: Listener = ignore,
    known: Known | None = None,
    workers: int = WORKERS,
) -> Delivery:
    """Bring an image to where it should be; what is there already is not sent again.

    Nothing of it can be seen before all of it is there. It may be interrupted at any moment:
    the next delivery carries on.

    :param tags: that shall stand for it; the digest alone, if there are none.
    :param known: what is remembered of layers, to spare compressing one that comes out the same.
    :raises InvalidReference: a tag is none.
    :raises FileChanged, LayerChanged: a file changed meanwhile; look for the files again.
    :raises OCIError: the destination or the base's source failed.
    """
    began = time.monotonic()
    for tag in tags:
        check_tag(tag)
    was_settled = image.is_settled()
    if was_settled:
        digest = image.document().descriptor.digest
        if destination.holds(digest, tags):
            reports = [_reused(layer) for layer in image.all_layers()]
            return _delivery(destination, digest, tags, reports, 0, began)
    try:
        digest, reports, sent = _bring(
            image, destination, tags, listener, known, workers, was_settled
        )
    except BaseException:
        destination.abandon()
        raise
    return _delivery(destination, digest, tags, reports, sent, began)


def _bring(
    image: Image | Index,
    destination: Destination,
    tags: Sequence[str],
    listener: Listener,
    known: Known | None,
    workers: int,
    is_new: bool,
) -> tuple[str, list[LayerReport], int]:
    """Blobs, manifests, tags; again from the start where the registry lacks blobs after all.

    :param is_new: the image is known not to be there.
    :returns: its digest, what became of layers, bytes that were sent for other blobs.
    """
    images = image.images if isinstance(image, Index) else (image,)
    reports: list[LayerReport] = []
    sent = 0
    for left in reversed(range(_ROUNDS)):
        work = _Work(destination, listener, known, workers)
        now: list[LayerReport] = []
        configs: list[Receipt] = []
        try:
            for each in images:
                layers, config = work.put(each, {report.digest for report in now})
                now += layers
                configs.append(config)
            sent += sum(config.sent for config in configs)
            fates = {put.fate for put in now} | {put.fate for put in configs}
            manifests = [each.manifest() for each in images]
            documents = [each.document() for each in manifests]
            whole = image.document() if isinstance(image, Index) else documents[0]
            digest = whole.descriptor.digest
            is_perhaps_there = not is_new and fates == {"reused"}
            if is_perhaps_there and destination.holds(digest, tags):
                return digest, now, 0
            is_new = True
            needed = [[each.config, *each.layers] for each in manifests]
            if isinstance(image, Index):
                for document, blobs in zip(documents, needed, strict=True):
                    destination.add(document, blobs)
                destination.finish(whole, tags, ())
            else:
                destination.finish(whole, tags, needed[0])
            return digest, _both(reports, now), sent
        except BlobsMissing:
            if not left:
                raise
            reports = _both(reports, now)
            destination.doubt()
    raise AssertionError("the last round returns or raises")


def _both(before: Sequence[LayerReport], after: Sequence[LayerReport]) -> list[LayerReport]:
    """What became of layers that were put twice: the second time, most are there."""
    again = [
        replace(new, fate=old.fate if new.fate == "reused" else new.fate, sent=old.sent + new.sent)
        for old, new in zip(before, after, strict=False)
    ]
    return [*again, *after[len(again) :], *before[len(after) :]]


class _Work:
    """The layers of one image, several at a time; the first failure stops the others."""

    def __init__(
        self, destination: Destination, listener: Listener, known: Known | None, workers: int
    ) -> None:
        self._destination = destination
        self._listener = listener
        self._known = known
        self._workers = workers
        self._stopped = threading.Event()
        self._makers = threading.Semaphore(_MAKERS)

    def put(self, image: Image, brought: Collection[str]) -> tuple[list[LayerReport], Receipt]:
        """What became of the layers, and of the config, which goes as soon as it is known.

        :param brought: digests of layers that another image of the delivery has brought.
        """
        layers = image.all_layers()
        executor = ThreadPoolExecutor(self._workers, "layer")
        config = _Once(lambda: executor.submit(self._config, image))
        reports: dict[int, LayerReport] = {}
        futures: dict[int, Future[LayerReport]] = {}
        try:
            for number in sorted(range(len(layers)), key=lambda n: -_size(layers[n])):
                if self._is_there(layers[number], brought):
                    reports[number] = self._reused(layers[number])
                    continue
                work = layers[number], image, brought, config
                futures[number] = executor.submit(self._layer, *work)
            wait(futures.values(), return_when=FIRST_EXCEPTION)
            for future in futures.values():
                if future.done():
                    future.result()
            receipt = config().result()
        except BaseException:
            self._stopped.set()
            self._destination.abandon()
            executor.shutdown(wait=False, cancel_futures=True)
            # Of a future that was cancelled, nobody says that it is done.
            begun = [future for future in futures.values() if not future.cancelled()]
            wait(begun, timeout=_LAST_SECONDS)
            raise
        executor.shutdown()
        reports |= {number: future.result() for number, future in futures.items()}
        return [reports[number] for number in range(len(layers))], receipt

    def _config(self, image: Image) -> Receipt:
        return self._destination.put(image.config_blob(), _unheard)

    def _is_there(self, layer: AnyLayer, brought: Collection[str]) -> bool:
        if layer.descriptor is None:
            return False
        return layer.descriptor.digest in brought or self._destination.remembers(layer.descriptor)

    def _reused(self, layer: AnyLayer) -> LayerReport:
        report = _reused(layer)
        self._listener(Finished(report.name, report.fate, report.sent, report.size))
        return report

    def _layer(
        self, layer: AnyLayer, image: Image, brought: Collection[str], config: _Once
    ) -> LayerReport:
        self._listener(Started(layer.name, _size(layer)))
        blob, progress = self._blob(layer, image), self._progress(layer)
        if image.is_settled():
            config()  # it need not wait for the last layer to be sent
        if blob.descriptor is not None and blob.descriptor.digest in brought:
            receipt = Receipt(blob.descriptor, "reused")
        else:
            with self._makers if isinstance(blob, Layer) else nullcontext():
                receipt = self._destination.put(blob, progress)
        descriptor = receipt.descriptor
        self._listener(Finished(layer.name, receipt.fate, receipt.sent, descriptor.size))
        return LayerReport(
            layer.name, descriptor.digest, descriptor.size, receipt.fate, receipt.sent
        )

    def _blob(self, layer: AnyLayer, image: Image) -> Blob:
        """A layer as what is to be put: a small one is made at once, a large one when read."""
        if isinstance(layer, ExistingLayer):
            media_type = convert_layer_type(layer.descriptor.media_type, image.format)
            descriptor = layer.descriptor.with_media_type(media_type)
            return ExistingLayer(descriptor, layer.diff_id, layer.origin, layer.name)
        if layer.descriptor is not None:
            return layer
        is_known = self._known is not None and layer.recognise(self._known(layer))
        if not is_known and layer.tar_size() <= _SMALL:
            data = b"".join(self._until_stopped(layer.open()))
            if layer.descriptor is not None:
                return Bytes(layer.name, layer.descriptor, data)
        return layer

    def _until_stopped(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._check()
            yield chunk

    def _progress(self, layer: AnyLayer) -> Callable[[int], None]:
        total = whole = 0

        def moved(count: int) -> None:
            nonlocal total, whole
            self._check()
            total += count
            whole = whole or (layer.tar_size() if isinstance(layer, Layer) else _size(layer))
            done = layer.taken if isinstance(layer, Layer) else total
            self._listener(Moved(layer.name, count, min(1.0, done / max(1, whole))))

        return moved

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Stopped


class _Once:
    """Work that is begun when it is first asked for; threads share what comes of it."""

    def __init__(self, begin: Callable[[], Future[Receipt]]) -> None:
        self._begin = begin
        self._lock = threading.Lock()
        self._begun: Future[Receipt] | None = None

    def __call__(self) -> Future[Receipt]:
        with self._lock:
            if self._begun is None:
                self._begun = self._begin()
            return self._begun


class _Stopped(Exception):
    """Another layer failed, or the user interrupted: there is no use in going on."""


def _size(layer: AnyLayer) -> int:
    if layer.descriptor is not None:
        return layer.descriptor.size
    return layer.content_size


def _reused(layer: AnyLayer) -> LayerReport:
    assert layer.descriptor is not None
    return LayerReport(layer.name, layer.descriptor.digest, layer.descriptor.size, "reused", 0)


def _delivery(
    destination: Destination,
    digest: str,
    tags: Sequence[str],
    reports: Sequence[LayerReport],
    sent: int,
    began: float,
) -> Delivery:
    sent += sum(report.sent for report in reports)
    reference = f"{destination.reference.name}@{digest}"
    seconds = time.monotonic() - began
    return Delivery(reference, digest, tuple(tags), tuple(reports), sent, seconds)


def _unheard(count: int) -> None:
    """Progress of what is too small to speak of."""
