"""An interpreter's environment on its way into the image: its distributions, as groups."""

from __future__ import annotations

import hashlib
import marshal
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import cast

from sematic.oci.environment.distributions import Recorded, image_record, read_record
from sematic.oci.environment.editable import SourceRoot
from sematic.oci.environment.interpreter import Interpreter
from sematic.oci.environment.prefixes import Prefixes
from sematic.oci.environment.scripts import rewrite
from sematic.oci.environment.snapshot import VERSION, Contents, Fact, Watch
from sematic.oci.environment.survey import Survey, survey
from sematic.oci.errors import FileChanged, FileError
from sematic.oci.files import FileEntry, FileGroup, GroupKind, LeftOut, Stamp, stamp_of
from sematic.oci.memo import Memo

__all__ = ["Environment", "SourceRoot", "find_environment"]

_ATTEMPTS = 3
_loaded: dict[str, Survey] = {}
"""Surveys of this process, by the key under which the memo has them."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What is installed.

    :param groups: one for each distribution, and one for the files that belong to none. They
        hold files and links, no folders.
    :param roots: source trees outside the project, of editable installs.
    :param left_out: what cannot go in; paths are absolute.
    :param notes: what the user should know.
    :param inside: folders of the project, relative to it, that editable installs need: an image
        without them cannot import what is installed.
    """

    groups: tuple[FileGroup, ...]
    roots: tuple[SourceRoot, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    inside: tuple[str, ...] = ()


def find_environment(interpreter: Interpreter, *, project: Path, memo: Memo) -> Environment:
    """The distributions of an interpreter, in the order in which sys.path gives them.

    The files are looked at every time; what belongs to what is read again only when a folder,
    a RECORD or a .pth file has changed.

    :param project: its files are in the image already, below ``/sematic/src``.
    :raises ProjectError: an editable install that cannot be taken along.
    :raises FileError: a file or folder of the environment cannot be looked at.
    """
    prefixes = Prefixes.of(interpreter)
    real = os.path.realpath(project)
    facts = repr((VERSION, prefixes, real)).encode(errors="surrogateescape")
    key = f"environment {hashlib.blake2b(facts, digest_size=16).hexdigest()}"
    found = _recall(key, memo)
    for attempt in range(_ATTEMPTS):
        if found is None:
            found = survey(prefixes, real)
            _remember(key, found, memo)
        try:
            groups = [_group(contents, prefixes) for contents in found.groups]
        except OSError as error:
            if attempt == _ATTEMPTS - 1:
                raise FileError(f"cannot look at {error.filename}: {error.strerror}") from None
            found = None
            continue
        break
    assert found is not None
    return Environment(
        tuple(groups),
        tuple(found.roots),
        tuple(found.left_out),
        tuple(found.notes),
        tuple(found.inside),
    )


def _group(contents: Contents, prefixes: Prefixes) -> FileGroup:
    """A group as its files look now.

    Its size is that of the files which go in as they are: what is written anew has here the
    length of this machine's paths, and a plan must not depend on that.
    """
    facts = contents.facts()
    whole = len(facts) - len(contents.scripts) - (contents.record is not None)
    digest = hashlib.blake2b(contents.identity, digest_size=16)
    digest.update(marshal.dumps(facts, 2))
    return FileGroup(
        contents.name,
        cast(GroupKind, contents.kind),
        contents.key,
        sum(map(itemgetter(2), facts[:whole])),
        contents.count,
        digest.digest(),
        max(max(map(itemgetter(0), facts), default=0), max(map(itemgetter(1), facts), default=0)),
        lambda: _entries(contents, facts, prefixes),
    )


def _entries(contents: Contents, facts: Sequence[Fact], prefixes: Prefixes) -> list[FileEntry]:
    """The entries of a group, sorted by path.

    :raises FileChanged: a script or a RECORD is not what it was when the group was made.
    """
    entries = []
    position = 0
    for part in contents.parts:
        for path in part.paths:
            fact = facts[position]
            position += 1
            image, host = f"{part.image}/{path}", f"{part.base}/{path}"
            mode = 0o755 if fact[4] & 0o100 else 0o644
            entries.append(FileEntry(image, "file", mode, fact[2], host, stamp=fact[:4]))
    for script in contents.scripts:
        data = rewrite(_read(script.host, facts[position][:4]), script.entry)
        position += 1
        entries.append(FileEntry.from_bytes(script.path, data, 0o755))
    for path, data, target in contents.made:
        made = FileEntry.link(path, target) if target else FileEntry.from_bytes(path, data)
        entries.append(made)
    if contents.record:
        host, image = contents.record
        lines = read_record(os.fsdecode(_read(host, facts[position][:4])))
        known = _known(lines, os.path.dirname(os.path.dirname(host)), prefixes)
        entries.append(image_record(image, prefixes.library, entries, known))
    return sorted(entries, key=lambda entry: os.fsencode(entry.path))


def _known(lines: Sequence[Recorded], site: str, prefixes: Prefixes) -> dict[str, Recorded]:
    """The lines of a RECORD on this machine by the paths of their files in the image."""
    known = {}
    for line in lines:
        if not line.path.startswith(("/", ".")):
            known[f"{prefixes.library}/{line.path}"] = line
            continue
        place = prefixes.place_really(os.path.normpath(os.path.join(site, line.path)))
        if place is not None:
            known[f"{place.image}/{place.path}"] = line
    return known


def _read(path: str, stamp: Stamp) -> bytes:
    with open(path, "rb") as file:
        if stamp_of(os.fstat(file.fileno())) != stamp:
            raise FileChanged(f"{path} has changed since the environment was read; try again")
        return file.read()


def _recall(key: str, memo: Memo) -> Survey | None:
    """The last survey, if the environment still looks as it did then."""
    found = _loaded.get(key) or _load(key, memo)
    if found is None:
        return None
    same = found.watch.check(time.time_ns())
    if same is False:
        return None
    if same is None:
        memo.remember(f"{key} watch", marshal.dumps(found.watch.plain(), 4))
    _loaded[key] = found
    return found


def _load(key: str, memo: Memo) -> Survey | None:
    contents, watch = memo.recall(key), memo.recall(f"{key} watch")
    if contents is None or watch is None:
        return None
    try:
        groups, roots, left_out, notes, inside = marshal.loads(contents)
        return Survey(
            [Contents.from_plain(group) for group in groups],
            [SourceRoot(*root) for root in roots],
            [LeftOut(*thing) for thing in left_out],
            notes,
            inside,
            Watch.from_plain(marshal.loads(watch)),
        )
    except (ValueError, EOFError, TypeError):
        return None


def _remember(key: str, found: Survey, memo: Memo) -> None:
    plain = (
        [contents.plain() for contents in found.groups],
        [(root.name, root.folder, root.prefix, root.paths) for root in found.roots],
        [(thing.path, thing.rule, thing.weight) for thing in found.left_out],
        found.notes,
        found.inside,
    )
    memo.remember(key, marshal.dumps(plain, 4))
    memo.remember(f"{key} watch", marshal.dumps(found.watch.plain(), 4))
    _loaded[key] = found
