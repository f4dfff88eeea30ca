"""Programs for another CPU, run by qemu in a root file system of theirs.

Linux 6.7 and later keep a register of foreign programs (binfmt_misc) for each user namespace: what
a program starts runs as well, and nothing is registered on the machine.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.peers.tools import SECONDS, environment, execute

PROGRAM = "qemu-aarch64-static"

# The head of an ELF program or library of arm64, and which of its bits count (binfmt_misc).
_MAGIC = r"\x7f\x45\x4c\x46\x02\x01\x01" + r"\x00" * 9 + r"\x02\x00\xb7\x00"
_MASK = r"\xff" * 7 + r"\x00" + r"\xff" * 8 + r"\xfe\xff\xff\xff"  # of whatever OS ABI
_ENTER = """\
set -e
register=/proc/sys/fs/binfmt_misc
mount -t binfmt_misc none $register
printf %s "$1" > $register/register
for folder in proc dev; do mount --rbind /$folder "$2/$folder"; done
shift
exec chroot "$@"
"""


@dataclass(frozen=True)
class Qemu:
    """Runs what is for arm64."""

    home: Path

    def run(self, root: Path, *words: str, env: Mapping[str, str], seconds: int = SECONDS) -> str:
        """The standard output of a program in a root file system, as its user 0.

        Raises ToolError unless it exits with 0.

        :param env: all of its environment.
        """
        rule = f":arm64:M::{_MAGIC}:{_MASK}:{shutil.which(PROGRAM)}:F"
        variables = [f"{name}={value}" for name, value in env.items()]
        inside = ("/usr/bin/env", "-i", *variables, *words)
        spaces = ("unshare", "--user", "--map-root-user", "--mount", "--")
        enter = ("sh", "-c", _ENTER, "sh", rule, root)
        return execute((*spaces, *enter, *inside), env=environment(self.home), seconds=seconds)
