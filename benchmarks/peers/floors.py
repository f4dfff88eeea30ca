"""Floors under the pushes: as little as can be done, checking nothing."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.install import output
from benchmarks.measure import Meter
from benchmarks.peers.peer import Setting, Step

_APPEND = Path(__file__).with_name("append.py")


@dataclass(frozen=True)
class PythonFloor:
    """tarfile, gzip at its fastest and http.client, told what has changed."""

    name: str = "floor: Python"

    def absent(self) -> str:
        return ""

    def version(self) -> str:
        return f"CPython {sys.version.split()[0]}"

    @contextmanager
    def open(self, setting: Setting) -> Iterator[PythonSession]:
        yield PythonSession(setting)


@dataclass(frozen=True)
class PythonSession:
    setting: Setting

    def forget(self) -> None:
        """It remembers nothing."""

    def push(self, meter: Meter, repository: str, step: Step) -> None:
        setting, middle = self.setting, f"{repository}:environment"
        command = (sys.executable, "-I", _APPEND)
        if step != "again":
            base = setting.base_beside(repository)
            meter.run(*command, base, middle, setting.site_packages, "opt/site-packages")
        meter.run(*command, middle, f"{repository}:latest", setting.project, "app")


@dataclass(frozen=True)
class PipeFloor:
    """``tar | zstd -1 -T0 | sha256sum``: every file read, compressed and hashed, and no image."""

    name: str = "floor: tar | zstd | sha256sum"

    def absent(self) -> str:
        return "" if shutil.which("zstd") else "zstd is not there: install the package zstd"

    def version(self) -> str:
        return f"{output('tar', '--version')}, {output('zstd', '--version')}"

    @contextmanager
    def open(self, setting: Setting) -> Iterator[PipeSession]:
        yield PipeSession(setting)


@dataclass(frozen=True)
class PipeSession:
    setting: Setting

    def forget(self) -> None:
        """It remembers nothing."""

    def push(self, meter: Meter, repository: str, step: Step) -> None:
        folders = [str(self.setting.site_packages), str(self.setting.project)]
        tar = shlex.join(["tar", "--exclude=__pycache__", "-cPf", "-", *folders])
        meter.run("bash", "-o", "pipefail", "-c", f"{tar} | zstd -q -1 -T0 | sha256sum")
