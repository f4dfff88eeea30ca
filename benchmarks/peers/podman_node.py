"""podman, as what pulls images on a machine that runs containers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.install import output
from benchmarks.measure import Meter
from tests.peers.install import INSTRUCTION
from tests.peers.podman import Podman, podman


@dataclass(frozen=True)
class PodmanPuller:
    name: str = "podman"

    def absent(self) -> str:
        if os.geteuid() != 0:
            return "podman is given root's storage here"
        return "" if shutil.which("podman") else f"podman is not there: run `{INSTRUCTION}`"

    def version(self) -> str:
        return f"podman {output('podman', '--version').split()[2]}"

    @contextmanager
    def open(self, scratch: Path) -> Iterator[PodmanNode]:
        with ExitStack() as machine:
            node = PodmanNode(machine)
            node.forget()
            yield node


@dataclass
class PodmanNode:
    _machine: ExitStack
    _podman: Podman = field(init=False)

    def forget(self) -> None:
        """Another storage, with nothing."""
        self._machine.close()
        self._podman = self._machine.enter_context(podman(remembers=True))

    def pull(self, meter: Meter, reference: str) -> None:
        policy = ("--signature-policy", self._podman.policy)
        words = self._podman.words("pull", "--quiet", "--tls-verify=false", *policy, reference)
        meter.run(*words, cwd=self._podman.home, **self._podman.environment)
        self._podman.command("image", "prune", "--force")  # what had the name before
