"""An interpreter's environment on its way into the image: its distributions, as groups."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sematic.oci.environment.distributions import Recorded, image_record, read_record
from sematic.oci.environment.interpreter import Interpreter
from sematic.oci.environment.prefixes import Prefixes
from sematic.oci.environment.scripts import rewrite
from sematic.oci.environment.snapshot import VERSION, Contents, SourceRoot, Survey
from sematic.oci.environment.surveys import (
    list_of,
    recall,
    recall_folders,
    remember,
    remember_watch,
)
from sematic.oci.errors import FileChanged, FileError
from sematic.oci.files import FileEntry, FileGroup, GroupKind, LeftOut, Stamp, stamp_of
from sematic.oci.look import parts_of, record
from sematic.oci.looking import Looking, keep_list
from sematic.oci.memo import Memo
from sematic.oci.values import frozen

if TYPE_CHECKING:
    from sematic.oci.look import Fact
    from sematic.oci.looking import Beside

__all__ = ["Environment", "SourceRoot", "find_environment"]

_ATTEMPTS = 3


@frozen
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


def find_environment(
    interpreter: Interpreter, *, project: Path, memo: Memo, beside: Beside | None = None
) -> Environment:
    """The distributions of an interpreter, in the order in which sys.path gives them.

    The files are looked at every time; what belongs to what is read again only when a folder,
    a RECORD or a .pth file has changed.

    :param project: its files are in the image already, below ``/sematic/src``.
    :param beside: who looks at its files already.
    :raises ProjectError: an editable install that cannot be taken along.
    :raises FileError: a file or folder of the environment cannot be looked at.
    """
    prefixes = Prefixes.of(interpreter)
    real = os.path.realpath(project)
    facts = repr((VERSION, prefixes, real)).encode(errors="surrogateescape")
    key = f"environment {hashlib.blake2b(facts, digest_size=16).hexdigest()}"
    beside = beside or Looking()
    found, groups, files = recall(key, memo), None, b""
    before = found.groups if found and beside.identity == found.listed else []
    if found and _is_same(key, found, memo, beside if before else Looking()):
        with suppress(OSError):
            groups = _groups(found, prefixes, beside, range(len(before)))
    for attempt in range(_ATTEMPTS):
        if groups is not None:
            break
        from sematic.oci.environment.survey import survey  # much code, and seldom needed

        found = survey(prefixes, real, recall_folders(key, memo))
        found.listed, files = list_of(found)
        remember(key, found, memo)
        known = {contents: number for number, contents in enumerate(before)}
        try:
            groups = _groups(found, prefixes, beside, [known.get(each) for each in found.groups])
        except OSError as error:
            if attempt == _ATTEMPTS - 1:
                raise FileError(f"cannot look at {error.filename}: {error.strerror}") from None
    assert found is not None and groups is not None
    if beside.file and beside.identity != found.listed:
        keep_list(beside.file, files or list_of(found)[1])
    return Environment(
        tuple(groups),
        tuple(found.roots),
        tuple(found.left_out),
        tuple(found.notes),
        tuple(found.inside),
    )


def _is_same(key: str, found: Survey, memo: Memo, beside: Beside) -> bool:
    """Whether a survey still holds."""
    folders = found.watch.record()  # while another process looks
    same = found.watch.check(time.time_ns(), beside.folders() == folders)
    if same is None:
        remember_watch(key, found, memo)
    return same is not False


def _groups(
    found: Survey, prefixes: Prefixes, beside: Beside, numbers: Sequence[int | None]
) -> list[FileGroup]:
    """The groups of a survey as their files look now.

    :param numbers: of each in the list of who looks beside, if it is there; or none at all.
    :raises OSError: a file is gone.
    """
    groups = []
    for contents, number in reversed(list(zip_longest(found.groups, numbers))):
        seen = beside.group(number) if number is not None else None
        groups.append(_group(contents, prefixes, seen))
    return groups[::-1]


def _group(contents: Contents, prefixes: Prefixes, seen: bytes | None = None) -> FileGroup:
    """A group as its files look now.

    Its size is that of the files which go in as they are: what is written anew has here the
    length of this machine's paths, and a plan must not depend on that.

    :param seen: the record of its files, if somebody has looked at them already.
    """
    facts = None
    if seen is None:
        facts = contents.facts()
        seen = record(facts, contents.whole)
    digest, size, newest = parts_of(seen)
    return FileGroup(
        contents.name,
        cast(GroupKind, contents.kind),
        contents.key,
        size,
        contents.count,
        hashlib.blake2b(contents.identity + digest, digest_size=16).digest(),
        newest,
        # Once for the check and for the layer.
        cache(lambda: _entries(contents, facts or _facts(contents, seen), prefixes)),
    )


def _facts(contents: Contents, seen: bytes) -> list[Fact]:
    """:raises FileChanged: the files are not what they were when they were looked at."""
    try:
        facts = contents.facts()
    except OSError as error:
        raise FileChanged(f"{error.filename} has gone since the environment was read") from None
    if record(facts, contents.whole) != seen:
        raise FileChanged(f"{contents.name} has changed since the environment was read")
    return facts


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
