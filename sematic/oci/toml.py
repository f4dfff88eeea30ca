"""TOML: the standard library's reader, or the one that it came from."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def parse_toml(text: str) -> dict[str, Any]:
    """A TOML document.

    :raises ValueError: it is none.
    """
    # Imported when it is needed: a project need not have a pyproject.toml.
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    return dict(toml.loads(text))
