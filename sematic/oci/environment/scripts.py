"""Console scripts: the same in every image, whoever wrote them for which environment."""

from __future__ import annotations

import re

PYTHON = b"/sematic/venv/bin/python3"

_PYTHON_LINE = re.compile(rb"#!\s*(/\S*/)?(?:python|pypy)[\d.]*t?(\s[^\n]*)?\r?\n")
# Where the path is long or holds a space, a shell starts the script: pip, distlib, uv.
_SHELL_LINES = re.compile(rb"#!\s*/bin/sh\r?\n'''exec'[^\n]*(?:python|pypy)[^\n]*\n' '''\r?\n")
_ENTRY = re.compile(r"\s*([^=\s][^=]*?)\s*=\s*([\w.]+)\s*:\s*([\w.]+)\s*(?:\[.*\])?\s*")
_LONGEST_WRAPPER = 1000


def rewrite(script: bytes, entry: str = "") -> bytes:
    """A script with the image's interpreter.

    :param script: as it lies on this machine.
    :param entry: ``module:attribute`` if it is a console script. What starts one is written anew
        then, as every installer and every release of one writes other text.
    """
    if entry and _is_wrapper(script, entry):
        return wrapper(entry)
    shell = _SHELL_LINES.match(script)
    if shell:
        return b"#!" + PYTHON + b"\n" + script[shell.end() :]
    line = _PYTHON_LINE.match(script)
    if line:
        return b"#!" + PYTHON + (line[2] or b"").rstrip() + b"\n" + script[line.end() :]
    return script


def console_scripts(text: str) -> dict[str, str]:
    """The console scripts of an ``entry_points.txt``: ``module:attribute`` by name."""
    found = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip().strip("[]").strip()
        elif section in ("console_scripts", "gui_scripts"):
            match = _ENTRY.fullmatch(line)
            if match:
                found[match[1]] = f"{match[2]}:{match[3]}"
    return found


def _is_wrapper(script: bytes, entry: str) -> bool:
    module, _, attribute = entry.partition(":")
    imported = f"from {module} import {attribute.partition('.')[0]}\n".encode()
    text = script.replace(b"\r\n", b"\n")
    short = len(text) < _LONGEST_WRAPPER
    return short and imported in text and f"sys.exit({attribute}())".encode() in text


def wrapper(entry: str) -> bytes:
    """What starts a console script.

    :param entry: ``module:attribute``.
    """
    module, _, attribute = entry.partition(":")
    return (
        b"#!" + PYTHON + b"\n"
        b"import sys\n\n"
        + f"from {module} import {attribute.partition('.')[0]}\n\n".encode()
        + f'if __name__ == "__main__":\n    sys.exit({attribute}())\n'.encode()
    )
