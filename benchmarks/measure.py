"""What a piece of work takes of this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_TIMED = Path(__file__).with_name("timed.py")


class CommandError(Exception):
    """A command that was measured failed; the message holds its last words."""


@dataclass(frozen=True)
class Usage:
    """What work has taken.

    :param wall: seconds.
    :param cpu: seconds of user and system time of the process and of those it started and waited
        for; daemons that it asks for something are counted apart (`peers/daemons.py`).
    :param rss: bytes of memory, of the largest of those processes at its peak.
    """

    wall: float = 0.0
    cpu: float = 0.0
    rss: int = 0

    def __add__(self, after: Usage) -> Usage:
        """One after the other."""
        return Usage(self.wall + after.wall, self.cpu + after.cpu, max(self.rss, after.rss))


@dataclass
class Meter:
    """Runs commands one after the other and adds up what they take."""

    usage: Usage = field(default_factory=Usage)

    def run(self, *command: str | Path, cwd: Path | None = None, **variables: str) -> None:
        """A command, with more environment variables.

        :raises CommandError: it did not exit with 0.
        """
        self.usage += run_timed(command, cwd=cwd, **variables)

    def add(self, usage: Usage) -> None:
        """What somebody else has measured."""
        self.usage += usage


def run_timed(command: Sequence[str | Path], cwd: Path | None = None, **variables: str) -> Usage:
    """What a command takes, whose output is not kept.

    :raises CommandError: it did not exit with 0.
    """
    words = [str(word) for word in command]
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as said, open(reader, "rb") as result:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_TIMED), str(writer), *words],
            cwd=cwd,
            env=command_environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=(writer,),
            start_new_session=True,
        )
        os.close(writer)
        try:
            data, code = result.read(), process.wait()
        except BaseException:  # whoever is told to end leaves nothing running
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        if code or not data:
            said.seek(0)
            last = said.read()[-2000:].decode(errors="replace")
            raise CommandError(f"{' '.join(words)}\nexit code {code}\n{last}")
    return Usage(**json.loads(data))


def command_environment(**variables: str) -> dict[str, str]:
    """This process's environment, and more."""
    environment = {**os.environ, **variables}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody compiles a program at every start
    return environment
