"""From a lock to an image: the same lock, the same digest."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from sematic.oci.base_python import CUDA_LABEL, LIBC_LABEL, PYTHON_LABEL
from sematic.oci.bases.deb import Package, read_deb
from sematic.oci.bases.download import Download
from sematic.oci.bases.dpkg_database import database
from sematic.oci.bases.files import entries_of
from sematic.oci.bases.ld_cache import ld_cache
from sematic.oci.bases.lock import Lock, LockedPackage, LockedWheel
from sematic.oci.bases.mirrors import Mirrors, NotOnMirror
from sematic.oci.bases.recipes import Recipe
from sematic.oci.bases.store import Store
from sematic.oci.bases.system import system_entries
from sematic.oci.bases.wheels import WheelIndex, libraries
from sematic.oci.cache import Cache
from sematic.oci.compression import Compression
from sematic.oci.errors import BaseError
from sematic.oci.events import Listener, ignore
from sematic.oci.files import FileEntry
from sematic.oci.image import Image
from sematic.oci.layer import Layer
from sematic.oci.runtime import DEFAULT_PATH, HOME
from sematic.oci.tar import source_date_epoch

_Entries = Callable[[], Iterable[FileEntry]]

_RECIPE = b"1"
"""Counted up whenever the same packages are to become another layer than before."""

_DOWNLOADS = 4

# Lowest first: what changes least, what security updates touch most, what is written here.
_PYTHON = re.compile(r"python3.*|libpython3.*|openssl|libssl3.*|libexpat1|libsqlite3-0")
_DATA = ("ca-certificates", "tzdata", "tzdata-legacy")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where what was locked is fetched from, and kept; and who is told of it."""

    mirrors: Mirrors
    index: WheelIndex
    store: Store
    listener: Listener = ignore


def base_image(
    recipe: Recipe,
    lock: Lock,
    origin: Origin,
    scratch: Path,
    cache: Cache,
    compression: Compression,
) -> Image:
    """The image of a lock. Nothing is fetched before a layer is made that is not remembered.

    :param scratch: a folder for the packages while they are read; it must outlive the image.
    """
    materials = _Materials(recipe, lock, origin, scratch)
    debian = sum(package.size for package in lock.packages)
    layers: list[tuple[str, _Entries, int]] = [
        ("Debian", materials.system, debian),
        (f"Python {recipe.python}", materials.python, debian),
        *(
            (f"{wheel.name} {wheel.version}", partial(materials.libraries, wheel), wheel.size)
            for wheel in lock.wheels
        ),
        ("settings", materials.settings, 0),
    ]
    image = Image(recipe.platform).append(
        *(_layer(name, entries, size, lock, compression, cache) for name, entries, size in layers)
    )
    cuda = " ".join(f"{wheel.name}=={wheel.version}" for wheel in lock.wheels)
    return image.configured(
        env={
            "PATH": DEFAULT_PATH,
            "LANG": "C.UTF-8",
            "HOME": f"/{HOME}",
            **(_NVIDIA if cuda else {}),
        },
        labels={
            PYTHON_LABEL: recipe.python,
            LIBC_LABEL: f"glibc {_glibc(lock)}".strip(),
            **({CUDA_LABEL: cuda} if cuda else {}),
        },
        command=["/usr/bin/python3"],
    ).annotated({"org.opencontainers.image.title": f"sematic {recipe.name} {recipe.python}"})


# What NVIDIA's container runtime reads: all GPUs there are, with what computes and nvidia-smi.
_NVIDIA = {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}


class _Materials:
    """The packages of a lock, fetched and read when the first is asked for."""

    def __init__(self, recipe: Recipe, lock: Lock, origin: Origin, scratch: Path) -> None:
        self._recipe = recipe
        self._lock = lock
        self._origin = origin
        self._scratch = scratch
        self._mutex = threading.Lock()
        self._mutexes = {wheel.file: threading.Lock() for wheel in lock.wheels}
        self._packages: list[Package] = []
        self._failure: BaseError | None = None
        self._wheels: dict[str, Path] = {}

    def system(self) -> Iterator[FileEntry]:
        return entries_of(p for p in self._all() if not _is_above(p.name))

    def python(self) -> Iterator[FileEntry]:
        return entries_of(p for p in self._all() if _PYTHON.fullmatch(p.name))

    def libraries(self, wheel: LockedWheel) -> Sequence[FileEntry]:
        return libraries(wheel, self._wheel(wheel), f"usr/lib/{self._recipe.triplet}")

    def settings(self) -> Iterator[FileEntry]:
        packages = self._all()
        libraries = chain.from_iterable(map(self.libraries, self._lock.wheels))
        yield from entries_of(p for p in packages if p.name in _DATA)
        yield from system_entries(packages)
        yield from database(packages)
        yield ld_cache(chain(entries_of(packages), libraries), self._recipe)

    def _all(self) -> list[Package]:
        with self._mutex:
            if self._failure is not None:  # as it would for the next layer
                raise self._failure
            if not self._packages:
                try:
                    self._packages = self._read()
                except BaseError as error:
                    self._failure = error
                    raise
        return self._packages

    def _read(self) -> list[Package]:
        first, *others = self._lock.packages
        size = sum(locked.size for locked in self._lock.packages)
        download = self._download(f"{len(self._lock.packages)} packages", size)
        paths = [self._fetch(first, download)]  # by which a mirror that is down shows soon
        pool = ThreadPoolExecutor(_DOWNLOADS, "package")
        try:
            futures = [pool.submit(self._fetch, locked, download) for locked in others]
            paths += [future.result() for future in futures]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        download.end()
        return [
            read_deb(path, self._scratch / f"{locked.name}.tar")
            for locked, path in zip(self._lock.packages, paths, strict=True)
        ]

    def _download(self, what: str, size: int) -> Download:
        cpu = self._recipe.platform.architecture
        return Download(f"{what} for {cpu}", size, self._origin.listener)

    def _fetch(self, package: LockedPackage, download: Download) -> Path:
        mirrors, name = self._origin.mirrors, package.path.rpartition("/")[2]

        def fetch() -> Iterator[bytes]:
            return download.told(mirrors.open(package.archive, package.path))

        try:
            return self._origin.store.file(name, package.sha256, fetch)
        except NotOnMirror as error:
            date = max(self._lock.dates.values(), default="DATE")
            raise BaseError(
                f"{error}\nThe lock is out of date: a newer version has taken its place, perhaps "
                "a security update. Make new locks with `sematic-oci base lock --locks FOLDER` "
                "and build with `--locks FOLDER`,\nor take the packages of that day with "
                f"--mirror http://snapshot.debian.org/archive/debian/{date}"
            ) from None

    def _wheel(self, wheel: LockedWheel) -> Path:
        with self._mutexes[wheel.file]:
            if wheel.file not in self._wheels:
                download = self._download(wheel.name, wheel.size)

                def fetch() -> Iterator[bytes]:
                    return download.told(self._origin.index.open(wheel))

                path = self._origin.store.file(wheel.file, wheel.sha256, fetch)
                download.end()
                self._wheels[wheel.file] = path
        return self._wheels[wheel.file]


def _glibc(lock: Lock) -> str:
    """Its version, as ``2.36``; empty if it is not among the packages."""
    versions = (package.version for package in lock.packages if package.name == "libc6")
    return next(versions, "").partition("-")[0]


def _is_above(name: str) -> bool:
    """Whether a package goes into a layer above the lowest."""
    return name in _DATA or bool(_PYTHON.fullmatch(name))


def _layer(
    name: str,
    entries: _Entries,
    size: int,
    lock: Lock,
    compression: Compression,
    cache: Cache,
) -> Layer:
    """:param size: bytes of what it is made of, by which the largest is begun with."""
    facts = f"{name} {compression} {source_date_epoch()} {lock.packages} {lock.wheels}"
    fingerprint = hashlib.blake2b(_RECIPE + facts.encode(), digest_size=16).digest()
    remember, scanned = cache.remember_layer, time.time_ns()
    return Layer(
        name,
        entries,
        compression=compression,
        made=cache.layer(fingerprint, 0),
        keep=partial(remember, fingerprint, compression=compression, scanned=scanned),
        size=size,
        is_of_base=True,
    )
