"""Layers as tar: what other readers see, and that nothing else is in it."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sematic.oci.errors import FileChanged, FileError, SettingsError
from sematic.oci.files import FileEntry
from sematic.oci.tar import BLOCK, in_order, source_date_epoch, tar_chunks, tar_size

MTIME = 315532800


def tar_of(*entries: FileEntry) -> bytes:
    return b"".join(tar_chunks(in_order(entries), MTIME))


def members(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data), errorlevel=2) as tar:
        return tar.getmembers()


names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=80
).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=8).map("/".join)


@settings(deadline=None)
@given(st.dictionaries(paths, st.binary(max_size=2000), max_size=12))
def test_tarfile_reads_any_name_and_content(files: dict[str, bytes]) -> None:
    data = tar_of(*(FileEntry.from_bytes(path, content) for path, content in files.items()))
    with tarfile.open(fileobj=io.BytesIO(data), errorlevel=2) as tar:
        read = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    assert read == {path.strip("/"): content for path, content in files.items()}
    assert len(data) == tar_size(
        in_order(FileEntry.from_bytes(path, content) for path, content in files.items())
    )


@settings(deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=60).filter(lambda n: b"\0" not in n and b"/" not in n))
)
def test_names_that_are_not_text_come_back_as_they_were(raw: list[bytes]) -> None:
    raw = [name for name in raw if name not in (b".", b"..")]
    data = tar_of(*(FileEntry.from_bytes(os.fsdecode(name), b"x") for name in raw))
    assert sorted(os.fsencode(member.name) for member in members(data)) == sorted(set(raw))


@pytest.mark.parametrize(
    "path",
    [
        "short",
        "x" * 100,
        "x" * 101,
        "d/" * 200 + "file",
        "é" * 50,
        "n" * 255,
        "two\nlines",
        "tab\tand space ",
        "-rf",
        "日本語/ファイル",
    ],
)
def test_gnu_tar_extracts_the_name(path: str, tmp_path: Path) -> None:
    archive = tmp_path / "layer.tar"
    archive.write_bytes(tar_of(FileEntry.from_bytes(path, b"content")))
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", out], check=True)
    assert (out / path).read_bytes() == b"content"


def test_links_folders_and_modes() -> None:
    data = tar_of(
        FileEntry.folder("a"),
        FileEntry.folder("a/home", 0o1777),
        FileEntry.from_bytes("a/run", b"#!", 0o755),
        FileEntry.link("a/short", "run"),
        FileEntry.link("a/long", "t" * 300),
    )
    found = {m.name: m for m in members(data)}
    assert found["a"].isdir()
    assert found["a/home"].mode == 0o1777
    assert found["a/run"].mode == 0o755
    assert found["a/short"].linkname == "run"
    assert found["a/long"].linkname == "t" * 300
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in found.values()} == {
        (0, 0, "", "", MTIME)
    }


def test_a_size_over_8_gib_is_in_the_extended_header(tmp_path: Path) -> None:
    large = tmp_path / "large"
    size = 9 << 30
    with large.open("wb") as file:
        file.truncate(size)
    entry = FileEntry.from_file("large", large)
    chunks = tar_chunks([entry], MTIME)
    head = next(chunks)[: 4 * BLOCK]
    with tarfile.open(fileobj=io.BytesIO(head), mode="r|") as tar:
        member = tar.next()
    assert member is not None and member.size == size
    assert tar_size([entry]) == 3 * BLOCK + size + 2 * BLOCK


def test_entries_are_sorted_by_bytes_and_each_path_is_there_once() -> None:
    entries = [FileEntry.from_bytes(path, b"") for path in ("b", "a/c", "a-b", "é", "B", "b")]
    found = [member.name for member in members(tar_of(FileEntry.folder("a"), *entries))]
    assert found == ["B", "a", "a-b", "a/c", "b", "é"]


def test_two_different_things_in_one_place_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="two different things"):
        tar_of(FileEntry.folder("a"), FileEntry.link("a", "b"))


def test_a_file_that_changes_after_it_was_found_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    entry = FileEntry.from_file("file", path)
    path.write_text("after!")
    os.utime(path, ns=(1, 1))
    with pytest.raises(FileChanged, match="changed"):
        tar_of(entry)
    path.unlink()
    with pytest.raises(FileChanged, match="gone"):
        tar_of(entry)


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (3 << 20))
    chunks = tar_chunks([FileEntry.from_file("file", path)], MTIME)
    next(chunks)
    os.truncate(path, 10)
    with pytest.raises(FileChanged, match="shorter"):
        b"".join(chunks)


def test_the_epoch_is_a_number_of_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert source_date_epoch() == 1700000000
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(SettingsError, match="yesterday"):
        source_date_epoch()
