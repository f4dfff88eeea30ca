"""GNU tar, ``umoci raw add-layer`` and ``skopeo copy``: the same two layers, in a layout first.

``umoci insert`` would leave no bytecode out, and takes longer. As with crane, it must be told what
has changed.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.install import output
from benchmarks.measure import Meter
from benchmarks.peers.peer import Setting, Step
from tests.peers.install import INSTRUCTION, tools_folder
from tests.peers.tools import environment, execute, remembering


@dataclass(frozen=True)
class Umoci:
    """:param compression: gzip, as it is by default, or zstd, which is faster."""

    name: str = "tar + umoci + skopeo"
    compression: str = "gzip"

    def absent(self) -> str:
        here = _program().exists() and shutil.which("skopeo")
        return "" if here else f"umoci or skopeo is not there: run `{INSTRUCTION}`"

    def version(self) -> str:
        return f"{output(_program(), '--version')}, {output('skopeo', '--version')}"

    @contextmanager
    def open(self, setting: Setting) -> Iterator[UmociSession]:
        yield UmociSession(setting, self.compression)


@dataclass(frozen=True)
class UmociSession:
    setting: Setting
    compression: str

    def forget(self) -> None:
        """Another layout, with the base; skopeo has seen no registry before."""
        for folder in (self._layout, self._home):
            shutil.rmtree(folder, ignore_errors=True)
        source = f"docker://{self.setting.base}"
        copy = (*self._copy, "--src-tls-verify=false", source, f"oci:{self._layout}:base")
        execute(copy, env=environment(self._home))

    def push(self, meter: Meter, repository: str, step: Step) -> None:
        if step in ("cold", "upgraded"):
            self._add(meter, "base", self.setting.site_packages, "opt/site-packages", "middle")
        if step != "elsewhere":
            self._add(meter, "middle", self.setting.project, "app", "latest")
        source, target = f"oci:{self._layout}:latest", f"docker://{repository}:latest"
        copy = (*self._copy, "--dest-tls-verify=false", source, target)
        meter.run(*copy, cwd=self.setting.scratch, **environment(self._home))

    def _add(self, meter: Meter, base: str, folder: Path, into: str, tag: str) -> None:
        tar = shlex.join(
            [
                *("tar", "-C", str(folder), "--sort=name", "--owner=0", "--group=0", "--mtime=@0"),
                *("--numeric-owner", "--exclude=__pycache__", "--transform", f"s,^\\.,{into},"),
                *("-cf", "-", "."),
            ]
        )
        add = shlex.join(
            [
                *(str(_program()), "raw", "add-layer", f"--compress={self.compression}"),
                *("--image", f"{self._layout}:{base}", "--tag", tag, "/dev/stdin"),
            ]
        )
        meter.run("bash", "-o", "pipefail", "-c", f"{tar} | {add}")

    @property
    def _copy(self) -> Sequence[str]:
        (seen := self._home / "seen").mkdir(parents=True, exist_ok=True)
        return (*remembering(seen), "skopeo", "--insecure-policy", "copy", "--quiet")

    @property
    def _home(self) -> Path:
        return self.setting.scratch / "home"

    @property
    def _layout(self) -> Path:
        return self.setting.scratch / "layout"


def _program() -> Path:
    return tools_folder() / "umoci"
