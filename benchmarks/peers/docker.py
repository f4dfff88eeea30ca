"""``docker buildx build``: Docker's own daemon with BuildKit, from Debian sid.

Images are kept in containerd's store, layers are linked and go from the build to the registry
without being unpacked: each was measured to be the fastest way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.install import absent, builders_folder, output
from benchmarks.measure import Meter
from benchmarks.peers.daemons import counted
from benchmarks.peers.dockerfile import Context, write_context
from benchmarks.peers.peer import Setting, Step
from tests.peers.docker import Docker, docker

# Without the collection of what is cached: it begins where a disk is four fifths full.
_SETTINGS = {
    "features": {"containerd-snapshotter": True},
    "builder": {"gc": {"enabled": False}},
}


@dataclass(frozen=True)
class DockerBuildx:
    """:param compression: gzip, as it is by default, or zstd, which is faster."""

    name: str = "docker buildx"
    compression: str = "gzip"

    def absent(self) -> str:
        if os.geteuid() != 0:
            return "Docker's daemon needs root"
        return absent(_plugins() / "docker-buildx", builders_folder() / "usr/sbin/dockerd")

    def version(self) -> str:
        client = output(builders_folder() / "usr/bin/docker", "--version").split()[2]
        return f"docker {client.rstrip(',')}, {output(_plugins() / 'docker-buildx', 'version')}"

    @contextmanager
    def open(self, setting: Setting) -> Iterator[DockerSession]:
        with ExitStack() as machine:
            yield DockerSession(
                setting, self.compression, write_context(setting, link=True), machine
            )


@dataclass
class DockerSession:
    setting: Setting
    compression: str
    context: Context
    _machine: ExitStack
    _docker: Docker = field(init=False)

    def forget(self) -> None:
        """Another daemon, with the base."""
        self._machine.close()
        self._docker = self._machine.enter_context(docker(builders_folder(), _SETTINGS))
        configuration = self._docker.home / ".docker/config.json"
        configuration.parent.mkdir()
        configuration.write_text(json.dumps({"cliPluginsExtraDirs": [str(_plugins())]}))
        self._docker.command("pull", "--quiet", self.setting.base)

    def push(self, meter: Meter, repository: str, step: Step) -> None:
        name = f"{repository}:latest"
        image = f"type=image,name={name},push=true,store=false,oci-mediatypes=true"
        # What other machines have built lies in the registry.
        known = ("--cache-from", f"type=registry,ref={name}") if step == "cold" else ()
        with counted(meter, self._docker.daemon):
            meter.run(
                *(*self.context.before, self._docker.program, "buildx", "build", "--quiet"),
                *("--provenance=false", "--cache-to=type=inline", *known),
                *("--output", f"{image},compression={self.compression}", "."),
                cwd=self.context.folder,
                **self._docker.environment,
            )


def _plugins() -> Path:
    return builders_folder() / "usr/libexec/docker/cli-plugins"
