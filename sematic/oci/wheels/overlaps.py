"""Files that several wheels bring: one of them has it in the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sematic.oci.environment.distributions import in_library
from sematic.oci.errors import WheelError
from sematic.oci.wheels.facts import Facts

_CODE = (".py", ".so", ".pth")
_NOBODYS = frozenset(("benchmarks", "docs", "examples", "scripts", "test", "tests", "tools"))
"""Folders that lie in site-packages by mistake: nobody imports them by such a name."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Overlaps:
    """What comes of files that several wheels bring.

    :param left: by wheel, the paths in the image that others have.
    :param notes: what the user should know: files that differ, and whose is in the image.
    """

    left: tuple[frozenset[str], ...]
    notes: tuple[str, ...]


def find_overlaps(wheels: Sequence[Facts]) -> Overlaps:
    """See to it that each path is of one wheel: the first by the name of its .dist-info.

    An environment on this machine is read in the same order.

    :raises WheelError: wheels bring different modules of one name.
    """
    order = sorted(range(len(wheels)), key=lambda number: wheels[number].folder)
    owners: dict[str, int] = {}
    left: list[set[str]] = [set() for _ in wheels]
    different: dict[tuple[int, int], list[str]] = {}
    for number in order:
        files = wheels[number].files
        for path in owners.keys() & files.keys():
            left[number].add(path)
            first = owners[path]
            if not _same(wheels[first].files, files, path):
                different.setdefault((first, number), []).append(path)
        for path in files.keys() - owners.keys():
            owners[path] = number
    notes = []
    for (first, second), paths in different.items():
        mine, theirs = wheels[first], wheels[second]
        if any(_is_module(in_library(path, mine.library)) for path in paths):
            raise WheelError(_conflict(mine, theirs, paths))
        notes.append(
            f"{mine.title} and {theirs.title} bring different files of one name: "
            f"{_shown(mine, paths)}; those of {mine.name} are in the image"
        )
    return Overlaps(tuple(map(frozenset, left)), tuple(notes))


def _same(mine: Mapping[str, object], theirs: Mapping[str, object], path: str) -> bool:
    return mine[path] == theirs[path]


def _is_module(path: str) -> bool:
    """Whether a file is imported, or run at start: then it matters which one it is."""
    top, slash, _ = path.partition("/")
    if path.startswith("../"):
        return "/bin/" in path
    return path.endswith(_CODE) and not (slash and top in _NOBODYS)


def _conflict(mine: Facts, theirs: Facts, paths: Sequence[str]) -> str:
    return (
        f"{mine.title} and {theirs.title} bring different files of one name, and only one can be "
        f"imported: {_shown(mine, paths)}.\n"
        "Require only one of the two, or other versions of them."
    )


def _shown(mine: Facts, paths: Sequence[str]) -> str:
    names = sorted(in_library(path, mine.library) for path in paths)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
