"""The command, and a registry that wants to use up its machine or to speak to its terminal."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from sematic.oci.manifest import (
    OCI_CONFIG,
    OCI_MANIFEST,
    Descriptor,
    Platform,
    digest_of,
    layer_media_type,
    to_json,
)
from tests.e2e.command import SECONDS, Run
from tests.oci.registry.scripted import Reply, ScriptedRegistry, scripted_registry

MOST_MEGABYTES = 150  # of which the interpreter and our own modules are 35
MIB = 1 << 20

# Not ru_maxrss, which begins with that of the process that started this one.
_MEASURED = """
import sys
from sematic.oci.cli import main
try:
    sys.exit(main(sys.argv[2:]))
finally:
    with open("/proc/self/status") as status, open(sys.argv[1], "w") as peak:
        peak.write(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


@pytest.fixture
def registry() -> Iterator[ScriptedRegistry]:
    with scripted_registry() as registry:
        yield registry


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A project of one file."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text("print('hello')\n")
    return folder


def run(folder: Path, *arguments: str | Path) -> Run:
    """Run the command; it must end soon and stay small."""
    peak = folder / "peak"
    command = [sys.executable, "-c", _MEASURED, peak, *arguments]
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    assert int(peak.read_text()) / 1024 < MOST_MEGABYTES
    ended = Run(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert all(line.isprintable() for line in (ended.out + ended.err).splitlines())
    return ended


def failed(ended: Run) -> str:
    """What it said in the end, which is short and no traceback."""
    assert ended.code == 1, ended.err
    assert "Traceback" not in ended.err
    assert len(ended.err) < 2000
    return ended.err


def store(
    registry: ScriptedRegistry,
    settings: dict[str, Any],
    *layers: tuple[str, bytes],
    **more: Any,
) -> str:
    """An image of these layers: its reference."""
    diff_ids = [digest_of(data) for _, data in layers]
    platform = Platform.of_host().to_dict()
    config = to_json({**platform, "rootfs": {"type": "layers", "diff_ids": diff_ids}, **settings})
    blobs = [(OCI_CONFIG, config), *layers]
    descriptors = [Descriptor.of(media_type, data).to_dict() for media_type, data in blobs]
    for (_, data), descriptor in zip(blobs, descriptors, strict=True):
        registry.blobs["team/base", descriptor["digest"]] = data
    manifest = {"schemaVersion": 2, "config": descriptors[0], "layers": descriptors[1:], **more}
    return store_manifest(registry, to_json(manifest))


def store_manifest(registry: ScriptedRegistry, data: bytes) -> str:
    for name in ("v1", digest_of(data)):
        registry.manifests["team/base", name] = OCI_MANIFEST, data
    return f"{registry.host}/team/base:v1"


# Manifests and configs


@pytest.mark.parametrize(
    "data",
    [
        b"[" + b"[]," * (MIB + MIB // 3) + b"0]",
        b'{"a":[' + b"{}," * MIB + b"0]}",
        b'{"a":"' + "\U0001f40d".encode() + b"a" * (4 * MIB - 100) + b'","a":"b"}',
        b'{"a":' * (MIB // 2),
        b"[" * (4 * MIB),
        b"[" + b"1," * (2 * MIB - 10) + b"1]",
        b'"' + b"a" * 8 * MIB + b'"',
    ],
    ids=["lists", "objects", "wide", "deep", "deeper", "numbers", "long"],
)
def test_a_manifest_of_any_kind_takes_little_memory(
    data: bytes, registry: ScriptedRegistry, tmp_path: Path
) -> None:
    reference = store_manifest(registry, data)
    failed(run(tmp_path, "inspect", reference))


def test_the_largest_config_takes_little_memory(registry: ScriptedRegistry, tmp_path: Path) -> None:
    history: list[dict[str, Any]] = [{"empty_layer": True}] * 60_000
    env = [f"V{number}={'x' * 20}" for number in range(60_000)]
    reference = store(registry, {"history": history, "config": {"Env": env}})
    assert run(tmp_path, "inspect", reference).out.count("env  ") == 60_000


def test_nothing_of_an_image_speaks_to_the_terminal(
    registry: ScriptedRegistry, tmp_path: Path
) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\r\n\u202e\x9b31m" + "x" * 1000
    run_config = {"Entrypoint": [evil], "Cmd": evil, "User": evil, "WorkingDir": evil}
    labels = {"Env": [evil], "Labels": {evil: evil}}
    made = {"created_by": evil}
    layer = Descriptor.of(layer_media_type(""), b"").to_dict()
    reference = store(
        registry,
        {"os": evil, "created": evil, "config": {**run_config, **labels}, "history": [made]},
        (layer_media_type(""), b""),
        annotations={evil: evil, "dev.sematic.layers": evil},
        layers=[layer],
    )
    shown = run(tmp_path, "inspect", reference)
    assert shown.code == 0
    assert max(map(len, shown.out.splitlines())) < 200
    assert run(tmp_path, "inspect", "--json", reference).out.isascii()
    assert "not for" in failed(run(tmp_path, "inspect", "--platform", "linux/arm", reference))


@pytest.mark.parametrize("debug", [False, True])
def test_no_header_speaks_to_the_terminal(
    debug: bool, registry: ScriptedRegistry, tmp_path: Path
) -> None:
    head = b"HTTP/1.1 404 \x1b[31m\r\nFoo\x1b[31m\r\nno colon\r\n: x\r\nContent-Length: 0\r\n\r\n"
    registry.script("HEAD", "/manifests/", Reply(0, raw=[head]))
    location = "/v2/\x1b[31m/\x9b31m?\x1b[31m=\x1b[31m"
    registry.script("GET", "/v2/", Reply(307, {"Location": location}))
    options = ["--debug"] if debug else []
    ended = run(tmp_path, "inspect", f"{registry.host}/team/base:v1", *options)
    assert ended.code == 1
    assert "no colon" not in ended.err


# Layers


def header(name: bytes = b"a", kind: bytes = b"0", size: int = 0, more: bytes = b"") -> bytes:
    """A header block of a tar, with a checksum that is right and a size in base 256."""
    start = name.ljust(100, b"\0") + b"0000644\0" + 16 * b"0" + b"\x80" + size.to_bytes(11, "big")
    block = start.ljust(148, b"0") + 8 * b" " + kind + bytes(100) + b"ustar\0" + b"00" + more
    block = block.ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def zeros(head: bytes, mebibytes: int, compression: str) -> tuple[str, bytes]:
    """A layer that unpacks to a header and zeros, in many members or frames."""
    if compression == "gzip":
        data = gzip.compress(head) + gzip.compress(bytes(MIB)) * mebibytes
    else:
        data = zstandard.compress(head) + zstandard.compress(bytes(MIB)) * mebibytes
    return layer_media_type(compression), data


def wide(window_log: int) -> tuple[str, bytes]:
    """A zstd layer that wants to look back far."""
    parameters = zstandard.ZstdCompressionParameters(window_log=window_log, write_content_size=0)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return layer_media_type("zstd"), stream.compress(header()) + stream.flush()


def members(count: int) -> tuple[str, bytes]:
    data = b"".join(header(b"%d" % number) for number in range(2048))
    return layer_media_type("gzip"), gzip.compress(data, 1) * (count // 2048)


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (zeros(header(size=1 << 40), 300, "gzip"), "which no honest layer does"),
        (zeros(header(size=1 << 40), 300, "zstd"), "which no honest layer does"),
        (zeros(header(kind=b"x", size=1 << 33), 300, "gzip"), "extended header of 8589934592"),
        (zeros(header(kind=b"L", size=1 << 33), 300, "zstd"), "extended header of 8589934592"),
        (zeros(header(kind=b"g", size=1 << 33), 300, "gzip"), "extended header of 8589934592"),
        (zeros(b"".join([header(kind=b"x")] * 2000), 0, "gzip"), "too many extended headers"),
        (wide(30), "cannot be read"),
        (wide(27), "cannot be read"),
        (members(100_000), "has no /usr/bin/python3"),
        ((layer_media_type("gzip"), b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * MIB), "cannot be read"),
        ((layer_media_type("zstd"), b"\x50\x2a\x4d\x18\xff\xff\xff\xff"), "has no /usr/bin"),
    ],
    ids=[
        *("gzip bomb", "zstd bomb", "pax header", "long name", "global header", "in a row"),
        *("window of 1 GiB", "window of 128 MiB", "members", "gzip header", "skippable frame"),
    ],
)
def test_a_base_whose_layers_are_bombs_is_refused(
    layer: tuple[str, bytes], why: str, registry: ScriptedRegistry, source: Path, tmp_path: Path
) -> None:
    reference = store(registry, {}, layer)
    to = f"oci-layout:{tmp_path / 'layout'}"
    options = ("--base", reference, "--to", to, "--no-environment")
    assert why in failed(run(tmp_path, "push", source, *options))


def test_a_base_whose_window_is_the_widest_usual_is_read(
    registry: ScriptedRegistry, source: Path, tmp_path: Path
) -> None:
    options = ("--to", f"oci-layout:{tmp_path / 'layout'}", "--no-environment")
    ended = run(tmp_path, "push", source, "--base", store(registry, {}, wide(26)), *options)
    assert "has no /usr/bin/python3" in failed(ended)
