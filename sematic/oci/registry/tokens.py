"""What a token server gives (distribution's token specification, "Token Response Fields")."""

from __future__ import annotations

import math
import re

from sematic.oci.untrusted import parse_json
from sematic.oci.values import field, frozen

_DEFAULT_SECONDS = 60.0
_TEXT = re.compile(r"[!-~][ -~]{0,65535}")  # what a header can hold


@frozen
class Token:
    """A Bearer token.

    :param seconds: so long it holds.
    :param refresh: with which others can be had, "" if there is none.
    """

    text: str = field(repr=False)
    seconds: float = _DEFAULT_SECONDS
    refresh: str = field(default="", repr=False)


def parse_token(data: bytes) -> Token:
    """The token in a token server's answer.

    :raises ValueError: there is none.
    """
    document = parse_json(data)
    if not isinstance(document, dict):
        raise ValueError("it has none")
    text = document.get("token") or document.get("access_token")
    refresh = document.get("refresh_token") or ""
    if not (isinstance(text, str) and _TEXT.fullmatch(text) and isinstance(refresh, str)):
        raise ValueError("it has none")
    try:
        seconds = float(document.get("expires_in") or _DEFAULT_SECONDS)
    except TypeError:
        raise ValueError("it has none that ends at a time") from None
    return Token(text, seconds if 0 < seconds < math.inf else _DEFAULT_SECONDS, refresh)
