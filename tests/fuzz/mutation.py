"""JSON documents with something in them that should not be there."""

from __future__ import annotations

import json
from random import Random
from typing import Any

TEXTS = ("\x1b[31m", "a\nb", "\ud800", "\u202e", "\0", "", "../../etc/passwd", "sha256:../a", "é")
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 2**63, 10**400, float("nan"), float("inf"), [], {}, [[]], [{}]),
    *(TEXTS, *TEXTS, "9" * 5000, "x" * 10_000, {"a": {"a": "a"}}),
)


def changed(data: bytes, random: Random) -> bytes:
    """A document with other values in some places; bytes that are no document as they are."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return data
    for _ in range(random.choice((1, 1, 2, 3))):
        document = _change(document, random)
    return json.dumps(document, ensure_ascii=random.random() < 0.8).encode(errors="surrogatepass")


def _change(value: Any, random: Random) -> Any:
    if not value or not isinstance(value, dict | list) or random.random() < 0.1:
        return random.choice(VALUES)
    if isinstance(value, list):
        place = random.randrange(len(value))
        found = [*value[:place], _change(value[place], random), *value[place + 1 :]]
        return random.choice((found, found, found[:place], found * 2))
    name = random.choice(sorted(value))
    if random.random() < 0.2:
        return {(random.choice(TEXTS) if key == name else key): value[key] for key in value}
    if random.random() < 0.1:
        return {key: value[key] for key in value if key != name}
    return {**value, name: _change(value[name], random)}
