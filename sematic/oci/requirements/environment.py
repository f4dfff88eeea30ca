"""What is required, as groups of files: without installing, or unpacking, anything."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
from sematic.oci.requirements.sources import source_digest
from sematic.oci.requirements.target import Target
from sematic.oci.requirements.uv import Uv
from sematic.oci.wheels.facts import VERSION, Facts
from sematic.oci.wheels.group import Wheel, wheel_groups
from sematic.oci.wheels.listing import Listing

_FETCHES = 6
"""Files that are fetched at once."""


class Told(Protocol):
    """Who knows of wheels that this machine has not seen."""

    def facts(self, keys: Sequence[str], python: str) -> dict[str, Facts]:
        """What is known of wheels."""


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
        """What is known of the wheels, by what others know them by."""
        return {wheel.key: wheel.facts for wheel in self.wheels}


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
        self._resolution = resolution
        self._target = target
        self._project = project.resolve()
        self._cache = cache
        self._listener = listener
        self._downloads = Downloads(cache.folder / "wheels", resolution.indexes, listener)
        uv = Uv(self._project, resolution.indexes.variables)
        self._builds = Builds(uv, target, self._downloads, listener)

    def wheels(self, told: Told | None) -> list[Wheel]:
        distributions = [d for d in self._resolution.distributions if not self._is_project(d)]
        sources = [source_digest(locked) for locked in distributions]
        keys = list(map(self._key, distributions, sources))
        known = {key: facts for key in keys if (facts := self._recall(key))}
        unknown = [key for key in keys if key not in known]
        if unknown and told is not None:
            known |= told.facts(unknown, self._target.python)
        with ThreadPoolExecutor(_FETCHES, "fetch") as executor:
            try:
                found = map(known.get, keys)
                wheels = list(executor.map(self._wheel, distributions, sources, keys, found))
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

    def _key(self, locked: Locked, source: str) -> str:
        """What a wheel's facts are known by: its hash, or what it is built from and for."""
        if locked.kind == "wheel":
            return source
        return hashlib.sha256(f"{source} {self._target}".encode()).hexdigest()

    def _wheel(self, locked: Locked, source: str, key: str, known: Facts | None) -> Wheel:
        def fetch() -> Path:
            if locked.kind == "wheel":
                return self._downloads.file(locked)
            return self._builds.wheel(locked, source)

        facts = known or self._look(fetch(), key, is_built=locked.kind != "wheel")
        digest = f"{source} {facts.contents}" if facts.contents else f"sha256:{source}"
        return Wheel(key, digest, facts, fetch)

    def _recall(self, key: str) -> Facts | None:
        kept = self._cache.recall(self._name(key))
        return Facts.from_bytes(kept) if kept is not None else None

    def _look(self, path: Path, key: str, *, is_built: bool) -> Facts:
        """What can be said of a wheel that is here."""
        facts = Facts.of(Listing(path, self._target.python), is_built=is_built)
        self._cache.remember(self._name(key), facts.to_bytes())
        return facts

    def _name(self, key: str) -> str:
        return f"wheel {VERSION} {self._target.python} {key}"
