"""What a machine remembers, and when it must not believe it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sematic.oci.cache import PACKAGES, Cache
from sematic.oci.compression import Compression
from sematic.oci.layer import Made

MADE = Made("sha256:" + "a" * 64, 10240, "sha256:" + "b" * 64, 99)
ZSTD = Compression.parse("zstd:2")
SECOND = 1_000_000_000


def test_values_outlive_the_process(tmp_path: Path) -> None:
    Cache(tmp_path).remember("k", b"\0\xff")
    Cache(tmp_path).remember("k", b"new")
    assert Cache(tmp_path).recall("k") == b"new"
    assert Cache(tmp_path).recall("other") is None


def test_a_layer_is_known_by_its_fingerprint(tmp_path: Path) -> None:
    scanned = time.time_ns()
    Cache(tmp_path).remember_layer(b"f", MADE, ZSTD, scanned)
    assert Cache(tmp_path).layer(b"f", scanned - SECOND) == MADE
    assert Cache(tmp_path).layer(b"g", scanned - SECOND) is None


@pytest.mark.parametrize(
    ("age", "trusted"),
    [(-SECOND, False), (0, False), (10_000_001, False), (30_000_001, True), (3 * SECOND, True)],
)
def test_a_layer_with_a_file_as_young_as_the_scan_is_not_trusted(
    tmp_path: Path, age: int, trusted: bool
) -> None:
    cache, scanned = Cache(tmp_path), 1_700_000_000_123_456_789
    cache.remember_layer(b"f", MADE, ZSTD, scanned)
    assert (cache.layer(b"f", scanned - age) is not None) is trusted


def test_whole_seconds_are_taken_for_a_coarse_clock(tmp_path: Path) -> None:
    cache, scanned = Cache(tmp_path), 1_700_000_000_500_000_000
    cache.remember_layer(b"f", MADE, ZSTD, scanned)
    assert cache.layer(b"f", 1_699_999_999_000_000_000) is None
    assert cache.layer(b"f", 1_699_999_999_000_000_001) == MADE
    assert cache.layer(b"f", 1_699_999_998_000_000_000) == MADE


def test_layers_are_found_by_the_size_of_their_tar(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.remember_layer(b"f", MADE, ZSTD, 1)
    assert cache.layers_of_size(10240, ZSTD) == [MADE]
    assert cache.layers_of_size(10240, Compression.parse("gzip")) == []
    assert cache.layers_of_size(512, ZSTD) == []


@pytest.mark.parametrize(
    "damage", [b"this is no database", b"", b"SQLite format 3\0" + b"x" * 8000]
)
def test_a_damaged_file_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    before = Cache(tmp_path)
    before.remember("k", b"v")
    before.close()
    (path,) = tmp_path.glob("*.sqlite")
    for extra in tmp_path.glob("*.sqlite-*"):
        extra.unlink()
    path.write_bytes(damage)
    cache = Cache(tmp_path)
    assert cache.recall("k") is None
    cache.remember("k", b"again")
    assert Cache(tmp_path).recall("k") == b"again"


def test_damage_found_later_is_survived(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for number in range(200):
        cache.remember(f"k{number}", bytes(5000))
    cache.close()
    (path,) = tmp_path.glob("*.sqlite")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4)
        file.write(b"\xff" * (size // 2))
    cache = Cache(tmp_path)
    for number in range(200):
        cache.recall(f"k{number}")
    cache.remember("after", b"all is well")
    assert Cache(tmp_path).recall("after") == b"all is well"


def test_a_folder_that_cannot_be_written_only_costs_the_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file" / "cache")
    cache.remember("k", b"v")
    assert cache.recall("k") == b"v"
    assert "nothing is remembered" in caplog.text


def test_processes_and_threads_share_one_file(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from sematic.oci.cache import Cache
cache = Cache(Path(sys.argv[1]))
for n in range(50):
    cache.remember(f"{sys.argv[2]} {n}", sys.argv[2].encode())
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path, str(n)]) for n in range(4)
    ]
    cache = Cache(tmp_path)
    threads = [
        threading.Thread(target=lambda n=n: cache.remember(f"thread {n}", b"t")) for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0] * 4
    assert cache.info().values == 4 * 50 + 20


def test_what_is_not_used_is_forgotten(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.remember("k", b"v")
    cache.remember_layer(b"f", MADE, ZSTD, 1)
    assert cache.prune(days=1) == 0
    assert cache.prune(days=0) == 2
    assert (cache.info().layers, cache.info().values) == (0, 0)


def test_packages_of_bases_that_are_not_used_go_with_it(tmp_path: Path) -> None:
    package = tmp_path / PACKAGES / "0123"
    package.parent.mkdir()
    package.touch()
    cache = Cache(tmp_path)
    cache.prune(days=1)
    assert package.exists()
    cache.prune(days=0)
    assert not package.exists()
