"""A Docker daemon of the tests' own, with storage, socket and process id in one folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.daemon import Daemon, daemon
from tests.peers.install import docker_folder
from tests.peers.tools import environment, execute


@dataclass(frozen=True)
class Docker:
    """A daemon that `docker()` started. Its storage and socket lie in `home`."""

    home: Path
    programs: Path
    daemon: Daemon

    def load(self, archive: Path) -> str:
        """Load an archive and return the image's name."""
        return self.command("load", "--input", archive).strip().rpartition(": ")[2]

    def run(self, image: str, *arguments: str) -> str:
        """Run an image in a new container without a network and return its standard output."""
        return self.command("run", "--rm", "--network=none", image, *arguments)

    def command(self, *arguments: str | Path) -> str:
        """Any other docker command. Raises ToolError unless it exits with 0."""
        return execute([self.program, *arguments], env=self.environment)

    @property
    def program(self) -> Path:
        return self.programs / "usr/bin/docker"

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes the program talk to this daemon."""
        return {**environment(self.home), "DOCKER_HOST": f"unix://{self.home}/socket"}


@contextmanager
def docker(
    programs: Path | None = None, settings: Mapping[str, object] | None = None
) -> Iterator[Docker]:
    """The daemon, until the end.

    :param programs: an unpacked Docker; by default that of the tests.
    :param settings: for its daemon.json; by default it keeps images in overlay2.
    """
    programs = programs or docker_folder()
    home = Path(tempfile.mkdtemp(prefix="sematic-docker-"))
    own = {"storage-driver": "overlay2", "deprecated-key-path": f"{home}/key.json"}
    (home / "daemon.json").write_text(json.dumps(settings or own))
    path = f"{programs}/usr/bin:{programs}/usr/sbin:{os.environ['PATH']}"
    started = daemon(
        [
            *("dockerd", "--config-file", home / "daemon.json", "--bridge=none"),
            *("--iptables=false", "--ip6tables=false", "--cgroup-parent", f"/{home.name}"),
            *("--host", f"unix://{home}/socket", "--pidfile", home / "pid"),
            *("--data-root", home / "data", "--exec-root", home / "exec"),
        ],
        socket=home / "socket",
        log=home / "log",
        env={**environment(home), "PATH": path},
    )
    try:
        with started as made:
            yield Docker(home, programs, made)
    finally:
        shutil.rmtree(home)
        groups = Path("/sys/fs/cgroup")
        for folder in (*groups.glob(home.name), *groups.glob(f"*/{home.name}")):
            folder.rmdir()
