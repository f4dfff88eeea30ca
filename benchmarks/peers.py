"""What is measured: sematic-oci, and crane append, each at its best."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.peers.install import tools_folder


class Pusher(Protocol):
    """A way to get a project and its environment into a registry."""

    name: str

    def push(self, repository: str, *, cold: bool, upgraded: bool) -> None:
        """:param cold: nothing may be left of an earlier push.
        :param upgraded: the environment has changed.
        """


@dataclass
class Sematic:
    """The command, from the shell."""

    project: Path
    environment: Path
    base: str
    caches: Path
    name: str = "sematic-oci push"
    _colds: int = 0

    def push(self, repository: str, *, cold: bool, upgraded: bool) -> None:
        self._colds += cold
        run(
            *(str(Path(sys.executable).with_name("sematic-oci")), "push", str(self.project)),
            "--quiet",
            *("--python", str(self.environment), "--base", self.base, "--to", repository),
            SEMATIC_CACHE_DIR=str(self.caches / str(self._colds)),
        )


@dataclass
class CraneAppend:
    """GNU tar and ``crane append``: a layer of the environment and one of the sources.

    It checks nothing: that the environment has changed it must be told.
    """

    project: Path
    environment: Path
    base: str
    scratch: Path
    name: str = "tar + crane append"

    def push(self, repository: str, *, cold: bool, upgraded: bool) -> None:
        middle = f"{repository}:environment"
        if cold or upgraded:
            (site,) = self.environment.glob("lib/python3*/site-packages")
            self._append(self.base, middle, site, "opt/site-packages")
        self._append(middle, f"{repository}:latest", self.project, "app")

    def _append(self, base: str, target: str, folder: Path, into: str) -> None:
        tar = self.scratch / "layer.tar"
        run(
            *("tar", "-C", str(folder), "--sort=name", "--owner=0", "--group=0", "--mtime=@0"),
            *("--numeric-owner", "--exclude=__pycache__", "--transform", f"s,^\\.,{into},"),
            *("-cf", str(tar), "."),
        )
        run(
            *(str(tools_folder() / "crane"), "append", "--insecure", "--base", base),
            *("--new_layer", str(tar), "--new_tag", target),
        )


def run(*command: str, **variables: str) -> None:
    environment = {**os.environ, **variables}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody compiles a program at every start
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
