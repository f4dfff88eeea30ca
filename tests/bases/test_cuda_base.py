"""The base ``cuda``: its libraries load in a container, without a GPU. Downloads 3.4 GB."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sematic.oci.bases.lock import read_lock
from sematic.oci.bases.recipes import PLATFORMS, recipe
from sematic.oci.manifest import Platform
from tests.bases.conftest import HOUR
from tests.e2e.command import end, start
from tests.peers.elf import MACHINES, machines
from tests.peers.podman import Podman
from tests.peers.qemu import Qemu
from tests.peers.tools import Skopeo, Umoci
from tests.projects import make_project

LIBRARIES = (
    *("libcudart.so.12", "libnvrtc.so.12", "libnvJitLink.so.12", "libcublas.so.12"),
    *("libcublasLt.so.12", "libcufft.so.11", "libcurand.so.10", "libcusolver.so.11"),
    "libcusparse.so.12",
)
PROBE = Path(__file__).with_name("cuda_probe.py").read_text()
SETTINGS = {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}

# Of CUDA 12.6, and so others than the base has.
OWN = ("nvidia-cusparse-cu12==12.5.4.2", "nvidia-nvjitlink-cu12==12.6.85")
WHERE = """
import ctypes, json, pathlib, sysconfig
site = sysconfig.get_path("purelib")
names = ("libcudart.so.12", f"{site}/nvidia/cusparse/lib/libcusparse.so.12")
loaded = [ctypes.CDLL(name) for name in names]
lines = pathlib.Path("/proc/self/maps").read_text().splitlines()
paths = {line.split()[-1] for line in lines if ".so" in line}
print(json.dumps({path.rpartition("/")[2]: path.rpartition("/")[0] for path in paths}))
"""


def pulled(podman: Podman, layout: Path, tag: str) -> str:
    policy = ("--signature-policy", podman.policy)
    return podman.command("pull", "--quiet", *policy, f"oci:{layout}:{tag}").strip()


def check_probe(found: Any) -> None:
    assert found["found"] == "libcublas.so.12"
    assert found["runtime"] >= 12090 and found["compiler"] == 12
    assert ".visible .entry twice" in found["kernel"]


def test_the_libraries_load_and_compile_without_a_gpu(bases: Path, podman: Podman) -> None:
    names = {"NAMES": json.dumps(LIBRARIES)}
    image = pulled(podman, bases, "cuda")
    found = json.loads(podman.run(image, "python3", "-c", PROBE, user="12345", env=names))
    check_probe(found)
    assert found["settings"] == SETTINGS


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_the_base_says_which_cuda_it_has(platform: Platform, bases: Path) -> None:
    check = ("base", "check", f"oci-layout:{bases}:cuda", "--platform", str(platform), "--json")
    checked = end(start(*check), HOUR).summary
    lock = read_lock(recipe("cuda", "3.11", platform), Path("bases"))
    assert checked["is_base"]
    assert checked["cuda"] == [f"{wheel.name}=={wheel.version}" for wheel in lock.wheels]


@pytest.fixture
def arm64(bases: Path, skopeo: Skopeo, umoci: Umoci, tmp_path: Path) -> Iterator[Path]:
    """The root file system of the base for arm64."""
    own = tmp_path / "own"
    source = ("--override-arch=arm64", "copy", f"oci:{bases}:cuda", f"oci:{own}:v1")
    skopeo.run("--insecure-policy", *source)
    yield umoci.unpack(own, "v1", tmp_path / "bundle")
    shutil.rmtree(own)
    shutil.rmtree(tmp_path / "bundle")


def test_the_libraries_of_arm64_are_for_it_and_load_there(arm64: Path, qemu: Qemu) -> None:
    assert machines(arm64) == {MACHINES["arm64"]}
    env = {**SETTINGS, "NAMES": json.dumps(LIBRARIES), "PATH": "/usr/bin:/usr/sbin"}
    said = qemu.run(arm64, "/usr/bin/python3", "-c", PROBE, env=env, seconds=HOUR)
    check_probe(json.loads(said))


def test_cuda_that_requirements_bring_is_told_and_used(
    bases: Path, podman: Podman, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "demo")
    (project / "requirements.txt").write_text("\n".join(OWN))
    process = start(
        *("push", project, "--requirements", project / "requirements.txt", "--json"),
        *("--base", f"oci-layout:{bases}:cuda", "--to", f"oci-layout:{bases}:own"),
    )
    pushed = end(process, HOUR).summary
    (note,) = [note for note in pushed["notes"] if "CUDA" in note]
    assert "the base has nvidia-cuda-runtime-cu12==12.9." in note
    assert "nvidia-cusparse-cu12 12.5.4.2" in note and "nvidia-nvjitlink-cu12 12.6.85" in note
    found = json.loads(podman.run(pulled(podman, bases, "own"), "python3", "-c", WHERE))
    site = "/sematic/venv/lib/python3.11/site-packages/nvidia"
    assert found["libnvJitLink.so.12"] == f"{site}/nvjitlink/lib"
    assert found["libcusparse.so.12"] == f"{site}/cusparse/lib"
    assert found["libcudart.so.12"] == "/usr/lib/x86_64-linux-gnu"  # which they do not bring
