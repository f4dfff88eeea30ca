"""``sematic-oci push``, the whole command as the shell runs it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.imports import Import, imports
from benchmarks.measure import Meter
from benchmarks.peers.peer import Setting, Step
from sematic import __version__


@dataclass(frozen=True)
class SematicCommand:
    name: str = "sematic-oci"

    def absent(self) -> str:
        return "" if _program().exists() else f"{_program()} is not there: install this project"

    def version(self) -> str:
        return f"sematic-oci {__version__}"

    @contextmanager
    def open(self, setting: Setting) -> Iterator[CommandSession]:
        yield CommandSession(setting)


@dataclass
class CommandSession:
    setting: Setting
    _machines: int = field(default=0)

    def forget(self) -> None:
        self._machines += 1

    def push(self, meter: Meter, repository: str, step: Step) -> None:
        meter.run(*self.command(repository), SEMATIC_CACHE_DIR=str(self.cache))

    def command(self, repository: str) -> tuple[str | Path, ...]:
        setting = self.setting
        return (
            *(_program(), "push", setting.project, "--quiet", "--python", setting.environment),
            *("--base", setting.base_beside(repository), "--to", repository),
        )

    def imports(self, repository: str) -> list[Import]:
        """What a push imports, by one more."""
        return imports(self.command(repository), SEMATIC_CACHE_DIR=str(self.cache))

    @property
    def cache(self) -> Path:
        """What this machine remembers."""
        return self.setting.scratch / f"cache-{self._machines}"


def _program() -> Path:
    return Path(sys.executable).with_name("sematic-oci")
