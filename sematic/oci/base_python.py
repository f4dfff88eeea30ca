"""Which Python a base image has, and which C library: said by its config, or looked up once.

A label ``dev.sematic.python`` says it; the official Python images say it in ``PYTHON_VERSION``.
Of other bases the layers are read, once, up to the interpreter. What ``base check`` has read of
all layers is remembered in the same place, and serves as well.
"""

from __future__ import annotations

import json
import re

from sematic.oci.base import Base
from sematic.oci.base_contents import Contents, read_contents
from sematic.oci.errors import BaseError
from sematic.oci.events import Listener, Noticed
from sematic.oci.memo import Memo
from sematic.oci.values import as_dict, frozen

PYTHON_LABEL = "dev.sematic.python"
USUAL_PYTHON = "/usr/bin/python3"
LOCAL_PYTHON = "/usr/local/bin/python3"
LIBC_LABEL = "dev.sematic.libc"
CUDA_LABEL = "dev.sematic.cuda"

_VERSION = re.compile(r"3\.[0-9]{1,3}")


@frozen
class BasePython:
    """The interpreter of a base.

    :param version: major and minor, as ``3.11``.
    :param path: where it lies.
    :param libc: ``glibc``, ``musl``, or empty where nobody knows.
    """

    version: str
    path: str
    libc: str


def find_base_python(base: Base, memo: Memo, listener: Listener) -> BasePython:
    """The interpreter of a base, remembered by the base's digest.

    :raises BaseError: it has none.
    """
    labels = base.labels
    labelled = _VERSION.match(labels.get(PYTHON_LABEL, ""))
    if labelled:
        return BasePython(labelled[0], USUAL_PYTHON, labels.get(LIBC_LABEL, ""))
    contents = recall_contents(base, memo)
    if contents is None:
        listener(Noticed(f"reading the layers of {base.name} once, to find its Python"))
        wanted = LOCAL_PYTHON if "PYTHON_VERSION" in base.environment() else USUAL_PYTHON
        contents = read_contents(base, lambda found: bool(found.libc and wanted in found.pythons))
        remember_contents(base, memo, contents, is_whole=False)
    python = python_of(base, contents)
    if python is None:
        raise BaseError(
            f"base image {base.name} has no /usr/bin/python3; take a base with Python, "
            "or push without one (--base none)"
        )
    return python


def python_of(base: Base, contents: Contents) -> BasePython | None:
    """The interpreter among a base's contents: an official image's own, or Debian's, or another."""
    official = _VERSION.match(base.environment().get("PYTHON_VERSION", ""))
    if official and LOCAL_PYTHON in contents.pythons:
        return BasePython(official[0], LOCAL_PYTHON, contents.libc)
    for path in (USUAL_PYTHON, LOCAL_PYTHON):
        if version := contents.python(path):
            return BasePython(version, path, contents.libc)
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
            return Contents(**json.loads(kept))
    return None


def remember_contents(base: Base, memo: Memo, contents: Contents, *, is_whole: bool) -> None:
    """Keep what was read of a base, by the digest of its config."""
    key = _key(base, "whole" if is_whole else "python")
    memo.remember(key, json.dumps(as_dict(contents)).encode())


def _key(base: Base, what: str) -> str:
    return f"base-contents-1:{what}:{base.manifest.config.digest}"
