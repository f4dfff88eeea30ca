"""``buildah build`` and ``podman build`` with their layers kept, and the push that follows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.install import absent, builders_folder, output
from benchmarks.measure import Meter
from benchmarks.peers.dockerfile import Context, write_context
from benchmarks.peers.peer import Setting, Step
from tests.peers.podman import Podman, podman

_IMAGE = "localhost/benchmark"


@dataclass(frozen=True)
class Buildah:
    """:param program: ``buildah`` or ``podman``, which builds with it."""

    program: str

    @property
    def name(self) -> str:
        return f"{self.program} build"

    def absent(self) -> str:
        if os.geteuid() != 0:
            return f"{self.program} is given root's storage here"
        return absent(self._executable())

    def version(self) -> str:
        return f"{self.program} {output(self._executable(), '--version').split()[2]}"

    @contextmanager
    def open(self, setting: Setting) -> Iterator[BuildahSession]:
        with ExitStack() as machine:
            context = write_context(setting)
            yield BuildahSession(setting, self._executable(), context, machine)

    def _executable(self) -> Path:
        unpacked = builders_folder() / "usr/bin" / self.program
        return unpacked if unpacked.exists() else Path(shutil.which(self.program) or unpacked)


@dataclass
class BuildahSession:
    setting: Setting
    executable: Path
    context: Context
    _machine: ExitStack
    _podman: Podman = field(init=False)

    def forget(self) -> None:
        """Another storage, with the base."""
        self._machine.close()
        self._podman = self._machine.enter_context(podman(self.executable, remembers=True))
        self._podman.pull(self.setting.base)

    def push(self, meter: Meter, repository: str, step: Step) -> None:
        policy = ("--signature-policy", self._podman.policy)
        self._run(meter, "build", "--quiet", "--layers", "--pull=false", *policy, "-t", _IMAGE, ".")
        self._run(
            *(meter, "push", "--quiet", "--tls-verify=false", *policy),
            *("--compression-format=zstd", "--format=oci", _IMAGE, f"docker://{repository}:latest"),
        )

    def _run(self, meter: Meter, *arguments: str | Path) -> None:
        command = (*self.context.before, *self._podman.words(*arguments))
        meter.run(*command, cwd=self.context.folder, **self._podman.environment)
