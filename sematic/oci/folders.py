"""The user's folders."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

_CACHE = "SEMATIC_CACHE_DIR", "XDG_CACHE_HOME", "~/.cache"


def cache_folder() -> Path:
    """``SEMATIC_CACHE_DIR``, else ``sematic`` in the user's cache folder."""
    return _folder(*_CACHE)


def cache_path() -> str:
    """The same for who has no time to import pathlib; where there is no home, it is not there."""
    return os.path.expanduser(_path(*_CACHE))


def data_folder() -> Path:
    """``SEMATIC_DATA_DIR``, else ``sematic`` in the user's data folder."""
    return _folder("SEMATIC_DATA_DIR", "XDG_DATA_HOME", "~/.local/share")


def _folder(own: str, desktop: str, usual: str) -> Path:
    from pathlib import Path

    return Path(_path(own, desktop, usual)).expanduser()


def _path(own: str, desktop: str, usual: str) -> str:
    return os.environ.get(own) or os.path.join(os.environ.get(desktop) or usual, "sematic")
