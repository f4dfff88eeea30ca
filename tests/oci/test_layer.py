"""Layers: the same files give the same bytes, and what is remembered is checked."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from sematic.oci.compression import Compression
from sematic.oci.errors import LayerChanged, SettingsError
from sematic.oci.files import FileEntry
from sematic.oci.layer import Layer, Made

NOISE = random.Random(0).randbytes(3 << 20) + b"sematic " * 500_000


def made(layer: Layer) -> tuple[bytes, Made]:
    data = b"".join(layer.open())
    assert layer.made is not None
    return data, layer.made


@pytest.mark.parametrize("text", ["zstd", "zstd:1", "zstd:7", "gzip", "gzip:9"])
def test_the_descriptor_is_that_of_the_bytes(text: str) -> None:
    layer = Layer("l", [FileEntry.from_bytes("f", NOISE)], compression=Compression.parse(text))
    assert layer.descriptor is None
    data, result = made(layer)
    if text.startswith("zstd"):
        tar = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
    else:
        tar = gzip.decompress(data)
    assert result.digest == "sha256:" + hashlib.sha256(data).hexdigest()
    assert result.diff_id == "sha256:" + hashlib.sha256(tar).hexdigest()
    assert (
        (result.size, result.tar_size) == (len(data), len(tar)) == (result.size, layer.tar_size())
    )
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        member = opened.extractfile("f")
        assert member is not None and member.read() == NOISE


@pytest.mark.parametrize("algorithm", ["zstd", "gzip"])
def test_the_number_of_cpus_does_not_matter(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = set()
    for cpus in (1, 2, 3, 64, None):
        monkeypatch.setattr(os, "cpu_count", lambda cpus=cpus: cpus)
        layer = Layer(
            "l", [FileEntry.from_bytes("f", NOISE)], compression=Compression.parse(algorithm)
        )
        digests.add(made(layer)[1].digest)
    assert len(digests) == 1


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(1, 700_000), max_size=12),
    st.sampled_from(["zstd:2", "zstd:10", "gzip:1"]),
    st.sampled_from([len(NOISE), 2_000_000, 500_000, 200_000, 10_000]),
)
def test_how_the_input_is_cut_does_not_matter(cuts: list[int], text: str, size: int) -> None:
    data = NOISE[-size:]
    whole = Compression.parse(text).start(size)
    expected = whole.compress(data) + whole.flush()
    stream, parts, rest = Compression.parse(text).start(size), [], data
    for cut in cuts:
        parts.append(stream.compress(rest[:cut]))
        rest = rest[cut:]
    assert b"".join([*parts, stream.compress(rest), stream.flush()]) == expected


_PEAK_OF_LITTLE = """
import os, sys
from sematic.oci.compression import Compression

def grown(level, size):
    stream = Compression.parse(level).start(size)
    stream.compress(data[:size])
    stream.flush()
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])

data = os.urandom(2 << 20)
before = grown("zstd:2", 100)
print((grown(sys.argv[1], int(sys.argv[2])) - before) // 1024)
"""


@pytest.mark.parametrize("size", [300_000, 2 << 20])
@pytest.mark.parametrize("level", ["zstd:2", "zstd:10", "zstd:19"])
def test_little_is_compressed_in_little_memory(level: str, size: int) -> None:
    """As large a block as once was freed the C library keeps, in each of many threads."""
    command = [sys.executable, "-c", _PEAK_OF_LITTLE, level, str(size)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(said) < 14


_DIGEST_OF_TREE = """
import contextlib, os, random, sys
from pathlib import Path

listed = os.scandir

@contextlib.contextmanager
def in_another_order(path):
    with listed(path) as entries:
        found = list(entries)
    random.Random(sys.argv[2]).shuffle(found)
    yield iter(found)

os.scandir = in_another_order
from sematic.oci.layer import Layer
from sematic.oci.memo import Forgetful
from sematic.oci.tree.walk import find_tree
layer = Layer("tree", find_tree(Path(sys.argv[1]), "sematic/src", memo=Forgetful()).entries)
for _ in layer.open():
    pass
print(layer.made.digest)
"""


def test_where_when_by_whom_and_in_which_order_does_not_matter(tmp_path: Path) -> None:
    digests = set()
    for number, (umask, locale, zone) in enumerate(
        [(0o022, "C", "UTC"), (0o077, "C.UTF-8", "Asia/Kathmandu"), (0o002, "POSIX", "EST5EDT")]
    ):
        root = tmp_path / ("checkout" * (number + 1)) / "p"
        names = ["b/ü.py", "a.py", "b/z/run.sh", "c d/\n.txt", "empty/"]
        random.Random(number).shuffle(names)
        old = os.umask(umask)
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir()
                continue
            path.write_text(f"content of {name}")
            if name.endswith(".sh"):
                path.chmod(0o700)
            os.utime(path, (-5 + number * 1e9, -5 + number * 1e9))
            if os.geteuid() == 0:
                os.chown(path, 1000 + number, 2000)
        os.umask(old)
        environment = {**os.environ, "LC_ALL": locale, "TZ": zone, "PYTHONHASHSEED": str(number)}
        run = subprocess.run(
            [sys.executable, "-c", _DIGEST_OF_TREE, root, str(number)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(run.stdout)
    assert len(digests) == 1


def test_what_is_remembered_is_checked_when_the_bytes_are_made_again() -> None:
    kept: list[Made] = []
    wrong = Made("sha256:" + "0" * 64, 10240, "sha256:" + "1" * 64, 99)
    layer = Layer("l", [FileEntry.from_bytes("f", b"x")], made=wrong, keep=kept.append)
    with pytest.raises(LayerChanged, match="layer 'l'"):
        b"".join(layer.open())
    assert kept and kept[0] != wrong
    again = Layer("l", [FileEntry.from_bytes("f", b"x")], made=kept[0])
    assert made(again)[1] == kept[0]


def test_a_layer_is_recognised_by_its_tar() -> None:
    entries = [FileEntry.from_bytes("f", NOISE)]
    _data, known = made(Layer("l", entries))
    other = Made("sha256:" + "0" * 64, known.tar_size, "sha256:" + "1" * 64, 99)
    layer = Layer("l", entries)
    assert not layer.recognise([other])
    assert layer.recognise([other, known])
    assert layer.made == known


@pytest.mark.parametrize("text", ["", "lz4", "zstd:", "zstd:0", "zstd:x", "gzip:10", "zstd:99"])
def test_an_unknown_compression_is_an_error(text: str) -> None:
    with pytest.raises(SettingsError, match="compression"):
        Compression.parse(text)
