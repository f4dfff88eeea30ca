"""What a machine remembers, looked at from outside."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path


def assert_sound(cache: Path) -> None:
    """It is one database or none yet, none was set aside, and SQLite finds nothing wrong.

    A copy is looked at, so that what a process that died has left to recover stays as it is.
    """
    if not cache.exists():
        return
    assert {path.name.partition(".sqlite")[2] for path in cache.iterdir()} <= {
        "",
        "-journal",
        "-wal",
        "-shm",
    }
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(cache, copy, dirs_exist_ok=True)
        for file in Path(copy).glob("*.sqlite"):
            connection = sqlite3.connect(file)
            assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
            connection.close()
