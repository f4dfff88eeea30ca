"""What is required, resolved: a lock, made by uv or read, and remembered for a day."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sematic.oci.errors import RequirementsError, SettingsError
from sematic.oci.memo import Memo
from sematic.oci.requirements.indexes import Indexes, find_indexes
from sematic.oci.requirements.lock import Locked, read_lock
from sematic.oci.requirements.named import Named, digests_of, read_named
from sematic.oci.requirements.poetry import read_poetry
from sematic.oci.requirements.target import Target
from sematic.oci.requirements.uv import Answered, Uv, interpreter, without_secrets
from sematic.oci.requirements.workspace import member_of, projects
from sematic.oci.settings import Settings

REMEMBERED = 86400
"""Seconds for which a resolution is taken for the newest, while the files stay the same."""

_VERSION = "1"
_HINT = re.compile(r"^hint: Wheels are available .*", re.MULTILINE)  # uv's
_GLIBC = re.compile(r"`manylinux_2_(\d+)_(\w+)`")
_STALE = "needs to be updated, but `--locked`"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asks for.

    :param paths: files that say what is required.
    :param extras: of a pyproject.toml, or of a lock file.
    :param groups: of dependencies, likewise.
    :param upgrade: resolve anew, whatever is remembered.
    """

    paths: tuple[Path, ...]
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    upgrade: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Wanted:
        """What a project's settings ask for.

        :raises SettingsError: they name no files.
        """
        if not settings.requirements:
            raise SettingsError(
                "no file says what is required: name one with --requirements, or in [tool.sematic]"
            )
        paths = tuple(Path(path).absolute() for path in settings.requirements)
        return cls(paths, settings.extras, settings.groups, settings.upgrade)

    @property
    def title(self) -> str:
        return ", ".join(path.name for path in self.paths)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What is to be installed.

    :param text: all of it as a pylock.toml.
    :param indexes: where it is to be had from.
    :param notes: what the user should know.
    """

    distributions: tuple[Locked, ...]
    text: str
    indexes: Indexes
    notes: tuple[str, ...]


def resolve(wanted: Wanted, target: Target, project: Path, memo: Memo) -> Resolution:
    """Say which file of each distribution is to be installed.

    :param project: the project's folder, whose settings of uv count.
    :raises RequirementsError: it cannot be met; the message has the resolver's explanation.
    :raises SettingsError: the files cannot be named together.
    """
    named = read_named(wanted.paths)
    if named.kind == "poetry":
        pinned = read_poetry(named.paths[0], named.texts, target, wanted.extras, wanted.groups)
        named = replace(named, hashes=pinned.hashes, indexes=pinned.indexes, text=pinned.text)
    indexes = _indexes(named, project)
    answer = _locked(wanted, named, target, project, indexes, memo)
    folder = named.paths[0].parent if named.kind in ("pylock", "uv") else project
    distributions = read_lock(
        answer.output,
        wanted.title,
        folder.resolve(),
        target,
        extras=wanted.extras if named.kind == "pylock" else (),
        groups=(wanted.groups or None) if named.kind == "pylock" else None,
        hashes=named.hashes,
    )
    addresses = (*indexes.addresses, *named.indexes)
    found = replace(indexes, addresses=addresses)
    return Resolution(tuple(distributions), answer.output, found, answer.warnings)


def lock(wanted: Wanted, python: str, project: Path) -> Answered:
    """What is required as a pylock.toml for every platform; nothing is remembered.

    :param python: major and minor of the oldest Python that it is for.
    :raises RequirementsError: it cannot be met; the message has the resolver's explanation.
    :raises SettingsError: the files say already what exactly is required.
    """
    named = read_named(wanted.paths)
    if named.kind != "requirements":
        raise SettingsError(f"{wanted.title} is a lock file already: push with it")
    indexes = _indexes(named, project)
    uv = Uv(project.resolve(), indexes.variables)
    answer = uv.run(
        f"lock {wanted.title}",
        *("pip", "compile", "--universal", *interpreter(python)),
        *_compiled(named.paths, wanted, indexes),
    )
    return replace(answer, output=without_secrets(answer.output))


def _indexes(named: Named, project: Path) -> Indexes:
    indexes = find_indexes(project.resolve())
    indexes = indexes.without_usual() if named.has_own_index else indexes
    return indexes.with_more() if named.has_more_indexes else indexes


def _locked(
    wanted: Wanted,
    named: Named,
    target: Target,
    project: Path,
    indexes: Indexes,
    memo: Memo,
) -> Answered:
    """The lock: what the user names, or made of it."""
    if named.kind == "pylock":
        return Answered(named.texts[named.paths[0]].decode(), ())
    key = f"lock {_digest(_facts(wanted, named, target, project, indexes))}"
    kept = None if wanted.upgrade else memo.recall(key)
    if kept is not None:
        at, output, warnings = json.loads(kept)
        if named.kind != "requirements" or 0 <= time.time() - at < REMEMBERED:
            return Answered(output, tuple(warnings))
    answer = _asked(wanted, named, target, project, indexes)
    answer = Answered(without_secrets(answer.output), answer.warnings)
    memo.remember(key, json.dumps([time.time(), answer.output, answer.warnings]).encode())
    return answer


def _asked(
    wanted: Wanted, named: Named, target: Target, project: Path, indexes: Indexes
) -> Answered:
    if named.kind == "uv":
        return _export(wanted, named, project, indexes)
    if named.kind == "poetry":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "poetry-lock.txt")
            path.write_text(named.text, encoding="utf-8")
            plain = replace(wanted, extras=(), groups=())
            return _compile([path], plain, target, project, indexes, "--no-deps")
    return _compile(named.paths, wanted, target, project, indexes)


def _compile(
    paths: Sequence[Path],
    wanted: Wanted,
    target: Target,
    project: Path,
    indexes: Indexes,
    *more: str,
) -> Answered:
    uv = Uv(project.resolve(), indexes.variables)
    try:
        return uv.run(
            f"resolve {wanted.title} for {target}",
            *("pip", "compile", "--python-platform", target.uv_platform),
            *interpreter(target.python),
            *_compiled(paths, wanted, indexes),
            *more,
        )
    except RequirementsError as error:
        raise RequirementsError("\n\n".join((str(error), *_hints(str(error), target)))) from None


def _hints(said: str, target: Target) -> Iterator[str]:
    """What the resolver does not know of the way out."""
    there = _GLIBC.findall(" ".join(_HINT.findall(said)))
    newer = [int(minor) for minor, machine in there if machine == target.machine]
    if target.libc == "glibc" and newer:
        yield f"hint: A base with glibc 2.{min(newer)} or newer can run such wheels."
    if "401 Unauthorized" in said or "403 Forbidden" in said:
        yield (
            "hint: Logins are looked for in the index's address, in UV_INDEX_NAME_USERNAME and "
            "_PASSWORD, in ~/.netrc, and with keyring if uv or pip are told so."
        )


def _compiled(paths: Sequence[Path], wanted: Wanted, indexes: Indexes) -> list[str]:
    """What the compiling of any lock is asked with."""
    return [
        *("--format", "pylock.toml", "--generate-hashes", "--no-header"),
        *(["--no-index"] if indexes.no_index else []),
        *(["--upgrade"] if wanted.upgrade else []),
        *_repeated("--extra", wanted.extras),
        *_repeated("--group", wanted.groups),
        *map(str, paths),
    ]


def _export(wanted: Wanted, named: Named, project: Path, indexes: Indexes) -> Answered:
    """A uv.lock as uv writes it; which must be up to date with its pyproject.toml."""
    path = named.paths[0]
    member = member_of(path, named.texts[path].decode(), project)
    folder = path.parent.resolve()
    own = {k: v for k, v in indexes.variables.items() if not k.startswith("UV_")}
    try:
        return Uv(folder, own).run(
            f"read {wanted.title}",
            *("export", "--locked", "--format", "pylock.toml", "--no-header"),
            *("--no-emit-project", "--no-default-groups"),
            *(["--package", member] if member else []),
            *_repeated("--extra", wanted.extras),
            *_repeated("--group", wanted.groups),
        )
    except RequirementsError as error:
        if _STALE not in str(error):
            raise
    raise RequirementsError(f"{wanted.title} is out of date with its pyproject.toml: run `uv lock`")


def _repeated(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _facts(
    wanted: Wanted, named: Named, target: Target, project: Path, indexes: Indexes
) -> Iterable[str]:
    """All that a resolution depends on, apart from what the indexes have."""
    yield _VERSION
    yield str(target)
    yield str(project.resolve())
    yield repr((wanted.extras, wanted.groups, indexes))
    yield from digests_of(named.texts)
    if named.kind == "uv":
        path = named.paths[0]
        for data in projects(path, named.texts[path].decode()):
            yield hashlib.sha256(data).hexdigest()


def _digest(facts: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(facts).encode(), digest_size=16).hexdigest()
