"""Changing a file of credentials: nobody sees half of it, and no change is lost."""

from __future__ import annotations

import copy
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sematic.oci.errors import Denied
from sematic.oci.registry.credentials.files import read_config


@contextmanager
def edited(path: Path) -> Iterator[dict[str, Any]]:
    """What a JSON file holds, to be changed; it is written back when the block ends.

    Links are followed. A file or folder that is not there is made, for its owner alone. What is
    written looks as docker writes it.

    :raises Denied: it is no JSON object, or cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(0o700, parents=True, exist_ok=True)
        with _locked(target.parent):
            config = read_config(target)
            before = copy.deepcopy(config)
            yield config
            if config != before:
                _replace(target, json.dumps(config, indent="\t").encode() + b"\n")
    except OSError as error:
        raise Denied(
            f"{path}, where credentials are to be kept, cannot be written: {error.strerror}"
        ) from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The only one of us who changes files in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # NFS locks no folders
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(target: Path, data: bytes) -> None:
    """Write a file anew, readable by its owner alone."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(OSError):  # the first time, or it is not ours to give
            owner = target.stat()
            os.chown(name, owner.st_uid, owner.st_gid)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
