"""The same push within a process that has imported ``sematic.oci``, as a notebook has."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import CommandError, Meter, Usage, command_environment
from benchmarks.peers.peer import Setting, Step
from sematic import __version__

_CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class SematicProcess:
    name: str = "sematic.oci in process"

    def absent(self) -> str:
        return ""

    def version(self) -> str:
        return f"sematic.oci {__version__}, CPython {sys.version.split()[0]}"

    @contextmanager
    def open(self, setting: Setting) -> Iterator[ProcessSession]:
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.warm"],
            cwd=_CHECKOUT,
            env=command_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield ProcessSession(setting, process)
            process.communicate()


@dataclass
class ProcessSession:
    setting: Setting
    process: subprocess.Popen[str]
    _machines: int = field(default=0)

    def forget(self) -> None:
        self._machines += 1

    def push(self, meter: Meter, repository: str, step: Step) -> None:
        setting = self.setting
        asked = {
            "project": str(setting.project),
            "python": str(setting.environment),
            "base": setting.base_beside(repository),
            "repository": repository,
            "cache": str(setting.scratch / f"cache-{self._machines}"),
        }
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        if not (line := self.process.stdout.readline()):
            raise CommandError(f"sematic.oci.push to {repository} failed in a process of its own")
        meter.add(Usage(**json.loads(line)))
