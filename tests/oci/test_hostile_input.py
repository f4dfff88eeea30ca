"""Every parser of what others write, given what nobody should write (see tests/fuzz)."""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sematic.oci.errors import OCIError
from sematic.oci.tar_names import TarError, tar_names
from sematic.oci.untrusted import MOST_BYTES, one_line, parse_json
from tests.fuzz import mutation
from tests.fuzz.mutation import changed
from tests.fuzz.targets import SEEDS, TARGETS, check_shown

quick = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

TEXTS = st.text(max_size=20) | st.sampled_from(mutation.TEXTS)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([-1, 2**63, 10**400, [], {}])
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn, seed: bytes) -> bytes:
    """A seed with some bytes taken away and others put there."""
    start = draw(st.integers(0, len(seed)))
    end = draw(st.integers(start, min(len(seed), start + 40)))
    return seed[:start] + draw(st.binary(max_size=40)) + seed[end:]


def inputs(name: str) -> st.SearchStrategy[bytes]:
    """Bytes for a target: any, and what is near to its seeds."""
    found = [st.binary(max_size=1000), *map(damaged, SEEDS[name])]
    for seed in SEEDS[name]:
        if seed.startswith(b"{"):
            found += [st.builds(changed, st.just(seed), st.randoms(use_true_random=False))] * 2
    return st.one_of(found)


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_an_error_that_can_be_shown_comes_of_it(name: str) -> None:
    @quick
    @given(inputs(name))
    def check(data: bytes) -> None:
        TARGETS[name](data)

    check()


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_as_it_should_be_is_taken(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)


# JSON


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[" * 100_000, "too deep"),
        (b'{"a":' * 50_000, "too deep"),
        (b"[" * 200 + b"]" * 200, "too deep"),
        (b"[" + b"[]," * 100_001 + b"0]", "too large"),
        (b'"' + b"a" * MOST_BYTES + b'"', "too large"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"b": {"a": 1, "\\u0061": 2}}', "twice"),
        (b"NaN", "no number"),
        (b"[-Infinity]", "no number"),
        (b"1e999", "no number"),
        (b"9" * 5000, "64 bits"),
        (b'"\\ud800"', "surrogates"),
        (b'"\xed\xa0\x80"', "utf-8"),
        (b'"\xff"', "utf-8"),
        ('"a"'.encode("utf-16"), "utf-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"", "Expecting value"),
    ],
)
def test_json_that_others_read_otherwise_or_not_at_all_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        parse_json(data)
    assert len(str(caught.value)) < 200


@quick
@given(VALUES)
def test_other_json_is_read(value: Any) -> None:
    data = json.dumps(value).encode()
    try:
        assert parse_json(data) == value
    except ValueError:
        assert not _is_plain(value)


def _is_plain(value: Any) -> bool:
    """Whether a value is read alike everywhere."""
    if isinstance(value, dict):
        return all(map(_is_plain, (*value, *value.values())))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, str):
        return value == value.encode(errors="replace").decode()
    return isinstance(value, bool | None) or abs(value) < 10**19


# Text


@quick
@given(st.text(), st.integers(2, 50))
def test_a_line_is_short_and_can_be_printed(text: str, most: int) -> None:
    line = one_line(text, most)
    assert line.isprintable()
    assert len(line) <= most


def test_text_that_can_be_printed_is_not_changed() -> None:
    assert one_line("grün ✓") == "grün ✓"


@quick
@given(st.text(max_size=5000))
def test_an_error_can_be_printed(text: str) -> None:
    check_shown(str(OCIError(text[:1000])))
    assert str(OCIError("a\nb\nc")) == "a\nb\nc"
    assert len(str(OCIError("a\n" * 100_000))) < 100


# Tar


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300)
FORMATS = st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
Entry = tuple[str, str, int]


@quick
@given(st.lists(st.tuples(NAMES, NAMES | st.just(""), st.integers(0, 2000)), max_size=5), FORMATS)
def test_the_names_in_a_tar_are_those_that_tarfile_wrote(entries: list[Entry], format: int) -> None:
    file = BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as tar:
        for name, target, size in entries:
            member = tarfile.TarInfo(name)
            member.type = tarfile.SYMTYPE if target else tarfile.REGTYPE
            member.linkname, member.size, member.mode = target, 0 if target else size, size
            tar.addfile(member, BytesIO(bytes(member.size)))
    file.seek(0)
    found = list(tar_names(file, lambda path: 1000))
    assert [(name.path, name.target, name.mode) for name in found] == entries
    contents = [0 if target else min(size, 1000) for _, target, size in entries]
    assert [len(name.head) for name in found] == contents


def header(name: bytes = b"a", kind: bytes = b"0", size: bytes = b"0", more: bytes = b"") -> bytes:
    """A header block of a tar, with a checksum that is right."""
    start = name.ljust(100, b"\0") + b"0000644\0" + 16 * b"0" + size.rjust(11, b"0") + b"\0"
    block = start.ljust(148, b"0") + 8 * b" " + kind + bytes(100) + b"ustar\0" + b"00" + more
    block = block.ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def base256(size: int) -> bytes:
    return b"\x80" + size.to_bytes(11, "big")


def record(length: int, text: bytes) -> bytes:
    data = b"%d %s\n" % (length, text)
    return header(kind=b"x", size=b"%o" % len(data)) + data.ljust(512, b"\0")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (header(kind=b"x", size=b"77777777777"), "extended header of 8589934591 bytes"),
        (header(kind=b"L", size=b"77777777777"), "extended header"),
        (header(kind=b"g", size=b"4000001"), "extended header"),
        (header(kind=b"x") * 100, "too many extended headers"),
        (header(size=b"9"), "number that is none"),
        (header(size=b"1000"), "ends too early"),
        (header()[:300], "ends too early"),
        (b"a" + header()[1:].replace(b"0000644", b"0000645"), "checksum"),
        (b"no tar" * 100, "number that is none"),
        (record(3, b"path=a"), "ends before it begins"),
        (record(0, b"path=a"), "ends before it begins"),
        (record(12, b"size=-5"), "size that is none"),
        (record(5012, b"size=" + b"9" * 5000), "size that is none"),
    ],
)
def test_a_tar_that_lies_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(TarError, match=why):
        list(tar_names(BytesIO(data)))


def test_a_map_of_holes_that_never_ends_is_not_kept() -> None:
    class Endless(BytesIO):
        count = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.count += 1
            if self.count == 1:
                return header(kind=b"S", more=bytes(217) + b"\1")
            return b"\1" * 512 if self.count < 10_000 else b""

    with pytest.raises(TarError, match="ends too early"):
        list(tar_names(Endless()))
