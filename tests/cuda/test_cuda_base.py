"""The base ``cuda``: its libraries load in a container, without a GPU. Downloads 1.7 GB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic.oci.bases.lock import read_lock
from sematic.oci.bases.recipes import recipe
from sematic.oci.manifest import Platform
from tests.e2e.command import end, start
from tests.peers.podman import Podman

SECONDS = 3600
LIBRARIES = (
    *("libcudart.so.12", "libnvrtc.so.12", "libnvJitLink.so.12", "libcublas.so.12"),
    *("libcublasLt.so.12", "libcufft.so.11", "libcurand.so.10", "libcusolver.so.11"),
    "libcusparse.so.12",
)
PROBE = """
import ctypes, ctypes.util, json, os
names = json.loads(os.environ["NAMES"])
loaded = {name: ctypes.CDLL(name) for name in names}
version = ctypes.c_int()
loaded["libcudart.so.12"].cudaRuntimeGetVersion(ctypes.byref(version))
major, minor = ctypes.c_int(), ctypes.c_int()
loaded["libnvrtc.so.12"].nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
print(json.dumps({
    "found": ctypes.util.find_library("cublas"),
    "runtime": version.value,
    "compiler": major.value,
    "visible": os.environ["NVIDIA_VISIBLE_DEVICES"],
    "capabilities": os.environ["NVIDIA_DRIVER_CAPABILITIES"],
}))
"""


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("cuda")
    process = start(
        *("base", "build", "cuda", "--compression", "zstd:1"),
        *("--to", f"oci-layout:{folder}/layout:v1", "--platform", "linux/amd64"),
    )
    assert end(process, SECONDS).code == 0
    yield f"{folder}/layout:v1"


def test_the_libraries_load_without_a_gpu(layout: str, podman: Podman) -> None:
    policy = ("--signature-policy", podman.home / "policy.json")
    pulled = podman.command("pull", "--quiet", *policy, f"oci:{layout}").strip()
    said = podman.run(
        pulled, "python3", "-c", PROBE, user="12345", env={"NAMES": json.dumps(LIBRARIES)}
    )
    found = json.loads(said)
    assert found["found"] == "libcublas.so.12"
    assert found["runtime"] >= 12090 and found["compiler"] == 12
    assert (found["visible"], found["capabilities"]) == ("all", "compute,utility")


def test_the_base_says_which_cuda_it_has(layout: str) -> None:
    checked = end(start("base", "check", f"oci-layout:{layout}", "--json"), SECONDS).summary
    lock = read_lock(recipe("cuda", "3.11", Platform("linux", "amd64")), Path("bases"))
    assert checked["is_base"]
    assert checked["cuda"] == [f"{wheel.name}=={wheel.version}" for wheel in lock.wheels]
