"""Lock files: which packages and wheels exactly a base is made of. They name no host."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sematic.oci.bases.recipes import Recipe
from sematic.oci.errors import BaseError

_NAME, _SHA256 = re.compile(r"[a-z0-9][a-z0-9+.-]*"), re.compile(r"[0-9a-f]{64}")
_IN_WHEEL = Path(__file__).parent / "locks"
_IN_CHECKOUT = Path(__file__).parents[3] / "bases"


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One .deb.

    :param archive: ``debian`` or ``debian-security``: which of a mirror's trees.
    :param path: below that, as ``pool/main/b/bash/bash_5.2.15-2+b13_amd64.deb``.
    :param size: bytes.
    """

    name: str
    version: str
    architecture: str
    archive: str
    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LockedWheel:
    """One wheel of a Python package index.

    :param file: its name, which says version and platform.
    :param size: bytes.
    """

    name: str
    version: str
    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Lock:
    """What one base is made of for one platform.

    :param dates: of the releases whose indexes were read, by archive, in the words of
        snapshot.debian.org (``20260711T101637Z``).
    """

    packages: tuple[LockedPackage, ...] = ()
    wheels: tuple[LockedWheel, ...] = ()
    dates: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """As it is written: a line for each package, so that a difference can be read."""
        parts = [f'"dates": {json.dumps(dict(self.dates), sort_keys=True)}'] if self.dates else []
        for word, items in (("packages", self.packages), ("wheels", self.wheels)):
            lines = ",\n".join(json.dumps(asdict(item)) for item in items)
            if lines:
                parts.append(f'"{word}": [\n{lines}\n]')
        return "{\n" + ",\n".join(parts) + "\n}\n"


def locks_folder() -> Path:
    """Where the project's own locks lie: beside an installed package, or in its checkout."""
    return _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_CHECKOUT


def lock_names(recipe: Recipe) -> tuple[str, ...]:
    """The lock files of a base: its Debian packages', and its wheels', if it has any."""
    cpu = recipe.platform.architecture
    debian = f"worker-{recipe.python}-{cpu}.json"
    return (debian, f"cuda-{cpu}.json") if recipe.name == "cuda" else (debian,)


def read_lock(recipe: Recipe, folder: Path) -> Lock:
    """The lock of a base.

    :raises BaseError: it is not there, or is none.
    """
    packages: list[LockedPackage] = []
    wheels: list[LockedWheel] = []
    dates: dict[str, str] = {}
    for name in lock_names(recipe):
        found = _read(folder / name, recipe)
        packages += found.packages
        wheels += found.wheels
        dates.update(found.dates)
    return Lock(tuple(packages), tuple(wheels), dates)


def _read(path: Path, recipe: Recipe) -> Lock:
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
        packages = tuple(LockedPackage(**each) for each in document.get("packages", ()))
        wheels = tuple(LockedWheel(**each) for each in document.get("wheels", ()))
        named = {each.name: each.sha256 for each in packages}
        named.update({each.name: each.sha256 for each in wheels})
        for name, sha256 in named.items():  # which become names of files
            if not (_NAME.fullmatch(name) and _SHA256.fullmatch(sha256)):
                raise ValueError(f"{name!r} is no name, or has no sha256")
        return Lock(packages, wheels, document.get("dates", {}))
    except FileNotFoundError:
        raise BaseError(
            f"there is no lock of {recipe}: {path} is not there; "
            "make it with `sematic-oci base lock`"
        ) from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BaseError(f"cannot read the lock {path}: {error}") from None
