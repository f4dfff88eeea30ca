"""Wheels as groups of files, equal to those of the same distributions when they are installed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sematic.oci.check import NATIVE
from sematic.oci.files import FileEntry, FileGroup
from sematic.oci.wheels.facts import VERSION, Facts
from sematic.oci.wheels.listing import Listing
from sematic.oci.wheels.overlaps import find_overlaps


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel that goes into an image.

    :param key: what others know it by (hex): the sha256 of its file, if it was not built here.
    :param digest: differs whenever another layer may come of it.
    :param fetch: gives its file, on this machine.
    """

    key: str
    digest: str
    facts: Facts
    fetch: Callable[[], Path]


def wheel_groups(wheels: Sequence[Wheel], python: str) -> tuple[list[FileGroup], tuple[str, ...]]:
    """A group for each wheel, and what the user should know. No wheel is opened.

    A group's fingerprint depends on the wheel's bytes and on nothing of this machine.

    :param python: major and minor of the image's interpreter, with its ABI flags.
    :raises WheelError: two of them bring different modules of one name.
    """
    overlaps = find_overlaps([wheel.facts for wheel in wheels])
    groups = [
        _group(wheel, left, python) for wheel, left in zip(wheels, overlaps.left, strict=True)
    ]
    return groups, overlaps.notes


def _group(wheel: Wheel, left: frozenset[str], python: str) -> FileGroup:
    facts = wheel.facts
    mine = facts.files.keys() - left
    words = [str(VERSION), wheel.digest, facts.library, *sorted(left)]
    sizes = [facts.files[path].size for path in left]
    return FileGroup(
        facts.title,
        "distribution",
        facts.key,
        facts.size - sum(int(size) for size in sizes if size.isdecimal()),
        len(mine),
        hashlib.blake2b("\0".join(words).encode(), digest_size=16).digest(),
        0,
        lambda: _entries(wheel, left, python),
        not any(NATIVE.search(path) for path in mine),
    )


def _entries(wheel: Wheel, left: frozenset[str], python: str) -> list[FileEntry]:
    return Listing(wheel.fetch(), python).entries(left)
