"""Brings the peers that build from Dockerfiles to a Debian machine.

    python -m benchmarks.install

Unpacked into the cache of the tests, and not installed: Docker with buildx and containerd from
Debian sid, whose programs need nothing but a C library that Debian 12 has; buildah from the
machine's own release, on libraries that podman has brought. All else is there when
`python -m tests.peers.install` has run. About 330 MB; the quick benchmark does without.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.peers.cache import build, cache_folder, is_stamped, lock
from tests.peers.debian import check_machine, exit_code, private_apt, run, say
from tests.peers.install import install as install_peers

SID_PACKAGES = ("containerd", "docker-buildx", "docker-cli", "docker.io")
PACKAGES = ("buildah",)
# Raise it when the code below changes what is unpacked.
RECIPE = 1

INSTRUCTION = "python -m benchmarks.install"


def builders_folder() -> Path:
    """A root folder with what has been unpacked."""
    return cache_folder() / "builders"


def absent(*programs: Path) -> str:
    """Why none of these can be run, in a line; empty if all are there."""
    lacking = [program for program in programs if not program.exists()]
    return f"{lacking[0].name} is not there: run `{INSTRUCTION}`" if lacking else ""


def output(*command: str | Path) -> str:
    """What a program says of itself, in its first line."""
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return said.splitlines()[0].strip()


def install() -> None:
    """Install what is missing. Raises InstallError where this machine cannot."""
    install_peers()
    if is_stamped(builders_folder(), _stamp()):
        return
    check_machine([f"unpacked packages ({', '.join((*SID_PACKAGES, *PACKAGES))})"], INSTRUCTION)
    with lock(cache_folder() / "lock"):
        build(builders_folder(), _stamp(), _unpack)


def _stamp() -> str:
    return f"{RECIPE} {' '.join((*SID_PACKAGES, *PACKAGES))}\n"


def _unpack(folder: Path) -> None:
    say(f"unpacking {' '.join((*SID_PACKAGES, *PACKAGES))}")
    with tempfile.TemporaryDirectory(prefix="builders-", dir=folder.parent) as scratch:
        apt = Path(scratch)
        config = private_apt(apt, "deb sid")
        run("apt-get", "-c", config, "download", "-q", *SID_PACKAGES, cwd=apt)
        run("apt-get", "download", "-q", *PACKAGES, cwd=apt)
        for package in apt.glob("*.deb"):
            run("dpkg", "-x", package, folder)


if __name__ == "__main__":
    sys.exit(exit_code(install, INSTRUCTION))
