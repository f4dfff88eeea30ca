"""What an interpreter imports, and how long that takes it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import CommandError, command_environment

_LINE = re.compile(r"^import time: +(\d+) \| +(\d+) \| +(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Import:
    """:param own, all: seconds, without and with what it imports itself."""

    module: str
    own: float
    all: float


def imports(command: Sequence[str | Path], **variables: str) -> list[Import]:
    """All imports of a Python program that is run, in the order in which they were done.

    :param command: the path of a script and its arguments.
    :raises CommandError: it did not exit with 0.
    """
    words = [sys.executable, "-X", "importtime", *map(str, command)]
    done = subprocess.run(
        words, env=command_environment(**variables), capture_output=True, text=True
    )
    if done.returncode:
        raise CommandError(f"{' '.join(words)}\nexit code {done.returncode}\n{done.stderr[-2000:]}")
    return [
        Import(module, int(own) / 1e6, int(whole) / 1e6)
        for own, whole, module in _LINE.findall(done.stderr)
    ]
