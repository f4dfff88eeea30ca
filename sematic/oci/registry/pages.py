"""Lists of tags, which come page by page (distribution-spec, "Listing Tags")."""

from __future__ import annotations

import re

from sematic.oci.errors import InvalidReference
from sematic.oci.manifest import is_digest
from sematic.oci.reference import check_tag
from sematic.oci.untrusted import parse_json

MOST_PAGES = 10_000

_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_NEXT = re.compile(r';\s*rel\s*=\s*"?(?:[^",;]* )?next\b', re.IGNORECASE)
_LONGEST_LINK = 8 << 10


def tags_of(data: bytes) -> list[str]:
    """The tags of one page. Some registries list digests among them, which are none.

    :raises ValueError: it is no list of tags.
    """
    page = parse_json(data)
    names = (page.get("tags") or []) if isinstance(page, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("it is no list of tags")
    try:
        return [check_tag(name) for name in names if not is_digest(name)]
    except InvalidReference as error:
        raise ValueError(str(error)) from None


def next_page(link: str) -> str:
    """Where the next page is, by a Link header (RFC 8288); "" after the last."""
    for target, parameters in _LINK.findall(link[:_LONGEST_LINK]):
        if _NEXT.search(parameters):
            return str(target)
    return ""
