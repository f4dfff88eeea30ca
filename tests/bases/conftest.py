"""Bases for two platforms, and what runs what is for the other one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bases.install import INSTRUCTION, missing
from tests.e2e.command import end, start
from tests.peers.qemu import Qemu

HOUR = 3600


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    if lacking := missing():
        pytest.fail(f"missing: {'; '.join(lacking)}. Run `{INSTRUCTION}`", pytrace=False)


@pytest.fixture(scope="session")
def qemu(tmp_path_factory: pytest.TempPathFactory) -> Qemu:
    return Qemu(tmp_path_factory.mktemp("qemu"))


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A layout with the tags `worker` and `cuda`, each an index of two platforms."""
    folder = tmp_path_factory.mktemp("bases")
    for name in ("worker", "cuda"):
        process = start(
            *("base", "build", name, "--compression", "zstd:1"),
            *("--platform", "linux/amd64,linux/arm64", "--to", f"oci-layout:{folder}/l:{name}"),
            SEMATIC_CACHE_DIR=str(folder / "cache"),
        )
        assert end(process, HOUR).code == 0
    yield folder / "l"
    shutil.rmtree(folder)
