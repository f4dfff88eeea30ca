"""GNU tar and ``crane append``: a layer of the environment, and one of the sources on top.

It checks nothing: that the environment has changed it must be told, and is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Meter
from benchmarks.peers.peer import Setting, Step
from tests.peers.install import INSTRUCTION, tools_folder


@dataclass(frozen=True)
class Crane:
    name: str = "tar + crane append"

    def absent(self) -> str:
        return "" if _program().exists() else f"crane is not there: run `{INSTRUCTION}`"

    def version(self) -> str:
        return "crane of Debian sid"  # as it does not know itself

    @contextmanager
    def open(self, setting: Setting) -> Iterator[CraneSession]:
        yield CraneSession(setting)


@dataclass(frozen=True)
class CraneSession:
    setting: Setting

    def forget(self) -> None:
        """It remembers nothing."""

    def push(self, meter: Meter, repository: str, step: Step) -> None:
        setting, middle = self.setting, f"{repository}:environment"
        if step != "again":
            base = setting.base_beside(repository)
            self._append(meter, base, middle, setting.site_packages, "opt/site-packages")
        self._append(meter, middle, f"{repository}:latest", setting.project, "app")

    def _append(self, meter: Meter, base: str, target: str, folder: Path, into: str) -> None:
        tar = self.setting.scratch / "layer.tar"
        meter.run(
            *("tar", "-C", folder, "--sort=name", "--owner=0", "--group=0", "--mtime=@0"),
            *("--numeric-owner", "--exclude=__pycache__", "--transform", f"s,^\\.,{into},"),
            *("-cf", tar, "."),
        )
        meter.run(
            *(_program(), "append", "--insecure", "--base", base),
            *("--new_layer", tar, "--new_tag", target),
        )


def _program() -> Path:
    return tools_folder() / "crane"
