"""What the tests bring to a machine once, and keep outside any checkout."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_STAMP = ".stamp"


def cache_folder(variable: str = "SEMATIC_TEST_CACHE", name: str = "sematic-tests") -> Path:
    """What an environment variable says, else a folder of that name in the user's cache folder."""
    if own := os.environ.get(variable):
        return Path(own).absolute()
    user = os.environ.get("XDG_CACHE_HOME")
    return (Path(user) if user else Path.home() / ".cache") / name


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Wait until no other process has it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(folder: Path, stamp: str, make: Callable[[Path], None]) -> None:
    """Have `make` fill a new folder and put that in the place of `folder` in one step."""
    if is_stamped(folder, stamp):
        return
    with tempfile.TemporaryDirectory(prefix="build-", dir=folder.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        make(new)
        put(new, folder, stamp)


def is_stamped(folder: Path, stamp: str) -> bool:
    """Whether a folder is complete, and made by the recipe that the stamp names."""
    file = folder / _STAMP
    return file.is_file() and file.read_text() == stamp


def put(new: Path, folder: Path, stamp: str) -> None:
    """Move a complete folder to its place."""
    (new / _STAMP).write_text(stamp)
    if folder.exists():
        folder.rename(new.with_name("old"))
    new.rename(folder)
