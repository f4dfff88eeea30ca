"""The user's folders."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """``SEMATIC_CACHE_DIR``, else ``sematic`` in the user's cache folder."""
    return _folder("SEMATIC_CACHE_DIR", "XDG_CACHE_HOME", "~/.cache")


def data_folder() -> Path:
    """``SEMATIC_DATA_DIR``, else ``sematic`` in the user's data folder."""
    return _folder("SEMATIC_DATA_DIR", "XDG_DATA_HOME", "~/.local/share")


def _folder(own: str, desktop: str, usual: str) -> Path:
    if named := os.environ.get(own):
        return Path(named).expanduser()
    return Path(os.environ.get(desktop) or usual).expanduser() / "sematic"
