"""Which Python a base image has, and which C library: said by its config, or looked up once.

A label ``dev.sematic.python`` says it; the official Python images say it in ``PYTHON_VERSION``.
Of other bases the layers are read, once, up to the interpreter. What ``base check`` has read of
all layers is remembered in the same place, and serves as well.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from sematic.oci.base import Base
from sematic.oci.errors import BaseError
from sematic.oci.events import Listener, Noticed
from sematic.oci.memo import Memo
from sematic.oci.runtime import WORKER
from sematic.oci.values import as_dict, frozen

if TYPE_CHECKING:
    from sematic.oci.base_contents import Contents

PYTHON_LABEL = "dev.sematic.python"
USUAL_PYTHON = "/usr/bin/python3"
LOCAL_PYTHON = "/usr/local/bin/python3"
LIBC_LABEL = "dev.sematic.libc"
CUDA_LABEL = "dev.sematic.cuda"

_FIRST = WORKER.partition("/")[0]
_VERSION = re.compile(r"3\.[0-9]{1,3}")


@frozen
class BasePython:
    """The interpreter of a base.

    :param version: major and minor, as ``3.11``.
    :param path: where it lies.
    :param libc: ``glibc``, ``musl``, or empty where nobody knows.
    :param libc_version: major and minor, as ``2.36``; empty where nobody knows.
    """

    version: str
    path: str
    libc: str
    libc_version: str = ""


def find_base_python(base: Base, memo: Memo, listener: Listener) -> BasePython:
    """The interpreter of a base, remembered by the base's digest.

    :raises BaseError: it has none, or cannot be a base.
    """
    contents = recall_contents(base, memo)
    if contents is None:
        if labelled := _labelled(base):
            return labelled
        from sematic.oci.base_contents import read_contents  # much code, and seldom needed

        listener(Noticed(f"reading the layers of {base.name} once, to find its Python"))
        wanted = LOCAL_PYTHON if "PYTHON_VERSION" in base.environment() else USUAL_PYTHON
        contents = read_contents(
            base, lambda found: bool(found.libc_version and wanted in found.pythons)
        )
        remember_contents(base, memo, contents, is_whole=False)
    for why in lacking(base, contents).values():
        raise BaseError(
            f"base image {base.name} cannot be a base: {why}.\n"
            "Take another, or push without one (--base none)."
        )
    python = python_of(base, contents)
    assert python is not None
    return python


def _labelled(base: Base) -> BasePython | None:
    """What a base says of itself."""
    version = _VERSION.match(base.labels.get(PYTHON_LABEL, ""))
    libc, _, libc_version = base.labels.get(LIBC_LABEL, "").partition(" ")
    return BasePython(version[0], USUAL_PYTHON, libc, libc_version) if version else None


def lacking(base: Base, contents: Contents) -> dict[str, str]:
    """Why an image cannot be a base, by requirement; empty if it can."""
    found = {}
    python = python_of(base, contents)
    labelled = base.labels.get(PYTHON_LABEL)
    if python is None:
        hidden = "".join(f" ({path} is not on it)" for path in sorted(contents.pythons))
        found["interpreter"] = (
            f"it has no {USUAL_PYTHON}, no {LOCAL_PYTHON}, and none in /opt on its PATH{hidden}"
        )
    elif labelled and labelled != python.version:
        found["interpreter"] = (
            f"{python.path} is Python {python.version}, but the label {PYTHON_LABEL} says "
            f"{labelled}"
        )
    if not contents.libc:
        found["C library"] = "it has no loader of glibc or musl"
    if contents.architecture not in ("", base.platform.architecture):
        found["architecture"] = (
            f"its Python is for {contents.architecture}, but its config says {base.platform}"
        )
    if target := contents.links.get(_FIRST):
        found["links"] = f"/{_FIRST} is a link to {target}, and layers would replace it"
    return found


def python_of(base: Base, contents: Contents) -> BasePython | None:
    """The interpreter among a base's contents: an official image's own, or Debian's, or another.

    One below ``/opt`` counts if the base has it on its ``PATH``, as conda's images do.
    """

    def found(version: str, path: str) -> BasePython:
        return BasePython(version, path, contents.libc, contents.libc_version)

    variables = base.environment()
    official = _VERSION.match(variables.get("PYTHON_VERSION", ""))
    if official and LOCAL_PYTHON in contents.pythons:
        return found(official[0], LOCAL_PYTHON)
    on_path = [f"{folder.rstrip('/')}/python3" for folder in variables.get("PATH", "").split(":")]
    for path in (USUAL_PYTHON, LOCAL_PYTHON, *on_path):
        if version := contents.python(path):
            return found(version, path)
    return None


def cuda_of(base: Base, contents: Contents | None) -> tuple[str, ...]:
    """What a base has of CUDA, by its label, or by what was seen of it; empty if nobody knows."""
    labelled = base.labels.get(CUDA_LABEL, "").split()
    return tuple(labelled or (sorted(contents.cuda) if contents else ()))


def recall_contents(base: Base, memo: Memo, *, is_whole: bool = False) -> Contents | None:
    """What is remembered of a base.

    :param is_whole: of all of it, and not only as far as its Python.
    """
    for key in ("whole",) if is_whole else ("whole", "python"):
        kept = memo.recall(_key(base, key))
        if kept is not None:
            from sematic.oci.base_contents import Contents

            return Contents(**json.loads(kept))
    return None


def remember_contents(base: Base, memo: Memo, contents: Contents, *, is_whole: bool) -> None:
    """Keep what was read of a base, by the digest of its config."""
    key = _key(base, "whole" if is_whole else "python")
    memo.remember(key, json.dumps(as_dict(contents)).encode())


def _key(base: Base, what: str) -> str:
    return f"base-contents-2:{what}:{base.manifest.config.digest}"
