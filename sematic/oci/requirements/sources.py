"""What wheels are built from: source distributions, folders, and commits of git repositories."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from sematic.oci.errors import RequirementsError
from sematic.oci.registry.routes import origin
from sematic.oci.requirements.lock import Locked
from sematic.oci.requirements.logins import Logins
from sematic.oci.requirements.uv import without_secrets

_LEFT_OVER = re.compile(
    r"\.git|\.hg|\.(mypy|pytest|ruff)_cache|\.nox|\.tox|\.?venv|__pycache__|build|dist|node_modules"
    r"|.*\.egg-info"
)
_CHUNK = 1 << 20


def source_digest(locked: Locked) -> str:
    """What a wheel is built from, as a sha256 (hex): the same wherever the source is the same.

    :raises RequirementsError: it is a folder that cannot be read.
    """
    if locked.kind == "folder":
        return _hash(_folder_facts(Path(locked.location), locked))
    if locked.kind == "repository":
        return _hash([f"git {locked.revision} {locked.subdirectory}".encode()])
    return locked.sha256


def _folder_facts(folder: Path, locked: Locked) -> Iterator[bytes]:
    """All that can be seen of a folder, but for what builds and tools leave there."""
    try:
        for root, folders, files in os.walk(folder, onerror=_raise):
            folders[:] = sorted(name for name in folders if not _LEFT_OVER.fullmatch(name))
            for name in sorted(files):
                path = Path(root, name)
                inner = os.fsencode(path.relative_to(folder))
                if path.is_symlink():
                    yield b"\0".join((b"link", inner, os.fsencode(os.readlink(path)), b""))
                elif path.is_file():
                    status = path.stat()
                    kind = b"program" if status.st_mode & 0o100 else b"file"
                    yield b"\0".join((kind, inner, str(status.st_size).encode(), b""))
                    with open(path, "rb") as file:
                        while chunk := file.read(_CHUNK):
                            yield chunk
    except OSError as error:
        raise RequirementsError(
            f"cannot read {error.filename or folder} of {locked.title}: {error.strerror}"
        ) from None


def _raise(error: OSError) -> None:
    raise error


def _hash(chunks: Iterator[bytes] | list[bytes]) -> str:
    own = hashlib.sha256()
    for chunk in chunks:
        own.update(chunk)
    return own.hexdigest()


def check_out(locked: Locked, folder: Path, logins: Logins) -> Path:
    """The files of a commit, with its history, as some versions are made of tags.

    :param folder: is made.
    :returns: where the project lies in it.
    :raises RequirementsError: git does not give them, or is not there.
    """
    git = _Git(locked, logins)
    git.run("clone", "--no-checkout", "--filter=blob:none", "--", locked.location, str(folder))
    inside = ("-C", str(folder))
    if not git.knows(folder):
        git.run(*inside, "fetch", "origin", locked.revision)
    git.run(*inside, "checkout", "--detach", locked.revision)
    if (folder / ".gitmodules").is_file():
        git.run(*inside, "submodule", "update", "--init", "--recursive")
    return folder / locked.subdirectory


class _Git:
    """git, which asks nobody for a login: it is given one, or finds it as it is configured."""

    def __init__(self, locked: Locked, logins: Logins) -> None:
        self._locked = locked
        self._environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        if locked.location.startswith(("http://", "https://")):
            self._environment |= _header(locked.location, logins.header(locked.location))

    def knows(self, folder: Path) -> bool:
        return not self._done("-C", str(folder), "cat-file", "-e", self._locked.revision).returncode

    def run(self, *arguments: str) -> None:
        done = self._done(*arguments)
        if done.returncode:
            said = without_secrets(done.stderr.decode(errors="replace").strip())
            raise RequirementsError(
                f"cannot get commit {self._locked.revision[:12]} of {self._locked.location}, which "
                f"is {self._locked.title}:\n{said or 'git said nothing'}"
            )

    def _done(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                ["git", *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise RequirementsError(
                f"cannot run git, which {self._locked.title} comes from: {error.strerror}"
            ) from None


def _header(url: str, headers: Mapping[str, str]) -> dict[str, str]:
    """A header for git (git-config, GIT_CONFIG_COUNT): not in its arguments, which all can see."""
    if not headers:
        return {}
    number = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    scheme, host, port = origin(url)
    return {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": f"http.{scheme}://{host}:{port}/.extraHeader",
        f"GIT_CONFIG_VALUE_{number}": f"Authorization: {headers['Authorization']}",
    }
