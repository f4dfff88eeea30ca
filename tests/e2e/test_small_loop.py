"""What the small loop costs (edit, push again), in what does not depend on the machine's mood."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.workloads.sources import write_project
from tests.oci.images import store_base
from tests.peers.registry import Registry
from tests.peers.tools import Crane, Skopeo

FILES = 300
WATCHED = """
import atexit, json, os, sys

def tell():
    # Not ru_maxrss, which begins with that of the process that forked.
    status = open("/proc/self/status").read()
    peak = int(status.partition("VmHWM:")[2].split()[0])
    print(json.dumps(dict(modules=sorted(sys.modules), peak=peak)), file=sys.stderr)

os.cpu_count = lambda: {cpus}
atexit.register(tell)
from sematic.oci.cli import main
sys.exit(main())
"""
NOT_FOR_A_LOOK = {
    *("requests", "oras", "kubernetes", "rich", "zstandard", "pathspec", "subprocess"),
    *("tarfile", "difflib", "sematic.oci.layout", "sematic.oci.archive"),
    *("sematic.oci.environment.survey", "sematic.oci.environment.editable"),
}


@dataclass(frozen=True)
class Pushed:
    """:param peak: of its memory (KiB)."""

    summary: dict[str, Any]
    requests: list[str]
    modules: set[str]
    peak: int


@dataclass(frozen=True)
class Loop:
    project: Path
    repository: str
    base: str
    registry: Registry

    def push(self, cpus: int = 2) -> Pushed:
        words = ["push", str(self.project), "--no-environment", "--quiet", "--json"]
        words += ["--base", self.base, "--to", f"{self.registry.host}/{self.repository}"]
        before = len(self.registry.requests())
        run = subprocess.run(
            [sys.executable, "-c", WATCHED.format(cpus=cpus), *words],
            check=True,
            capture_output=True,
            text=True,
        )
        asked = [f"{method} {path}" for method, path, _ in self.registry.requests()[before:]]
        seen = json.loads(run.stderr)
        return Pushed(json.loads(run.stdout), asked, set(seen["modules"]), seen["peak"])


@pytest.fixture
def loop(
    docker_registry: Registry, skopeo: Skopeo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Loop:
    """A project that has been pushed, upon a base in the same registry."""
    monkeypatch.setenv("SEMATIC_CACHE_DIR", str(tmp_path / "cache"))
    store_base(tmp_path / "base", [], labels={"dev.sematic.python": "3.11"})
    base = f"{docker_registry.host}/loop/base:latest"
    skopeo.copy(f"oci:{tmp_path / 'base'}:latest", f"docker://{base}")
    write_project(tmp_path / "project", "loop", FILES, 12, empty=False)
    loop = Loop(tmp_path / "project", f"loop/{os.urandom(4).hex()}", base, docker_registry)
    loop.push()
    return loop


def edit(path: Path) -> None:
    with path.open("a") as file:
        file.write("# edited\n")


def test_a_push_without_a_change_asks_for_two_tags_and_loads_little(loop: Loop) -> None:
    pushed = loop.push()
    # Both at once.
    assert set(pushed.requests) == {
        f"HEAD /v2/{loop.repository}/manifests/latest",
        "HEAD /v2/loop/base/manifests/latest",
    }
    assert len(pushed.requests) == 2
    assert not pushed.modules & NOT_FOR_A_LOOK
    assert pushed.peak < 60 << 10


def test_a_push_without_a_change_on_a_base_by_digest_asks_for_one_tag(
    loop: Loop, crane: Crane
) -> None:
    by_digest = f"{loop.base.rpartition(':')[0]}@{crane.digest(loop.base)}"
    loop = replace(loop, base=by_digest)
    loop.push()
    assert loop.push().requests == [f"HEAD /v2/{loop.repository}/manifests/latest"]


def test_an_edit_is_seven_requests_and_sends_less_than_thirty_kilobytes(
    loop: Loop, crane: Crane
) -> None:
    edit(sorted(loop.project.rglob("*.py"))[0])
    pushed = loop.push()
    # Two tags at once, then the layer and the config at once.
    methods = [request.split()[0] for request in pushed.requests]
    assert methods[:2] == ["HEAD", "HEAD"]
    assert sorted(methods[2:6]) == ["POST", "POST", "PUT", "PUT"]
    assert methods[6:] == ["PUT"]
    assert pushed.summary["new"] == 1
    manifest = json.dumps(crane.manifest(pushed.summary["reference"]), separators=(",", ":"))
    assert pushed.summary["sent"] + len(manifest) < 30_000
    assert pushed.peak < 60 << 10


def test_an_edit_of_any_file_sends_little(loop: Loop) -> None:
    whole = sum(layer["size"] for layer in loop.push().summary["layers"])
    sizes = []
    for path in sorted(loop.project.rglob("*.py"))[:: FILES // 5]:
        edit(path)
        pushed = loop.push()
        assert pushed.summary["new"] == 1
        sizes.append(pushed.summary["sent"])
    assert sum(sizes) / len(sizes) < whole / 20


def test_a_push_of_much_takes_little_memory(loop: Loop) -> None:
    """Of memory that is freed, little is kept, though each of many threads has had some."""
    for number in range(16):
        folder = loop.project / f"package_{number}"
        folder.mkdir()
        (folder / "data.bin").write_bytes(os.urandom(16 << 20))
    pushed = loop.push(cpus=4)
    assert pushed.summary["sent"] > 256 << 20
    assert pushed.peak < 120 << 10
