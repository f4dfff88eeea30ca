"""The projects that one uv.lock is for: that of its folder, and the members of its workspace."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_MEMBER = re.compile(
    r'^\[\[package\]\]\nname = "([^"]+)"\n(?:version = "[^"]*"\n)?'
    r'source = \{ (?:editable|virtual|directory) = "([^"]*)" \}',
    re.MULTILINE,
)


def members(lock: Path, text: str) -> Mapping[str, Path]:
    """Their folders by their names, and those of other local projects.

    :param text: of the uv.lock, as uv writes it.
    """
    folder = lock.parent.resolve()
    return {name: (folder / path).resolve() for name, path in _MEMBER.findall(text)}


def member_of(lock: Path, text: str, project: Path) -> str:
    """The name of a project that is another than that of the lock's folder; empty if it is not."""
    own = project.resolve()
    if own == lock.parent.resolve():
        return ""
    return next((name for name, folder in members(lock, text).items() if folder == own), "")


def projects(lock: Path, text: str) -> Iterator[bytes]:
    """What a lock must be up to date with, beside the pyproject.toml of its folder."""
    for folder in members(lock, text).values():
        path = folder / "pyproject.toml"
        if path.is_file():
            yield path.read_bytes()
