"""What a push should come to when a request fails: reasoned, not recorded.

The order of the rules is that of the faults in the table. "once" is a fault of one request, "for
ever" of that one and all of its kind that follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.e2e.faults.pushes import OTHER_TOKENS, TOKENS
from tests.peers import faults
from tests.peers.proxy import Fault

SUCCEEDS = "succeeds"
_PING = "GET /v2/"
# The base, and what goes in, are needed. What the tag stood for before only spares work, a mount
# only spares an upload, and a session that is not cancelled is cleaned up by the registry.
_HINTS = {
    *("HEAD tag", "GET previous manifest", "GET previous blob"),
    *("POST mount", "DELETE upload"),
}
# A blob that did not go in a stream goes in one PUT, the digest being known by then.
_OTHER_WAY = {"PATCH", "PUT commit"}
_HINT_TOKENS = {
    *("target:pull", "target:pull,push and base:pull", "target:pull,push and target:delete"),
}
_PASSING = {*faults.PASSING, faults.WAIT}
_STORES = {"PUT blob", "PUT commit", "PUT tag"}


@dataclass(frozen=True)
class Row:
    """One request of a push.

    :param number: the how many-th of its kind it is, from 1.
    :param before: how many requests to the same door come before it.
    """

    kind: str
    subject: str
    door: str
    number: int
    before: int

    @property
    def what(self) -> tuple[str, str, str]:
        """What makes it another request than others."""
        return self.kind, self.subject, self.door

    @property
    def needed(self) -> bool:
        """Without a good answer there is no image."""
        return self.kind not in _HINTS and self.subject not in _HINT_TOKENS

    def __str__(self) -> str:
        return f"{self.kind} ({self.subject})" if self.subject else self.kind


@dataclass(frozen=True)
class Right:
    """What should come of a fault.

    :param end: SUCCEEDS, or the name of an error.
    :param door: where the request goes that ends the push.
    """

    end: str
    door: str = ""


def right(rows: Sequence[Row], index: int, fault: Fault, for_ever: bool) -> Right | None:
    """What should come of it; None where there is no such fault.

    :param rows: all requests of the push, in order.
    """
    row = rows[index]
    if not _is_possible(row, fault):
        return None
    spoiled = [row]
    if for_ever and fault == faults.REFUSED:
        spoiled += [each for each in rows[index:] if each.door == row.door]
    elif for_ever:
        spoiled += [each for each in rows[index:] if each.kind == row.kind]
    ends = [Right(_end(each, fault, for_ever), each.door) for each in spoiled]
    return next((each for each in ends if each.end != SUCCEEDS), Right(SUCCEEDS))


def _is_possible(row: Row, fault: Fault) -> bool:
    if fault == faults.DECLINED_MOUNT:
        return row.kind == "POST mount"
    if fault == faults.NO_CONTENT:
        return row.kind == "PATCH"
    # Neither the question nor the answer has a body.
    bodiless = {"POST mount", "POST upload", "PUT commit", "DELETE upload"}
    return fault != faults.TRUNCATED or row.kind not in bodiless


def _end(row: Row, fault: Fault, for_ever: bool) -> str:
    """What comes of one request that the fault is on, by itself."""
    if not row.needed:
        return SUCCEEDS
    rules = {
        faults.REFUSED: _refused,
        faults.UNAUTHORIZED: _unauthorized,
        faults.FORBIDDEN: _forbidden,
        faults.NOT_FOUND: _not_found,
        faults.OTHER_DIGEST: _other_digest,
        faults.TRUNCATED: _truncated,
        faults.FOUND_ELSEWHERE: _redirected,
        faults.MOVED_ELSEWHERE: _redirected,
        faults.OUT_OF_RANGE: _out_of_range,
        faults.RESET_BEFORE: _no_answer,
        faults.RESET_AFTER: _no_answer,
        faults.HALF: _half,
        faults.STALLED: _lost_answer,
        **dict.fromkeys(_PASSING, _passing),
        faults.FAILED: _failed,
    }
    rule = rules.get(fault)  # a slow answer, a relative Location: part of the ordinary
    return rule(row, for_ever) if rule else SUCCEEDS


def _refused(row: Row, for_ever: bool) -> str:
    """A host that is gone for ever."""
    return "NoAnswer" if for_ever else SUCCEEDS


def _no_answer(row: Row, for_ever: bool) -> str:
    """A connection that breaks is made again, and the bytes go into another session."""
    return "NoAnswer" if for_ever and row.kind not in _OTHER_WAY else SUCCEEDS


def _half(row: Row, for_ever: bool) -> str:
    """Of a blob, the rest is asked for, which is another request."""
    return SUCCEEDS if row.kind == "GET base blob" else _lost_answer(row, for_ever)


def _lost_answer(row: Row, for_ever: bool) -> str:
    """What was stored is stored: it is looked for before it is called an error."""
    return SUCCEEDS if row.kind in _STORES else _no_answer(row, for_ever)


def _passing(row: Row, for_ever: bool) -> str:
    """Any answer to the ping says which of http and https is spoken."""
    has_end = for_ever and row.kind != _PING and row.kind not in _OTHER_WAY
    return "RegistryError" if has_end else SUCCEEDS


def _failed(row: Row, for_ever: bool) -> str:
    """A blob that a full disk cut off: docker-registry says so until it is sent again."""
    return SUCCEEDS if row.kind == "HEAD blob" else _passing(row, for_ever)


def _unauthorized(row: Row, for_ever: bool) -> str:
    """A registry's new challenge is answered, once. A token server's is about the password."""
    if row.door in (TOKENS, OTHER_TOKENS):
        return "Denied"
    has_end = for_ever and row.kind != _PING and row.kind not in _OTHER_WAY
    return "Denied" if has_end else SUCCEEDS


def _forbidden(row: Row, for_ever: bool) -> str:
    """A blob that must not be asked for can still be sent."""
    return SUCCEEDS if row.kind in (_PING, "HEAD blob") else "Denied"


def _not_found(row: Row, for_ever: bool) -> str:
    if row.kind in (_PING, "HEAD blob"):
        return SUCCEEDS
    if row.door in (TOKENS, OTHER_TOKENS):
        return "RegistryError"  # which says nothing of the password
    if row.kind in _OTHER_WAY:
        return SUCCEEDS
    if row.kind == "PUT blob":
        return "NotFound" if for_ever else SUCCEEDS  # the session is lost: there are others
    is_base = "base" in row.kind and row.subject != "base layer"
    return "BaseError" if is_base else "NotFound"


def _other_digest(row: Row, for_ever: bool) -> str:
    """Who asks by digest looks at the bytes, not at what they are said to be."""
    if row.kind == "HEAD base tag":
        return SUCCEEDS if "without" in row.subject else "BaseError"  # there is no such manifest
    return "DigestError" if row.kind in _STORES else SUCCEEDS


def _truncated(row: Row, for_ever: bool) -> str:
    if row.kind == _PING or row.kind.startswith("HEAD"):
        return SUCCEEDS
    if row.kind == "GET base manifest":
        return "DigestError"
    if row.kind in ("GET base blob", *_OTHER_WAY):
        return SUCCEEDS  # the rest is asked for, which is another request
    if row.kind == "GET rest of base blob":
        return "DigestError" if for_ever else SUCCEEDS
    if row.kind == "PUT blob":
        return "RegistryError" if for_ever else SUCCEEDS  # once, bytes may go bad on the way
    return "RegistryError"  # a token that is none, a manifest that is refused


def _redirected(row: Row, for_ever: bool) -> str:
    """What is read may lie elsewhere, credentials not going along (RFC 9110, 15.4).

    What is written is not sent to where nobody asked for it to go.
    """
    if row.door == TOKENS:
        return "Denied"  # without credentials there is no token
    return SUCCEEDS if row.kind.startswith(("GET", "HEAD")) else "RegistryError"


def _out_of_range(row: Row, for_ever: bool) -> str:
    goes_on = {_PING, "HEAD blob", "PUT blob", "GET rest of base blob", *_OTHER_WAY}
    return SUCCEEDS if row.kind in goes_on else "RegistryError"
