"""The files that say what is required: of which kind each is, and what it refers to."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sematic.oci.errors import RequirementsError, SettingsError

Kind = Literal["requirements", "pyproject", "pylock", "uv", "poetry"]

_LOCKS: dict[str, Kind] = {"uv.lock": "uv", "poetry.lock": "poetry"}
_PYLOCK = re.compile(r"pylock(\.[^.]+)?\.toml")  # PEP 751
_COMMENT = re.compile(r"(^|\s+)#.*$")
_NAME = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")
_HASH = re.compile(r"--hash[= ]sha256:([0-9a-f]{64})(?!\S)")
_ANY_HASH = re.compile(r"--hash[= ]")
_REFERENCE = re.compile(r"(?:-r|--requirements?|-c|--constraints?)[= ]?\s*(\S.*)")
_INDEX = re.compile(r"(-i|--index-url|--extra-index-url|-f|--find-links)[= ]\s*(\S+)")
_WITH_LOGIN = re.compile(r"https?://[^/\s@]+@[^\s;#]+")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")  # pip, "Using environment variables"
_DEEPEST = 50


def kind_of(path: Path) -> Kind:
    """What a file is by its name: a lock file, a pyproject.toml, else a requirements.txt.

    :raises RequirementsError: there is no such file.
    """
    if not path.is_file():
        raise RequirementsError(
            f"requirements file {path} does not exist; name a requirements.txt, pylock.toml, "
            "uv.lock, poetry.lock or pyproject.toml"
        )
    if _PYLOCK.fullmatch(path.name):
        return "pylock"
    if path.name == "pyproject.toml":
        return "pyproject"
    if path.suffix in (".toml", ".lock") and path.name not in _LOCKS:
        raise SettingsError(f"{path.name} is no file of requirements that is known")
    return _LOCKS.get(path.name, "requirements")


@dataclass(frozen=True, slots=True)
class Named:
    """The files that the user names, read.

    :param texts: by path, what all of them hold, and all that they refer to.
    :param hashes: sha256 (hex) by distribution, where a requirements.txt gives any.
    :param indexes: addresses of indexes that they name, and of other things that want a login.
    :param has_own_index: one of these stands in for the usual one.
    :param has_more_indexes: others count beside that.
    :param text: a requirements.txt that stands for them, if there is one.
    """

    paths: tuple[Path, ...]
    kind: Kind
    texts: Mapping[Path, bytes]
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    indexes: tuple[str, ...] = ()
    has_own_index: bool = False
    has_more_indexes: bool = False
    text: str = ""


def read_named(paths: Sequence[Path]) -> Named:
    """Read the files that the user names.

    :raises RequirementsError: one of them cannot be read.
    :raises SettingsError: they cannot be named together.
    """
    kinds = [kind_of(path) for path in paths]
    locks = [path for path, kind in zip(paths, kinds, strict=True) if kind not in _LOOSE]
    if locks and len(paths) > 1:
        raise SettingsError(
            f"{locks[0].name} says all that is required, so it cannot be named together with "
            "other files"
        )
    reader = _Reader()
    for path, kind in zip(paths, kinds, strict=True):
        if kind == "requirements":
            reader.read(path)
        else:
            reader.take(path)
            if kind in ("uv", "poetry"):
                reader.take(path.with_name("pyproject.toml"))
    hashes = {name: frozenset(values) for name, values in reader.hashes.items()}
    kind = kinds[0] if locks else "requirements"
    indexes = tuple(reader.indexes)
    return Named(
        tuple(paths),
        kind,
        reader.texts,
        hashes,
        indexes,
        reader.has_own_index,
        reader.has_more_indexes,
    )


_LOOSE = ("requirements", "pyproject")


class _Reader:
    """Requirements files and those that they refer to (pip, "Requirements File Format")."""

    def __init__(self) -> None:
        self.texts: dict[Path, bytes] = {}
        self.hashes: dict[str, set[str]] = {}
        self.indexes: list[str] = []
        self.has_own_index = False
        self.has_more_indexes = False

    def take(self, path: Path) -> str:
        try:
            data = path.read_bytes()
            self.texts[path] = data
            return data.decode()
        except OSError as error:
            raise RequirementsError(f"cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise RequirementsError(f"{path} is not text in UTF-8") from None

    def read(self, path: Path, depth: int = 0) -> None:
        if path in self.texts or depth > _DEEPEST:
            return
        for line in _lines(self.take(path)):
            reference = _REFERENCE.fullmatch(line)
            if reference:
                inner = _unquoted(reference[1])
                if "://" not in inner:
                    self.read(path.parent / inner, depth + 1)
            elif index := _INDEX.match(line):
                self.indexes.append(_expanded(_unquoted(index[2])))
                is_own = index[1] in ("-i", "--index-url")
                self.has_own_index |= is_own
                self.has_more_indexes |= not is_own
            else:
                self.indexes += map(_expanded, _WITH_LOGIN.findall(line))
                if _ANY_HASH.search(line):
                    self._take_hashes(path, line)

    def _take_hashes(self, path: Path, line: str) -> None:
        name = _NAME.match(line)
        hashes = _HASH.findall(line)
        if not name or not hashes:
            raise RequirementsError(
                f"{path}: {line.partition(' --hash')[0]} has no hash that is known; give sha256"
            )
        from sematic.oci.environment.distributions import normal_name

        self.hashes.setdefault(normal_name(name[1]), set()).update(hashes)


def _lines(text: str) -> Iterator[str]:
    """Lines without comments, those that a backslash carries on as one."""
    whole = ""
    for line in text.splitlines():
        stripped = _COMMENT.sub("", line)
        if stripped.endswith("\\"):
            whole += stripped[:-1] + " "
            continue
        whole = (whole + stripped).strip()
        if whole:
            yield whole
        whole = ""
    if whole.strip():
        yield whole.strip()


def _unquoted(text: str) -> str:
    try:
        return " ".join(shlex.split(text))
    except ValueError:
        return text


def _expanded(text: str) -> str:
    return _VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), text)


def digests_of(texts: Mapping[Path, bytes]) -> Iterable[str]:
    """A line for each file, which differs whenever it does."""
    import hashlib

    for path, data in texts.items():
        yield f"{path} {hashlib.sha256(data).hexdigest()}"
