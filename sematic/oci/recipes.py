"""From plans to layers, with what is known of how they came out before."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Protocol

from sematic.oci.blob import Source
from sematic.oci.cache import Cache
from sematic.oci.compression import Compression
from sematic.oci.layer import Layer, Made
from sematic.oci.plan import LayerPlan
from sematic.oci.settings import Settings
from sematic.oci.tar import source_date_epoch
from sematic.oci.values import replace

_RECIPE = b"5"
"""Counted up whenever the same files are to become another layer than before."""

_EDITED = 1 << 20
_EDITED_LEVEL = 10
"""Of zstd, for source layers of up to so many bytes: each edit sends one of them again."""


class Witness(Protocol):
    """Who knows what others made of the same wheels."""

    @property
    def repository(self) -> Source: ...

    def layer(self, fingerprint: bytes) -> Made | None:
        """What a layer with this fingerprint came out as, for somebody."""


class Recipes:
    """Layers for plans of one image.

    :param runs_on: what the files are checked against.
    :param scanned: when (ns) the search for files began.
    :param witness: is asked of layers whose fingerprint is the same on every machine.
    :param shared: layers of other images by fingerprint; those of this one are added.
    """

    def __init__(
        self,
        settings: Settings,
        runs_on: str,
        cache: Cache,
        scanned: int,
        witness: Witness | None = None,
        shared: dict[bytes, Layer] | None = None,
    ) -> None:
        self._format = settings.format
        self._compression = settings.chosen_compression()
        self._is_free = not settings.compression and self._compression.algorithm == "zstd"
        self._epoch = source_date_epoch()
        self._runs_on = runs_on
        self._shared = {} if shared is None else shared
        self._cache = cache
        self._scanned = scanned
        self._witness = witness

    def fingerprint(self, plan: LayerPlan) -> bytes:
        """Differs whenever another layer may come out."""
        runs_on = "anything" if plan.is_portable else self._runs_on
        facts = f"{self._epoch} {self._compression_of(plan)} {runs_on}".encode()
        all_facts = b"\0".join((_RECIPE, facts, plan.fingerprint))
        return hashlib.blake2b(all_facts, digest_size=16).digest()

    def layer(self, plan: LayerPlan) -> Layer:
        """The layer of a plan: the very one of another image where it is the same."""
        fingerprint = self.fingerprint(plan)
        if fingerprint not in self._shared:
            self._shared[fingerprint] = self._layer(plan, fingerprint)
        return self._shared[fingerprint]

    def _layer(self, plan: LayerPlan, fingerprint: bytes) -> Layer:
        compression = self._compression_of(plan)
        made = self._cache.layer(fingerprint, plan.newest)
        origin = None
        if made is None and self._witness is not None and plan.is_of_content:
            made = self._witness.layer(fingerprint)
            origin = self._witness.repository if made else None

        remember, scanned = self._cache.remember_layer, self._scanned
        return Layer(
            plan.name,
            plan.entries,
            compression=compression,
            format=self._format,
            made=made,
            keep=partial(remember, fingerprint, compression=compression, scanned=scanned),
            size=plan.size,
            origin=origin,
        )

    def _compression_of(self, plan: LayerPlan) -> Compression:
        is_edited = plan.kind == "source" and plan.size <= _EDITED
        if is_edited and self._is_free:
            return replace(self._compression, level=_EDITED_LEVEL)
        return self._compression
