"""Images unpacked on this machine: our layers of one, by hard links, moved to where they lie now.

    layers/HEX            a layer, by its digest: unpacked once, its files not to be written to
    images/HEX            an image, by its manifest's digest: hard links to the files of its layers
    images/HEX/in-use     locked by those who use it

What is there under its name is complete. The base's layers are not there: an image stands here on
an interpreter of this machine.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sematic.oci.base import Base, find_base
from sematic.oci.cache import Cache
from sematic.oci.environment.interpreter import find_interpreter
from sematic.oci.errors import OCIError
from sematic.oci.layer import ExistingLayer
from sematic.oci.manifest import Platform
from sematic.oci.places import open_source
from sematic.oci.reference import parse_reference
from sematic.oci.runtime import SOURCE, VENV
from sematic.resolvers.pods.layers import INTERPRETER, unpack_layer
from sematic.resolvers.pods.pods import PodsError

_DIGITS = 32  # of a digest: a path should stay short
_KEPT_IMAGES = 5
_KEPT_DAYS = 7
_INCOMING = ".incoming-"
_VERSION = re.compile(r"(?m)^version *= *(3\.\d+)")
_IN_IMAGE = re.compile(r"(?<![\w./-])/sematic(?=/|$)")
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An image that lies here; nobody removes it until it is closed.

    :param root: stands for its ``/``.
    :param env: the variables that it sets, with what they name here.
    """

    root: Path
    env: dict[str, str]
    _lock: int

    @property
    def python(self) -> str:
        return str(self.root / INTERPRETER)

    @property
    def folder(self) -> Path:
        """Its working directory."""
        return self.root / SOURCE

    def close(self) -> None:
        os.close(self._lock)


def open_image(image: str, folder: Path) -> Unpacked:
    """Have an image lie here.

    :param image: by digest.
    :param folder: where all images of this machine lie.
    :raises PodsError: it cannot be read, or not be used on this machine.
    """
    try:
        base = find_base(open_source(parse_reference(image)), Cache())
        root = folder / "images" / base.digest.partition(":")[2][:_DIGITS]
        lock = _use(root)
        while lock is None:  # as long as others remove it
            layers = _own_layers(base)
            _assemble(root, _unpacked_layers(layers, folder / "layers"))
            lock = _use(root)
    except (OCIError, PodsError) as error:
        raise PodsError(f"{image} cannot run as processes of this machine: {error}") from error
    except OSError as error:
        raise PodsError(f"{image} cannot be unpacked in {folder}: {error}") from None
    variables = base.environment().items()
    env = {name: _IN_IMAGE.sub(f"{root}/sematic", value) for name, value in variables}
    return Unpacked(root, env, lock)


def _own_layers(base: Base) -> list[ExistingLayer]:
    host = Platform.of_host()
    if not host.accepts(base.platform):
        raise PodsError(f"it is for {base.platform}, and this machine is {host}")
    if not base.own_layers:
        raise PodsError("no layer of it was made by sematic-oci; run it in containers")
    return list(base.own_layers)


# Layers


def _unpacked_layers(layers: list[ExistingLayer], folder: Path) -> list[Path]:
    def unpacked(layer: ExistingLayer) -> Path:
        path = folder / layer.descriptor.digest.partition(":")[2][:_DIGITS]
        if not path.is_dir():
            _make(path, lambda new: unpack_layer(layer, new))
        os.utime(path)
        return path

    with ThreadPoolExecutor(_AT_ONCE, "unpack") as threads:
        return list(threads.map(unpacked, layers))


def _make(path: Path, fill: Callable[[Path], None]) -> None:
    """Have a folder appear as a whole, whoever else makes it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _incoming(path.parent) as new:
        fill(new)
        try:
            new.rename(path)
        except OSError:
            if not path.is_dir():  # else another was faster
                raise


@contextmanager
def _incoming(parent: Path) -> Iterator[Path]:
    hidden = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=parent))
    try:
        new = hidden / "new"
        new.mkdir()
        yield new
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


# Images


def _use(root: Path) -> int | None:
    """A shared lock of an image, None if there is none."""
    path = root / "in-use"
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with suppress(BlockingIOError, FileNotFoundError):  # it is being removed
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.utime(path)
        if os.path.samestat(os.fstat(lock), path.stat()):
            return lock
    os.close(lock)
    return None


def _assemble(root: Path, layers: list[Path]) -> None:
    images = _newest_first(root.parent)

    def fill(new: Path) -> None:
        for layer in layers:
            _link(layer, new)
        _relocate(new, root)
        if images:
            _take_bytecode(images[0], new)
        (new / "in-use").touch()

    _make(root, fill)
    for old in images[_KEPT_IMAGES:]:
        _remove_image(old)
    _remove_old(layers[0].parent)
    _remove_old(root.parent, f"{_INCOMING}*")


def _link(source: Path, target: Path) -> None:
    """Hard links to all files of a folder; what is there already is replaced."""
    with os.scandir(source) as found:
        for entry in found:
            path = target / entry.name
            if entry.is_dir(follow_symlinks=False):
                path.mkdir(exist_ok=True)
                _link(Path(entry.path), path)
                continue
            try:
                os.link(entry.path, path, follow_symlinks=False)
            except FileExistsError:
                path.unlink()
                os.link(entry.path, path, follow_symlinks=False)


def _relocate(new: Path, root: Path) -> None:
    """Have an image refer to where it will lie, and to an interpreter of this machine."""
    venv = new / VENV
    library = _library(venv)
    python = _host_python(library.name)
    configuration = (
        f"home = {python.parent}\n"
        "include-system-site-packages = false\n"
        f"version = {library.name.removeprefix('python').rstrip('t')}\n"
    )
    _replace(venv / "pyvenv.cfg", configuration.encode())
    (new / INTERPRETER).symlink_to(python)
    site = library / "site-packages"
    for path in site.glob("*.pth"):
        lines = path.read_bytes().splitlines(keepends=True)
        moved = [
            os.fsencode(root) + line if line.startswith(b"/sematic/") else line for line in lines
        ]
        if moved != lines:
            _replace(path, b"".join(moved))
    for path in (*(venv / "bin").iterdir(), *(new / "sematic" / "bin").iterdir()):
        if not path.is_symlink():
            _move_script(path, root)
    if not _has_sematic(site, new, root):
        raise PodsError(
            "its environment has no sematic, which runs the steps: add it to the project's "
            "dependencies and push again"
        )


def _library(venv: Path) -> Path:
    """The library folder of a virtual environment, as ``lib/python3.11`` or ``lib/python3.13t``."""
    try:
        version = _VERSION.search((venv / "pyvenv.cfg").read_text())
        return next(venv.glob(f"lib/python{version[1] if version else '3'}*"))
    except (FileNotFoundError, StopIteration):
        raise PodsError("it has no virtual environment that sematic-oci made") from None


def _move_script(path: Path, root: Path) -> None:
    first, newline, rest = path.read_bytes().partition(b"\n")
    if first.startswith(f"#!/{INTERPRETER}".encode()):
        python = f"{root}/{INTERPRETER}"
        line = (
            f"#!{python}"
            if " " not in python and len(python) < 120
            else (f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''")
        )
        rest = rest.replace(f'"/{VENV}/'.encode(), f'"{root}/{VENV}/'.encode())
        _replace(path, line.encode() + newline + rest, 0o555)


def _replace(path: Path, data: bytes, mode: int = 0o444) -> None:
    """Write a file anew; the one that its layer has stays as it is."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def _host_python(library: str) -> Path:
    """The interpreter of this machine that stands in for the base's.

    :param library: as ``python3.11``.
    """
    if library == f"python{sys.version_info[0]}.{sys.version_info[1]}{sys.abiflags}":
        usual = Path(sys.base_prefix) / "bin" / library
        return usual if usual.exists() else Path(sys.executable).resolve()
    try:
        prefix = find_interpreter(library, Path(), Cache()).base_prefix
    except OCIError:
        raise PodsError(
            f"it is for {library}, which this machine does not have; install it, or launch with "
            "an environment of this machine's Python"
        ) from None
    return Path(prefix) / "bin" / library


def _has_sematic(site: Path, new: Path, root: Path) -> bool:
    """Whether a worker can be started: installed, in the project, or beside it (editable)."""
    folders = [site, new / SOURCE]
    for path in site.glob("*.pth"):
        lines = path.read_text(errors="replace").splitlines()
        prefix = f"{root}/"
        folders += [new / line.removeprefix(prefix) for line in lines if line.startswith(prefix)]
    return any((folder / "sematic/resolvers/worker.py").is_file() for folder in folders)


def _take_bytecode(old: Path, new: Path) -> None:
    """What was compiled in another image, of files that are the same ones here."""
    for folder, _, files in os.walk(old / "sematic"):
        if os.path.basename(folder) != "__pycache__":
            continue
        sources = os.path.dirname(folder)
        there = f"{new}{sources[len(str(old)) :]}"
        for name in files:
            source = f"{name.partition('.')[0]}.py"
            with suppress(OSError):
                if os.path.samefile(f"{sources}/{source}", f"{there}/{source}"):
                    os.makedirs(f"{there}/__pycache__", exist_ok=True)
                    os.link(f"{folder}/{name}", f"{there}/__pycache__/{name}")


# What is not used any more


def _newest_first(folder: Path) -> list[Path]:
    """The images that lie here, by when they were used last."""
    times = {}
    for path in folder.glob("[!.]*/in-use"):
        with suppress(OSError):
            times[path.parent] = path.stat().st_mtime_ns
    return sorted(times, key=times.__getitem__, reverse=True)


def _remove_image(image: Path) -> None:
    """Remove an image, unless somebody uses it."""
    with suppress(OSError), (image / "in-use").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(image)


def _remove_old(folder: Path, pattern: str = "*") -> None:
    """Remove what has not been used for days. Images have files of their own of a layer."""
    for path in folder.glob(pattern):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _KEPT_DAYS * 86400:
                _remove(path)


def _remove(path: Path) -> None:
    with _incoming(path.parent) as aside:
        path.rename(aside)
