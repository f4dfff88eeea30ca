"""The lock of today: what a mirror and an index have now for a base."""

from __future__ import annotations

from sematic.oci.bases.closure import closure
from sematic.oci.bases.control import Stanza
from sematic.oci.bases.lock import Lock, LockedPackage
from sematic.oci.bases.mirrors import Mirrors
from sematic.oci.bases.recipes import CUDA_WHEELS, NEVER, PACKAGES, SUITES
from sematic.oci.bases.releases import Release
from sematic.oci.bases.wheels import WheelIndex
from sematic.oci.errors import BaseError
from sematic.oci.events import Listener
from sematic.oci.manifest import Platform


def lock_worker(
    python: str, platforms: tuple[Platform, ...], mirrors: Mirrors, listener: Listener
) -> dict[Platform, Lock]:
    """The Debian packages of ``worker`` for each platform.

    :raises BaseError: an index cannot be had, or a dependency is not satisfied.
    """
    release = Release(SUITES[python], mirrors, listener)
    locks = {}
    for platform in platforms:
        packages = release.packages(platform.architecture)
        try:
            chosen = closure(packages, PACKAGES[python], NEVER)
        except BaseError as error:
            raise BaseError(f"worker with Python {python} for {platform}: {error}") from None
        found = packages["python3"]["Version"].rpartition(":")[2]
        if not found.startswith(f"{python}."):
            raise BaseError(f"{SUITES[python]} has Python {found}, not {python}")
        locks[platform] = Lock(tuple(map(_locked, chosen)), dates=release.dates())
    return locks


def lock_cuda(platform: Platform, index: WheelIndex) -> Lock:
    """NVIDIA's wheels of ``cuda``.

    :raises BaseError: the index has none for the platform.
    """
    return Lock(wheels=tuple(index.newest(name, platform) for name in CUDA_WHEELS))


def _locked(stanza: Stanza) -> LockedPackage:
    return LockedPackage(
        stanza["Package"],
        stanza["Version"],
        stanza["Architecture"],
        stanza["Archive"],
        stanza["Filename"],
        int(stanza["Size"]),
        stanza["SHA256"],
    )
