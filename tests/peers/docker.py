"""A Docker daemon of the tests' own, with storage, socket and process id in one folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.install import docker_folder
from tests.peers.tools import environment, execute

_SECONDS = 60


@dataclass(frozen=True)
class Docker:
    """A daemon that `docker()` started. Its storage and socket lie in `home`."""

    home: Path
    programs: Path

    def load(self, archive: Path) -> str:
        """Load an archive and return the image's name."""
        return self.command("load", "--input", archive).strip().rpartition(": ")[2]

    def run(self, image: str, *arguments: str) -> str:
        """Run an image in a new container without a network and return its standard output."""
        return self.command("run", "--rm", "--network=none", image, *arguments)

    def command(self, *arguments: str | Path) -> str:
        """Any other docker command. Raises ToolError unless it exits with 0."""
        variables = {**environment(self.home), "DOCKER_HOST": f"unix://{self.home}/socket"}
        return execute([self.programs / "usr/bin/docker", *arguments], env=variables)


@contextmanager
def docker() -> Iterator[Docker]:
    """The daemon, until the end. In mount namespaces of its own, so that no mount is left."""
    home = Path(tempfile.mkdtemp(prefix="sematic-docker-"))
    programs = docker_folder()
    path = f"{programs}/usr/bin:{programs}/usr/sbin:{os.environ['PATH']}"
    log = (home / "log").open("wb")
    daemon = subprocess.Popen(
        [
            *("unshare", "--mount", "--propagation", "private", "--", "dockerd"),
            *("--bridge=none", "--iptables=false", "--ip6tables=false", "--host"),
            *(f"unix://{home}/socket", "--pidfile", home / "pid", "--data-root", home / "data"),
            *("--exec-root", home / "exec", "--storage-driver", "overlay2"),
        ],
        env={**environment(home), "PATH": path},
        stdout=log,
        stderr=log,
    )
    try:
        _wait(home, daemon)
        yield Docker(home, programs)
    finally:
        daemon.terminate()
        daemon.wait(_SECONDS)
        log.close()
        shutil.rmtree(home, ignore_errors=True)


def _wait(home: Path, daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not (home / "socket").exists():
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"dockerd did not start:\n{(home / 'log').read_text()[-2000:]}")
        time.sleep(0.05)
