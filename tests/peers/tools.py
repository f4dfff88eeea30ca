"""Thin runners for the image tools that judge what sematic writes.

Each runs with an empty home folder of its own, so that no login, policy or cache of the machine
plays a part. None checks TLS certificates or image signatures.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 300
# containers/image keeps what root's copies saw in one place for the whole machine; not for ours.
# Mounts that podman makes vanish with the namespace.
SECLUDED = (
    *("unshare", "--mount", "--propagation", "private", "--", "sh", "-c"),
    'mkdir -p /var/lib/containers && mount -t tmpfs tmpfs /var/lib/containers && exec "$@"',
    "sh",
)


def remembering(folder: Path) -> Sequence[str]:
    """The same, with a folder that keeps what was seen from command to command."""
    script = 'mkdir -p /var/lib/containers && mount --bind "$0" /var/lib/containers && exec "$@"'
    return (*SECLUDED[:-2], script, str(folder))


class ToolError(Exception):
    """A tool failed; the message holds its output."""

    def __init__(self, command: Sequence[str], returncode: int, stdout: str, stderr: str) -> None:
        super().__init__(f"{' '.join(command)}\nexit code {returncode}\n{stderr}{stdout}")
        self.command = command
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


def execute(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    stdin: str | None = None,
    seconds: int = SECONDS,
) -> str:
    """The standard output of a command. Raises ToolError unless it exits with 0."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        env=env,
        input=stdin or "",
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=seconds,
    )
    if done.returncode != 0:
        raise ToolError(words, done.returncode, done.stdout, done.stderr)
    return done.stdout


def environment(home: Path) -> dict[str, str]:
    """An environment in which everything that is kept in a home folder is kept in `home`."""
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(temporary),
        "TMPDIR": str(temporary),
    }


@dataclass(frozen=True)
class Tool:
    """`program` run with `home` as its home folder; as it is for cosign and oras."""

    program: str | Path
    home: Path

    def run(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
    ) -> str:
        """Its standard output. Raises ToolError unless it exits with 0."""
        variables = {**environment(self.home), **(env or {})}
        return execute([*self.before, self.program, *arguments], env=variables, stdin=stdin)

    @property
    def before(self) -> Sequence[str]:
        """What the command line starts with."""
        return ()


@dataclass(frozen=True)
class Skopeo(Tool):
    """References carry their transport: docker://HOST/NAME:TAG, oci:FOLDER:TAG, and so on."""

    def inspect(self, ref: str, *options: str) -> Any:
        return json.loads(self.run("inspect", "--tls-verify=false", *options, ref))

    def config(self, ref: str) -> Any:
        return self.inspect(ref, "--config")

    def copy(self, source: str, target: str, *options: str) -> None:
        verify = ("--src-tls-verify=false", "--dest-tls-verify=false")
        self.run("--insecure-policy", "copy", "--quiet", *verify, *options, source, target)

    @property
    def before(self) -> Sequence[str]:
        return SECLUDED


@dataclass(frozen=True)
class Umoci(Tool):
    """The umoci that reads zstd layers."""

    def unpack(self, layout: Path, tag: str, to: Path) -> Path:
        """Make an OCI runtime bundle in `to` and return its root file system."""
        self.run("unpack", "--image", f"{layout}:{tag}", to)
        return to / "rootfs"

    def stat(self, layout: Path, tag: str) -> Any:
        return json.loads(self.run("stat", "--json", "--image", f"{layout}:{tag}"))


@dataclass(frozen=True)
class Crane(Tool):
    """References are HOST/NAME:TAG or HOST/NAME@DIGEST."""

    def validate(self, ref: str) -> None:
        """Check every digest, size and diff_id. Only knows gzip: it rejects valid zstd layers."""
        self.run("validate", "--insecure", "--remote", ref)

    def validate_archive(self, archive: Path) -> None:
        self.run("validate", "--tarball", archive)

    def manifest(self, ref: str) -> Any:
        return json.loads(self.run("manifest", "--insecure", ref))

    def config(self, ref: str) -> Any:
        return json.loads(self.run("config", "--insecure", ref))

    def digest(self, ref: str) -> str:
        return self.run("digest", "--insecure", ref).strip()
