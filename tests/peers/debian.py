"""What this machine's apt and Debian's archive are asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# Of Debian 12, which the tests are made for.
BOOKWORM = "bookworm"


class InstallError(Exception):
    """Why the peers cannot be brought here, in one line."""


def check_machine(lacking: Sequence[str], instruction: str) -> None:
    """Raise InstallError where nothing can be installed."""
    what = f"missing: {'; '.join(lacking)}"
    if not shutil.which("apt-get") or not shutil.which("dpkg-query"):
        raise InstallError(f"{what}. These come from Debian: run `{instruction}` on Debian 12")
    if os.geteuid() != 0:
        raise InstallError(f"{what}. Run `{instruction}` as root")


def exit_code(bring: Callable[[], None], instruction: str) -> int:
    """Of a command that brings something to this machine. It says why where that cannot be."""
    try:
        bring()
    except InstallError as error:
        say(f"{instruction}: {error}")
        return 1
    return 0


def say(message: str) -> None:
    """Tell a person what takes time."""
    print(message, file=sys.stderr, flush=True)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """The output of a command. Raises InstallError unless it exits with 0."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise InstallError(f"`{' '.join(map(str, command))}` failed: {last}")
    return done.stdout


def patiently(*command: str) -> None:
    """Run apt-get; its lists and archives have locks that DPkg::Lock::Timeout does not cover."""
    deadline = time.monotonic() + 600
    while True:
        try:
            run(*command)
            return
        except InstallError as error:
            if "lock" not in str(error).lower() or time.monotonic() > deadline:
                raise
            time.sleep(1)


def debian_uri() -> str:
    """The archive that this machine's own apt uses for Debian's main component."""
    listed = run(
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
    )
    release = _os_release().get("VERSION_CODENAME", BOOKWORM)
    for line in listed.splitlines():
        uri, suite, component = line.split()
        if (suite, component) == (release, "main"):
            return uri
    raise InstallError(f"apt's sources name no Debian archive with {release}/main")


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {name: value.strip('"') for name, _, value in pairs}


def private_apt(folder: Path, *sources: str) -> Path:
    """An apt configuration of its own, which leaves the system's apt alone; its lists are fetched.

    `sources` are kinds and suites: `deb sid`, `deb-src bookworm`.

    The machine's own proxies, certificates and credentials stay in force; its hooks do not.
    """
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    listed = folder / "sources.list"
    uri = debian_uri()
    for source in sources:
        kind, suite = source.split()
        with listed.open("a") as file:
            file.write(f"{kind} [signed-by={keyring}] {uri} {suite} main\n")
    config = folder / "apt.conf"
    config.write_text(
        f"""
        #clear APT::Update::Pre-Invoke;
        #clear APT::Update::Post-Invoke;
        #clear APT::Update::Post-Invoke-Success;
        Dir::Etc::sourcelist "{listed}";
        Dir::Etc::sourceparts "/dev/null";
        Dir::Etc::preferences "/dev/null";
        Dir::Etc::preferencesparts "/dev/null";
        Dir::State "{folder}";
        Dir::State::lists "{folder}/lists";
        Dir::State::status "{folder}/status";
        Dir::Cache "{folder}/cache";
        Acquire::Check-Valid-Until "false";
        Acquire::Languages "none";
        APT::Sandbox::User "root";
        """
    )
    run("apt-get", "-c", config, "update", "-q")
    return config
