"""podman, with storage, configuration and control groups of its own."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.peers.tools import SECLUDED, SECONDS, environment, execute, remembering

# Default ulimits above the caller's need CAP_SYS_RESOURCE, which not every machine gives to root.
# runc, because crun refuses machines with both versions of control groups.
_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
tmp_dir = "{home}/engine"
[network]
network_config_dir = "{home}/network"
"""


@dataclass(frozen=True)
class Podman:
    """A podman that `podman()` made, or a buildah. Its storage lies in `home`.

    `before` is what its command lines start with.
    """

    home: Path
    executable: str | Path = "podman"
    before: Sequence[str] = SECLUDED

    def pull(self, ref: str, *options: str) -> str:
        """Pull HOST/NAME:TAG (or @DIGEST) and return the image's id."""
        policy = ("--signature-policy", self.policy)
        return self.command("pull", "--quiet", "--tls-verify=false", *policy, *options, ref).strip()

    def load(self, archive: Path) -> str:
        """Load a docker or OCI archive and return the image's name (its id if it has none)."""
        loaded = self.command("load", "--signature-policy", self.policy, "--input", archive)
        return loaded.strip().rpartition(": ")[2]

    def run(
        self,
        image: str,
        *arguments: str,
        user: str | None = None,
        entrypoint: str | None = None,
        env: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> str:
        """Run a pulled or loaded image in a new container and return its standard output.

        The container shares the machine's network, so that it reaches servers on loopback.
        `entrypoint` may be a JSON list. Raises ToolError unless the container exits with 0.
        """
        chosen = [f"--env={name}={value}" for name, value in (env or {}).items()]
        if user is not None:
            chosen.append(f"--user={user}")
        if entrypoint is not None:
            chosen.append(f"--entrypoint={entrypoint}")
        groups = ("--cgroups=no-conmon", f"--cgroup-parent=/{self._cgroup}")
        limits = ("--rm", "--pull=never", f"--timeout={SECONDS}")
        return self.command("run", *limits, *groups, *chosen, *options, image, *arguments)

    def command(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Any other podman command. Raises ToolError unless it exits with 0."""
        return execute(self.words(*arguments), env=self.environment, stdin=stdin)

    def words(self, *arguments: str | Path) -> Sequence[str | Path]:
        """The words of a command line, to be run in `environment`."""
        return (*self.before, self.executable, *self._storage, *arguments)

    @property
    def environment(self) -> Mapping[str, str]:
        return {**environment(self.home), "CONTAINERS_CONF": str(self._conf)}

    def program(self) -> Path:
        """A folder for the front of PATH in which `podman` is this one, for who knows no options.

        Its containers are gone with it.
        """
        folder = self.home / "bin"
        folder.mkdir(exist_ok=True)
        before = shlex.join([*self.before, shutil.which("podman") or "podman"])
        options = shlex.join(map(str, self._storage))
        groups = f"--cgroups=no-conmon --cgroup-parent=/{self._cgroup}"
        (folder / "podman").write_text(
            f"#!/bin/sh\nexport CONTAINERS_CONF={self._conf}\ncommand=$1\nshift\n"
            f"case $command in\n"
            f'run) set -- {groups} "$@" ;;\n'
            f'pull) set -- --signature-policy={self.policy} "$@" ;;\n'
            f'esac\nexec {before} {options} $command "$@"\n'
        )
        (folder / "podman").chmod(0o755)
        return folder

    @property
    def _storage(self) -> Sequence[str | Path]:
        folders = ("--root", self.home / "storage", "--runroot", self.home / "run")
        return (*folders, "--storage-driver=overlay")

    @property
    def _conf(self) -> Path:
        return self.home / "containers.conf"

    @property
    def policy(self) -> Path:
        return self.home / "policy.json"

    @property
    def _cgroup(self) -> str:
        return self.home.name


@contextmanager
def podman(executable: str | Path = "podman", *, remembers: bool = False) -> Iterator[Podman]:
    """Removes storage and control groups at the end.

    Its folder is a short one right below the temporary folder: podman makes sockets in it, whose
    paths may not be longer than 107 characters.

    :param executable: another podman, or a buildah.
    :param remembers: what it saw in registries, as on a machine that is its own.
    """
    home = Path(tempfile.mkdtemp(prefix="sematic-podman-"))
    (seen := home / "seen").mkdir()
    made = Podman(home, executable, remembering(seen) if remembers else SECLUDED)
    made._conf.write_text(_CONF.format(home=made.home))
    made.policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    try:
        yield made
    finally:
        shutil.rmtree(made.home)
        groups = Path("/sys/fs/cgroup")
        for folder in (*groups.glob(made._cgroup), *groups.glob(f"*/{made._cgroup}")):
            folder.rmdir()
        with suppress(OSError):  # it may be in use by others, or not have been needed
            Path("/run/runc").rmdir()
