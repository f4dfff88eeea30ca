"""uv, which does the resolving: found beside this package, run with what pip is configured with."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sematic.oci.errors import RequirementsError
from sematic.oci.wheels.extra import needs_extra

_SECRET = re.compile(r"(?<=://)(?<!ssh://)[^/\s@]*@")
_ASIDE = re.compile(
    r"^(Using CPython .* interpreter at|Resolved \d+ packages? in) .*\n?", re.MULTILINE
)
_NOTED = re.compile(r"^warning: (.*)$", re.MULTILINE)
_HIDDEN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PYTHON", "UV_OUTPUT_FILE")


@dataclass(frozen=True, slots=True)
class Answered:
    """What uv said.

    :param warnings: what it warned of.
    """

    output: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Uv:
    """uv in a folder.

    :param folder: where it runs, and so whose settings count.
    :param variables: for it, beside this process's own.
    """

    folder: Path
    variables: Mapping[str, str]

    def run(self, doing: str, *arguments: str) -> Answered:
        """Run a command of it.

        :param doing: for people, as ``resolve requirements.txt``.
        :raises RequirementsError: it failed; the message is all that it said.
        """
        command = [_binary(), *arguments]
        environment = {k: v for k, v in os.environ.items() if not _is_hidden(k)}
        environment |= {
            **self.variables,
            "NO_COLOR": "1",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
        }
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise RequirementsError(f"cannot run uv: {error.strerror}") from None
        said = without_secrets(_ASIDE.sub("", done.stderr.decode(errors="replace")).strip())
        if done.returncode != 0:
            raise RequirementsError(f"cannot {doing}:\n{said or 'uv said nothing'}")
        return Answered(done.stdout.decode(), tuple(_NOTED.findall(said)))


def without_secrets(text: str) -> str:
    """Text without the user names and passwords of addresses; ssh has no passwords there."""
    return _SECRET.sub("", text)


def interpreter(python: str) -> Sequence[str]:
    """Arguments that say for which Python to resolve, and that this one is to build with.

    :param python: major and minor.
    """
    return ["--python-version", python, "--python", sys.executable]


def _binary() -> str:
    with needs_extra():
        from uv import find_uv_bin
    try:
        return find_uv_bin()
    except FileNotFoundError:
        raise RequirementsError(
            "the package uv is installed here without its program.\n"
            "Install it anew: pip install --force-reinstall uv"
        ) from None


def _is_hidden(name: str) -> bool:
    return name.startswith("SEMATIC_REGISTRY_") or name in _HIDDEN
