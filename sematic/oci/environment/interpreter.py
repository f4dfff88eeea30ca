"""The Python interpreter whose environment goes into the image."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sematic.oci.environment import probe
from sematic.oci.errors import ProjectError
from sematic.oci.files import stamp_of
from sematic.oci.memo import Memo
from sematic.oci.values import frozen

TIMEOUT = 60
"""Seconds that an interpreter has to say what it is."""

_HIDDEN = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")


@frozen
class Interpreter:
    """A Python interpreter and where its environment lies.

    :param version: major and minor, as ``3.11``.
    :param abiflags: ``t`` for a free-threaded build, else mostly empty.
    :param implementation: ``cpython``, ``pypy``.
    :param prefix: the environment's folder, which is also where data files lie.
    :param base_prefix: the same as prefix where it is no virtual environment.
    :param site_folders: those there are, in the order of sys.path.
    :param scripts: where console scripts lie.
    :param os: in Go's words: linux, darwin, windows.
    :param architecture: in Go's words: amd64, arm64.
    :param libc: ``glibc``, ``musl``, or empty where it is not Linux.
    :param chosen: why this one, for people.
    """

    executable: str
    version: str
    abiflags: str
    implementation: str
    prefix: str
    base_prefix: str
    site_folders: tuple[str, ...]
    scripts: str
    os: str
    architecture: str
    libc: str
    chosen: str

    @property
    def is_virtual(self) -> bool:
        return self.prefix != self.base_prefix

    @property
    def library(self) -> str:
        """The name of the folder of its library, as ``python3.11`` or ``python3.13t``."""
        return f"python{self.version}{self.abiflags}"


def find_interpreter(python: str | None, project: Path, memo: Memo) -> Interpreter:
    """Choose an interpreter and ask it what it is.

    :param python: an interpreter, by path or name, or the folder of a virtual environment;
        else the running one if it is in a virtual environment that is no tool's, else that of
        ``$VIRTUAL_ENV``, else that of the project's ``.venv`` or ``venv``, else the running one.
    :raises ProjectError: there is no such interpreter, or it does not run.
    """
    executable, chosen = _choose(python, project)
    if executable is None or _is_running(executable):
        return _interpreter(probe.describe(), chosen)
    return _interpreter(_ask(executable, memo), chosen)


def _choose(python: str | None, project: Path) -> tuple[str | None, str]:
    """An interpreter, None for the running one; and why."""
    if python:
        return _named(python), f"python = {python}"
    if sys.prefix != sys.base_prefix and not _is_tool(sys.prefix):
        return None, "the running interpreter's virtual environment"
    active = os.environ.get("VIRTUAL_ENV")
    if active and (found := _in_environment(active)):
        return found, "$VIRTUAL_ENV"
    for name in (".venv", "venv"):
        folder = project / name
        if (folder / "pyvenv.cfg").is_file() and (found := _in_environment(str(folder))):
            return found, f"the project's {name}"
    return None, "the running interpreter"


def _named(python: str) -> str:
    path = os.path.abspath(os.path.expanduser(python))
    if os.path.isdir(path):
        found = _in_environment(path)
        if found:
            return found
        raise ProjectError(
            f"{python} is a folder without bin/python: "
            "give an interpreter, or the folder of a virtual environment"
        )
    if os.path.isfile(path):
        return path
    if not os.path.dirname(python):
        for folder in os.get_exec_path():
            path = os.path.abspath(os.path.join(folder, python))
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    raise ProjectError(
        f"there is no interpreter {python}: give the path of one, or the folder of a virtual "
        "environment; `python3 -m venv .venv` makes one"
    )


def _in_environment(folder: str) -> str | None:
    for name in ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe"):
        path = os.path.join(os.path.abspath(folder), name)
        if os.path.isfile(path):
            return path
    return None


def _is_tool(prefix: str) -> bool:
    """Whether an environment holds this program for its own sake (pipx, uv tool, uvx)."""
    parts = Path(prefix).parts
    return (
        os.path.exists(os.path.join(prefix, "pipx_metadata.json"))
        or os.path.exists(os.path.join(prefix, "uv-receipt.toml"))
        or ("uv" in parts and any(p.startswith(("archive-v", "environments-v")) for p in parts))
    )


def _is_running(executable: str) -> bool:
    """Whether it is this process's interpreter, in the same environment."""
    if executable == sys.executable:
        return True
    own = os.path.dirname(os.path.dirname(executable))
    in_environment = os.path.exists(os.path.join(own, "pyvenv.cfg"))
    return in_environment and os.path.realpath(own) == os.path.realpath(sys.prefix)


def _interpreter(facts: dict[str, Any], chosen: str) -> Interpreter:
    folders = tuple(_distinct(facts["site_folders"]))
    return Interpreter(**{**facts, "site_folders": folders}, chosen=chosen)


def _distinct(folders: list[str]) -> Iterator[str]:
    """The folders that are there, each once: lib64 may be a link to lib."""
    seen = set()
    for folder in folders:
        real = os.path.realpath(folder)
        if real not in seen and os.path.isdir(real):
            seen.add(real)
            yield folder


def _ask(executable: str, memo: Memo) -> dict[str, Any]:
    """What another interpreter says of itself, now or when it was last asked."""
    stamps = [_stamp(executable), _stamp(_settings_of(executable))]
    switches = [os.environ.get(name, "") for name in ("PYTHONNOUSERSITE", "PYTHONUSERBASE", "HOME")]
    asked = [list(stamp) if stamp else None for stamp in stamps] + [switches, sys.version_info[:2]]
    key = f"interpreter {os.fsencode(executable)!r}"
    value = memo.recall(key)
    if value is not None:
        remembered = json.loads(value)
        if remembered["asked"] == json.loads(json.dumps(asked)):
            facts: dict[str, Any] = remembered["facts"]
            return facts
    facts = _run(executable)
    memo.remember(key, json.dumps({"asked": asked, "facts": facts}).encode())
    return facts


def _settings_of(executable: str) -> str:
    return os.path.join(os.path.dirname(os.path.dirname(executable)), "pyvenv.cfg")


def _stamp(path: str) -> tuple[int, ...] | None:
    try:
        return stamp_of(os.stat(path))
    except OSError:
        return None


def _run(executable: str) -> dict[str, Any]:
    import subprocess

    environment = {name: value for name, value in os.environ.items() if not _is_hidden(name)}
    script = Path(probe.__file__).read_text(encoding="utf-8")
    try:
        done = subprocess.run(
            [executable, "-c", script],
            cwd="/",  # with -c, sys.path begins with it: no project's json.py must lie there
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProjectError(f"{executable} did not answer within {TIMEOUT} s") from None
    except OSError as error:
        raise ProjectError(f"{executable} does not run: {error.strerror}") from None
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode != 0:
        reason = lines[-1] if lines else f"it ended with status {done.returncode}"
        raise ProjectError(f"{executable} is no interpreter that can be used: {reason}")
    try:
        facts: dict[str, Any] = json.loads(done.stdout)
        return facts if facts["executable"] else _unusable(executable)
    except (ValueError, KeyError, TypeError):
        return _unusable(executable)


def _is_hidden(name: str) -> bool:
    """Whether a variable would lead an interpreter astray, or may hold a password."""
    is_secret = name.startswith("SEMATIC_REGISTRY_") or name.upper().endswith("_PROXY")
    return is_secret or name in _HIDDEN


def _unusable(executable: str) -> dict[str, Any]:
    raise ProjectError(
        f"{executable} is no Python interpreter: give one of Python 3.8 or newer, "
        "or the folder of a virtual environment"
    )
