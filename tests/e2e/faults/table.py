"""The matrix as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.e2e.faults.matrix import MOST_REQUESTS, MOST_WAITING, Baseline, Cell, Verdict
from tests.e2e.faults.right import SUCCEEDS
from tests.peers import faults
from tests.peers.faults import FAULTS
from tests.peers.proxy import Fault

_SIGNS = {
    SUCCEEDS: "✓",
    "NoAnswer": "U",
    "RegistryError": "R",
    "Denied": "D",
    "NotFound": "N",
    "BaseError": "B",
    "DigestError": "X",
}
_MEANINGS = {
    SUCCEEDS: "the push succeeds",
    "NoAnswer": "it fails: the host was not reached, or gave no whole answer (`RegistryError`)",
    "RegistryError": "it fails with what the registry said (`RegistryError`)",
    "Denied": "it fails: other credentials are wanted, or more of them (`Denied`)",
    "NotFound": "it fails: there is no such thing (`NotFound`)",
    "BaseError": "it fails: there is no such base (`BaseError`)",
    "DigestError": "it fails: what there is has another digest (`DigestError`)",
}
_FAULTS = {
    faults.REFUSED: "the connection is refused; for ever: the host is gone from then on",
    faults.RESET_BEFORE: "the connection is reset before the request's body is read",
    faults.RESET_AFTER: "the connection is reset when the body has been read, and nothing done",
    faults.HALF: "what was asked is done, and half of the answer comes",
    faults.SLOW: "the answer comes after 20 s, for which it is waited",
    faults.STALLED: "the answer comes later than it is waited for (5 s here), and all is done",
    faults.UNAUTHORIZED: "401 with a new challenge, whose realm is another",
    faults.WAIT: "429 with Retry-After: 7",
    faults.OTHER_DIGEST: "Docker-Content-Digest names another digest than the right one",
    faults.TRUNCATED: "half of a body comes in a message that looks whole: of the request's, "
    "else of the answer's; of a HEAD, half of the length",
    faults.FOUND_ELSEWHERE: "302 and 307: a redirect to another host, which has the same things",
    faults.RELATIVE: "a Location without a host: the answer's, or of a 307 to what is only read",
    faults.DECLINED_MOUNT: "202 to a mount: an upload session in its place",
    faults.NO_CONTENT: "204 to a PATCH",
}
_HEAD = """\
# Faults

What becomes of a push when one of its requests fails. A proxy stands before Debian's
docker-registry and its token server, and spoils one request: each of them in turn, in each of these
ways. Written by `pytest tests/e2e/test_faults.py`, which says beforehand what must come of each
case, and why, in `tests/e2e/faults/right.py`.

In all **{count} cases**: what succeeded is in the registry, every byte of it read and hashed; what
failed names the host and what it did, and the tag stands for what it stood for before; no
credentials came to another host; at most {requests} requests were made more than usual, and at most
{waiting:.0f} minutes were waited.

The first sign is of the fault that happens once, the second of the one that happens to this request
and to all of its kind that follow.

| sign | |
| --- | --- |
"""
_TAGGED = """\
A registry that stores a tag and then names another digest cannot be taken back: the push fails, and
the tag stands for all of the new image.
"""


def document(
    baselines: Sequence[Baseline], cells: Sequence[Cell], verdicts: Sequence[Verdict]
) -> str:
    """All of it, in Markdown."""
    signs = {
        _place(cell): _SIGNS[verdict.end] for cell, verdict in zip(cells, verdicts, strict=True)
    }
    text = _HEAD.format(count=f"{len(cells):,}", requests=MOST_REQUESTS, waiting=MOST_WAITING / 60)
    text += "".join(f"| {_SIGNS[end]} | {meaning} |\n" for end, meaning in _MEANINGS.items())
    text += "|   | there is no such fault |\n\n| fault | |\n| --- | --- |\n"
    text += "".join(f"| {fault.name} | {meaning} |\n" for fault, meaning in _FAULTS.items())
    text += f"| 403, 404, ... | that status in place of an answer, and nothing done |\n\n{_TAGGED}"
    return text + "".join(_table(baseline, signs) for baseline in baselines)


def _place(cell: Cell) -> tuple[str, int, Fault, bool]:
    return cell.baseline.push.title, cell.index, cell.fault, cell.for_ever


def _table(baseline: Baseline, signs: Mapping[tuple[str, int, Fault, bool], str]) -> str:
    push = baseline.push
    lines = [
        f"\n## {push.title}\n\n{push.text}\n",
        f"| | {' | '.join(fault.name for fault in FAULTS)} |",
        f"| --- |{' --- |' * len(FAULTS)}",
    ]
    for at in baseline.shown:
        row = baseline.rows[at]
        places = [
            [signs.get((push.title, at, fault, for_ever), "") for for_ever in (False, True)]
            for fault in FAULTS
        ]
        lines.append(f"| {row} | {' | '.join(''.join(pair) for pair in places)} |")
    return "\n".join(lines) + "\n"
