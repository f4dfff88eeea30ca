"""A lock file (PEP 751) to one file for each distribution: the best wheel, or the source."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from sematic.oci.errors import RequirementsError
from sematic.oci.requirements.target import Target
from sematic.oci.toml import parse_toml
from sematic.oci.wheels.extra import needs_extra

if TYPE_CHECKING:
    from packaging.pylock import Package, PackageSdist, PackageVcs, PackageWheel, Pylock

_SHOWN = 12
_NEWEST = 999
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Locked:
    """A distribution and where it is to be had.

    :param name: in its normal form.
    :param version: empty where the lock file gives none.
    :param location: an address, or a path of this machine.
    :param sha256: of the file (hex); empty for what is no file.
    :param size: of the file (bytes), where it is known.
    :param wheels: names of the wheels that there are, where none of them fits.
    :param revision: the commit, of a git repository.
    :param subdirectory: where the project lies in the repository.
    """

    name: str
    version: str
    kind: Literal["wheel", "sdist", "folder", "repository"]
    location: str
    sha256: str = ""
    size: int | None = None
    wheels: tuple[str, ...] = ()
    revision: str = ""
    subdirectory: str = ""

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}".strip()

    @property
    def file(self) -> str:
        """The file's name."""
        name = unquote(urlsplit(self.location).path).rpartition("/")[2]
        return name if name.strip(".") else self.name


def read_lock(
    text: str,
    name: str,
    folder: Path,
    target: Target,
    *,
    extras: Collection[str] = (),
    groups: Collection[str] | None = None,
    hashes: Mapping[str, Collection[str]] | None = None,
) -> list[Locked]:
    """What a lock file says is to be installed.

    :param text: a pylock.toml.
    :param name: of the lock file, for people.
    :param folder: what its paths are relative to.
    :param groups: of dependencies; those that the lock file holds to be usual, if None.
    :param hashes: sha256 (hex) that files must have, by distribution; all must be there if any.
    :raises RequirementsError: it is none, or nothing in it fits.
    """
    with needs_extra():
        from packaging.pylock import PylockSelectError

    lock = _for_minor(_parsed(text, name), target)
    if hashes:
        lock = _only(lock, hashes)
    try:
        selected = list(
            lock.select(
                environment=target.environment(),  # type: ignore[arg-type]
                tags=target.tags(),
                extras=extras,
                dependency_groups=groups,
            )
        )
    except PylockSelectError as error:
        raise RequirementsError(
            f"{name} cannot be installed for {target}: {error}"
            f"{_wheels_of(lock, str(error), target)}"
        ) from None
    return [_locked(package, chosen, name, folder) for package, chosen in selected]


def _parsed(text: str, name: str) -> Pylock:
    from packaging.pylock import Pylock, PylockValidationError

    try:
        return Pylock.from_dict(parse_toml(text))
    except PylockValidationError as error:
        raise RequirementsError(f"{name} is no lock file that can be read: {error}") from None
    except ValueError as error:
        raise RequirementsError(f"{name} is not TOML: {error}") from None


def _for_minor(lock: Pylock, target: Target) -> Pylock:
    """The lock without the Python it wants, if one of the target's minor version can be it.

    The third number of the base's Python is not known; markers take it for the first one's.
    """
    from dataclasses import replace

    wanted = lock.requires_python
    newest = f"{target.python}.{_NEWEST}"
    return replace(lock, requires_python=None) if wanted and wanted.contains(newest) else lock


def _only(lock: Pylock, hashes: Mapping[str, Collection[str]]) -> Pylock:
    """The lock with those files only whose hashes are given, as pip has it."""
    from dataclasses import replace

    packages = []
    for package in lock.packages:
        if package.vcs is not None:  # a commit is a hash
            packages.append(package)
            continue
        given = hashes.get(package.name)
        if given is None:
            raise RequirementsError(
                f"{package.name} {package.version} is required without a hash, though others have "
                "one: give hashes for all, those that others require included, or for none"
            )
        wheels = [wheel for wheel in package.wheels or () if wheel.hashes.get("sha256") in given]
        sdist = package.sdist
        if sdist is not None and sdist.hashes.get("sha256") not in given:
            sdist = None
        if not wheels and sdist is None:
            there = ", ".join(_hashes(package)[:_SHOWN])
            raise RequirementsError(
                f"no file of {package.name} {package.version} has a hash that is given for it "
                f"({', '.join(sorted(given)[:3])}).\nThe index has: {there or 'none'}"
            )
        packages.append(replace(package, wheels=wheels or None, sdist=sdist))
    return replace(lock, packages=packages)


def _hashes(package: Package) -> list[str]:
    files: list[PackageWheel | PackageSdist] = [*(package.wheels or ())]
    if package.sdist is not None:
        files.append(package.sdist)
    return [f"{file.filename} {file.hashes.get('sha256', '')}" for file in files]


def _wheels_of(lock: Pylock, error: str, target: Target) -> str:
    """What wheels there are of a distribution none of whose files fits, as an error says."""
    from packaging.utils import parse_wheel_filename

    package = next((each for each in lock.packages if f"{each.name!r}" in error), None)
    names = [wheel.filename for wheel in (package and package.wheels) or ()]
    if package is None or not names or not error.startswith("No wheel"):
        return ""
    newer = set(target.with_newest_libc().tags())
    fitting = [name for name in names if not newer.isdisjoint(parse_wheel_filename(name)[3])]
    if fitting:
        return (
            f".\nIts wheels for this Python and CPU need a newer {target.libc} than the base's: "
            f"{_shown(fitting)}.\nTake a newer base, or an older version of {package.name}"
        )
    return f".\nThere are {_shown(names)}"


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _of_repository(package: Package, chosen: PackageVcs, folder: Path) -> Locked:
    inside = PurePosixPath(chosen.subdirectory or ".")
    is_inside = not inside.is_absolute() and ".." not in inside.parts
    if chosen.type != "git" or not _COMMIT.fullmatch(chosen.commit_id) or not is_inside:
        raise RequirementsError(
            f"{package.name} comes from a repository ({chosen.type}), and only commits of git can "
            "be taken: build a wheel of it, and require that"
        )
    return Locked(
        package.name,
        str(package.version or ""),
        "repository",
        chosen.url or str((folder / (chosen.path or "")).resolve()),
        revision=chosen.commit_id,
        subdirectory=str(inside),
    )


def _locked(package: Package, chosen: Any, name: str, folder: Path) -> Locked:
    from packaging.pylock import PackageDirectory, PackageSdist, PackageVcs, PackageWheel

    version = str(package.version or "")
    if isinstance(chosen, PackageDirectory):
        path = (folder / chosen.path / (chosen.subdirectory or "")).resolve()
        return Locked(package.name, version, "folder", str(path))
    if isinstance(chosen, PackageVcs):
        return _of_repository(package, chosen, folder)
    sha256 = chosen.hashes.get("sha256", "")
    if not sha256:
        raise RequirementsError(
            f"{name} has no sha256 for {package.name} {version}, so it cannot be verified; "
            "make the lock file anew, with hashes"
        )
    location = chosen.url or str((folder / (chosen.path or "")).resolve())
    is_wheel = isinstance(chosen, PackageWheel) or location.endswith(".whl")
    is_sdist = isinstance(chosen, PackageSdist) or not is_wheel
    wheels = tuple(wheel.filename for wheel in package.wheels or ()) if is_sdist else ()
    return Locked(
        package.name,
        version,
        "wheel" if is_wheel else "sdist",
        location,
        sha256,
        chosen.size,
        wheels,
    )
