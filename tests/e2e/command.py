"""The command as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 60


@dataclass(frozen=True)
class Run:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def reference(self) -> str:
        """The image that a push named."""
        assert self.code == 0, self.err
        return self.out.strip()

    @property
    def summary(self) -> Any:
        """What was printed with --json."""
        assert self.code == 0, self.err
        return json.loads(self.out)


def start(*arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
    """Begin `sematic-oci` with these arguments; with other environment variables, if any."""
    return subprocess.Popen(
        [sys.executable, "-m", "sematic.oci.cli", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )


def end(process: subprocess.Popen[str], seconds: float = SECONDS, stdin: str = "") -> Run:
    """Wait until it has ended, which must be soon."""
    try:
        out, err = process.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Run(process.returncode, out, err)


def run(*arguments: str | Path, **variables: str) -> Run:
    return end(start(*arguments, **variables))
