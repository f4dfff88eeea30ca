"""Bring what these tests need besides the peers: `python -m tests.bases.install`, as root."""

from __future__ import annotations

import shutil
import sys

from tests.peers.debian import check_machine, exit_code, patiently
from tests.peers.qemu import PROGRAM

INSTRUCTION = "python -m tests.bases.install"
PACKAGES = {PROGRAM: "qemu-user-static", "mmdebstrap": "mmdebstrap"}
"""Debian's packages by the program that is wanted of them."""


def missing() -> list[str]:
    """The packages whose programs are not here."""
    return [package for program, package in PACKAGES.items() if not shutil.which(program)]


def install() -> None:
    """Raises InstallError where that cannot be."""
    if packages := missing():
        check_machine(packages, INSTRUCTION)
        patiently("apt-get", "update", "-q")
        patiently("apt-get", "install", "-qy", "--no-install-recommends", *packages)


if __name__ == "__main__":
    sys.exit(exit_code(install, INSTRUCTION))
