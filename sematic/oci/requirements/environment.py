"""What is required, as groups of files: without installing, or unpacking, anything."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sematic.oci.cache import Cache
from sematic.oci.events import Listener, Noticed
from sematic.oci.files import FileGroup
from sematic.oci.requirements.builds import Builds
from sematic.oci.requirements.downloads import Downloads
from sematic.oci.requirements.lock import Locked
from sematic.oci.requirements.resolution import Resolution, Wanted, resolve
from sematic.oci.requirements.target import Target
from sematic.oci.requirements.uv import Uv
from sematic.oci.wheels.facts import VERSION, Facts
from sematic.oci.wheels.group import Wheel, wheel_groups
from sematic.oci.wheels.listing import Listing

_FETCHES = 6
"""Files that are fetched at once."""


class Told(Protocol):
    """Who knows of wheels that this machine has not seen."""

    def facts(self, digests: Sequence[str], python: str) -> dict[str, Facts]:
        """What is known of wheels, by their digest."""


@dataclass(frozen=True, slots=True)
class Required:
    """What is required.

    :param groups: one for each distribution.
    :param wheels: the same, in the same order.
    :param notes: what the user should know.
    """

    groups: tuple[FileGroup, ...]
    wheels: tuple[Wheel, ...]
    notes: tuple[str, ...]

    def facts(self) -> dict[str, Facts]:
        """What is known of the wheels, by the sha256 (hex) of their files."""
        return {wheel.digest.partition(":")[2]: wheel.facts for wheel in self.wheels}


def find_required(
    wanted: Wanted,
    target: Target,
    project: Path,
    cache: Cache,
    listener: Listener,
    told: Told | None = None,
) -> Required:
    """Resolve requirements for a target. Only wheels that nobody knows of are fetched.

    :raises RequirementsError: they cannot be met, or a wheel cannot be had.
    """
    resolution = resolve(wanted, target, project, cache)
    finder = _Finder(resolution, target, project, cache, listener)
    wheels = finder.wheels(told)
    groups, notes = wheel_groups(wheels, target.python)
    return Required(tuple(groups), tuple(wheels), (*resolution.notes, *notes))


class _Finder:
    def __init__(
        self,
        resolution: Resolution,
        target: Target,
        project: Path,
        cache: Cache,
        listener: Listener,
    ) -> None:
        folder = cache.folder / "wheels"
        self._resolution = resolution
        self._target = target
        self._project = project.resolve()
        self._cache = cache
        self._listener = listener
        self._downloads = Downloads(folder, resolution.indexes, listener)
        uv = Uv(self._project, resolution.indexes.variables)
        self._builds = Builds(folder, uv, target)

    def wheels(self, told: Told | None) -> list[Wheel]:
        distributions = [d for d in self._resolution.distributions if not self._is_project(d)]
        files = [d for d in distributions if d.kind == "wheel"]
        known = {d.sha256: facts for d in files if (facts := self._recall(d.sha256))}
        unknown = [d.sha256 for d in files if d.sha256 not in known]
        if unknown and told is not None:
            known |= told.facts(unknown, self._target.python)
        with ThreadPoolExecutor(_FETCHES, "fetch") as executor:
            try:
                wheels = list(executor.map(lambda d: self._wheel(d, known), distributions))
            except BaseException:
                self._downloads.stop()
                raise
        if self._downloads.fetched:
            from sematic.oci.report import size_text

            sizes = self._downloads.fetched.values()
            count = "one file" if len(sizes) == 1 else f"{len(sizes)} files"
            self._listener(Noticed(f"fetched {count}, {size_text(sum(sizes))}"))
        return wheels

    def _is_project(self, locked: Locked) -> bool:
        """The project itself, as ``-e .``: its sources are in the image already."""
        return locked.kind == "folder" and Path(locked.location) == self._project

    def _wheel(self, locked: Locked, known: dict[str, Facts]) -> Wheel:
        if locked.kind == "wheel":
            facts = known.get(locked.sha256)
            if facts is None:
                facts = self._look(self._downloads.file(locked), locked.sha256)
            return Wheel(f"sha256:{locked.sha256}", facts, lambda: self._downloads.file(locked))
        path = self._built(locked)
        with open(path, "rb") as file:
            digest = _hash(iter(lambda: file.read(1 << 20), b""))
        facts = self._recall(digest) or self._look(path, digest)
        return Wheel(f"sha256:{digest}", facts, lambda: path)

    def _built(self, locked: Locked) -> Path:
        is_file = locked.kind == "sdist"
        source = self._downloads.file(locked) if is_file else Path(locked.location)
        return self._builds.wheel(locked, source)

    def _recall(self, sha256: str) -> Facts | None:
        kept = self._cache.recall(self._key(sha256))
        return Facts.from_bytes(kept) if kept is not None else None

    def _look(self, path: Path, sha256: str) -> Facts:
        """What can be said of a wheel that is here."""
        facts = Facts.of(Listing(path, self._target.python))
        self._cache.remember(self._key(sha256), facts.to_bytes())
        return facts

    def _key(self, sha256: str) -> str:
        return f"wheel {VERSION} {self._target.python} {sha256}"


def _hash(chunks: Iterator[bytes]) -> str:
    own = hashlib.sha256()
    for chunk in chunks:
        own.update(chunk)
    return own.hexdigest()
