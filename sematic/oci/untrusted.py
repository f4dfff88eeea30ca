"""What strangers send: JSON to be read, text to be shown.

Registries, and those who write images, may be hostile. What they send must not use up memory,
mean one thing here and another elsewhere, or speak to the user's terminal.
"""

from __future__ import annotations

import math
from typing import Any

MOST_BYTES = 4 << 20
"""Of one JSON document: what distribution-spec wants to be possible for a manifest ("Pushing
Manifests"), and the most that containers/image reads of a manifest or a config."""

_MOST_VALUES = 200_000  # of up to 250 bytes each once they are parsed, so 50 MB in all
_DEEPEST = 100
_LONGEST_NUMBER = 20  # 64 bits and a sign


def parse_json(data: bytes) -> Any:
    """A JSON document in UTF-8 (RFC 8259) that means the same to every reader.

    :raises ValueError: it is none, or none that is taken from strangers: it has too many values
        or too many within each other, a name twice, or what is no number or text elsewhere.
    """
    import json  # errors are shown without

    if len(data) > MOST_BYTES or sum(map(data.count, (b"[", b"{", b","))) > _MOST_VALUES:
        raise ValueError("it is too large")
    text = data.decode()
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except RecursionError:
        raise ValueError("it is too deep") from None
    _check_depth(document)
    if "\\u" in text:  # an escape may be half a character, which no encoding has
        json.dumps(document, ensure_ascii=False).encode()
    return document


def one_line(text: str, most: int = 100) -> str:
    """Text on one line of a terminal, whatever is in it, of at most so many characters."""
    if len(text) <= most and text.isprintable():
        return text
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a name twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError("it has an integer of more than 64 bits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it has {one_line(text, 20)}, which is no number in JSON")
    return number


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(_DEEPEST):
        level = [inner for value in level for inner in _inner(value)]
        if not level:
            return
    raise ValueError("it is too deep")


def _inner(value: Any) -> list[Any]:
    """The objects and arrays right within a value."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return []
    return [inner for inner in value if isinstance(inner, dict | list)]
