"""Fifty machines that push one project at the same moment."""

from __future__ import annotations

import fcntl
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

import pytest

from sematic.oci.base_python import PYTHON_LABEL
from sematic.oci.files import FileEntry
from tests.e2e.command import end
from tests.oci.images import store_base
from tests.peers.registry import Registry
from tests.peers.tools import Skopeo

PUSHES = 50
SECONDS = 180
BASE_SIZE = 6 << 20
# A smaller blob may be sent without having been asked for.
LARGE = 256 << 10
# All that takes time at the start is done before a lock is waited for.
READY = """
import fcntl, sys
import sematic.oci.registry.transport, sematic.oci.registry.connections
from sematic.oci.cli import run
print("ready", file=sys.stderr, flush=True)
with open(sys.argv.pop(1)) as gate:
    fcntl.flock(gate, fcntl.LOCK_SH)
run()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Four folders with half a megabyte each that cannot be compressed, and a small file."""
    folder, chance = tmp_path / "project", random.Random(0)
    for number in range(4):
        part = folder / f"part{number}"
        part.mkdir(parents=True)
        (part / "data.bin").write_bytes(chance.randbytes(512 << 10))
    (folder / "main.py").write_text("print('main')\n")
    return folder


@pytest.fixture
def base_layout(tmp_path: Path) -> Path:
    """A layout with a base of two large layers."""
    chance = random.Random(1)
    layers = [[FileEntry.from_bytes(name, chance.randbytes(BASE_SIZE))] for name in ("one", "two")]
    store_base(tmp_path / "base", *layers, labels={PYTHON_LABEL: "3.11"})
    return tmp_path / "base"


def together(command: Sequence[str | Path], caches: Sequence[Path], gate: Path) -> list[Any]:
    """The summaries of one push for each cache, that all begin at the same moment."""
    words = [sys.executable, "-c", READY, str(gate), *map(str, command)]
    running = []
    with gate.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for cache in caches:
            variables = {**os.environ, "SEMATIC_CACHE_DIR": str(cache)}
            running.append(
                Popen(words, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, text=True, env=variables)
            )
        for process in running:
            assert process.stderr is not None
            assert process.stderr.readline() == "ready\n"
    ended = [end(process, SECONDS) for process in running]
    assert not [run.err for run in ended if run.err]
    return [run.summary for run in ended]


def counted(registry: Registry, pattern: str) -> Counter[str]:
    """How often there was a request "METHOD PATH STATUS" of a kind for each digest."""
    lines = (f"{method} {path} {status}" for method, path, status in registry.requests())
    found = (re.fullmatch(pattern, line) for line in lines)
    return Counter(match[1] for match in found if match)


@pytest.mark.parametrize("base_is", ["here", "elsewhere"])
def test_fifty_pushes_at_once_are_one_image_and_send_no_base_in_vain(
    base_is: str,
    project: Path,
    base_layout: Path,
    docker_registry: Registry,
    crane_registry: Registry,
    skopeo: Skopeo,
    tmp_path: Path,
) -> None:
    repository = f"load/{base_is}"
    base_registry = docker_registry if base_is == "here" else crane_registry
    base = f"{base_registry.host}/load/base:latest"
    skopeo.copy(f"oci:{base_layout}:latest", f"docker://{base}")
    push: list[str | Path] = ["push", project, "--no-environment", "--quiet", "--json"]
    push += ["--base", base, "--to", f"{docker_registry.host}/{repository}"]

    # Half of the machines share one memory.
    own = [tmp_path / "caches" / str(number) for number in range(PUSHES // 2)]
    caches = [*own, *[tmp_path / "caches" / "shared"] * (PUSHES - len(own))]
    pushes = together(push, caches, tmp_path / "gate")
    assert len({summary["digest"] for summary in pushes}) == 1

    missed = counted(docker_registry, rf"HEAD /v2/{repository}/blobs/(sha256:\w+) 404")
    stored = counted(docker_registry, rf"PUT /v2/{repository}/blobs/\S*digest=(sha256:\w+) 201")
    read = counted(base_registry, r"GET /v2/load/base/blobs/(sha256:\w+) \d+")
    for number, layer in enumerate(pushes[0]["layers"]):
        outcomes = [summary["layers"][number] for summary in pushes]
        fates = Counter(outcome["fate"] for outcome in outcomes)
        sent = sum(outcome["sent"] for outcome in outcomes)
        digest, size, in_base = layer["digest"], layer["size"], number < 2
        print(f"{size}: {dict(fates)}, sent {sent / size:.1f} times, missed {missed[digest]} times")
        assert fates["new"] == stored[digest]
        if in_base and base_is == "here":
            assert fates["mounted"] and not sent
        elif size > LARGE:
            assert 1 <= stored[digest] <= missed[digest]
        assert read[digest] <= (missed[digest] if in_base else 0)

    # Whoever comes after the first sends nothing.
    (late,) = together(push, [tmp_path / "caches" / "late"], tmp_path / "gate")
    assert (late["digest"], late["sent"], late["new"]) == (pushes[0]["digest"], 0, 0)
