"""What is remembered of files that may be private keys'."""

from __future__ import annotations

import time

import pytest

from sematic.oci.files import Stamp
from sematic.oci.memo import Forgetful
from sematic.oci.tree.decisions import Decisions
from sematic.oci.tree.ignore import Rules

KEY, OTHER = b"-----BEGIN PRIVATE KEY-----", b"-----BEGIN CERTIFICATE-----"
SECOND = 1_000_000_000


def stamp(nanoseconds: int) -> Stamp:
    return nanoseconds, nanoseconds, len(KEY), 7


def look(memo: Forgetful, seen: Stamp, content: bytes) -> tuple[bool, bool]:
    """Whether a file is taken for a key, and whether it was read for that."""
    read: list[bytes] = []

    def reading() -> bytes:
        read.append(content)
        return content

    decisions = Decisions("/project", Rules((), ()), memo)
    is_key = decisions.is_key("a.pem", seen, reading)
    decisions.remember()
    return is_key, bool(read)


@pytest.mark.parametrize("content", [KEY, OTHER])
def test_a_file_that_looks_as_it_did_is_read_once(content: bytes) -> None:
    memo, seen = Forgetful(), stamp(time.time_ns() - SECOND // 10 - 1)
    assert look(memo, seen, content) == (content == KEY, True)
    assert look(memo, seen, content) == (content == KEY, False)


def test_a_file_that_looks_otherwise_is_read_again() -> None:
    memo = Forgetful()
    assert look(memo, stamp(SECOND + 1), OTHER) == (False, True)
    assert look(memo, stamp(SECOND + 2), KEY) == (True, True)
    assert look(memo, stamp(SECOND + 2), OTHER) == (True, False)


@pytest.mark.parametrize(
    "ago",
    [
        pytest.param(0, id="within a tick of the clock"),
        pytest.param(-SECOND, id="of a clock that is ahead"),
    ],
)
def test_a_file_as_young_as_the_look_is_not_believed(ago: int) -> None:
    memo, seen = Forgetful(), stamp(time.time_ns() - ago)
    assert look(memo, seen, OTHER) == (False, True)
    assert look(memo, seen, KEY) == (True, True)


def test_where_stamps_are_whole_seconds_one_of_this_second_is_not_believed() -> None:
    memo, seen = Forgetful(), stamp(time.time_ns() // SECOND * SECOND)
    assert look(memo, seen, OTHER) == (False, True)
    assert look(memo, seen, KEY) == (True, True)
