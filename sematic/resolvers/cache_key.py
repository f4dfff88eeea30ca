"""What a cached result is filed under."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from typing import Any

from sematic.function import Function


def cache_key(function: Function[..., Any], arguments: Mapping[str, Any]) -> str | None:
    """The SHA-256, in hex, of a func's name, source and arguments; None if they cannot be pickled.

    Handles that are digests make it cheap. Of values the pickle is hashed: equal values whose
    pickles differ miss the cache, and no two that differ meet in it.
    """
    parts = (function.reference, function.source_hash(), dict(arguments))
    try:
        return hashlib.sha256(pickle.dumps(parts, protocol=4)).hexdigest()
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError):
        return None
