"""Surveys of environments that are remembered: within this process, and between runs."""

from __future__ import annotations

import marshal
import os

from sematic.oci.environment.sites import Remembered
from sematic.oci.environment.snapshot import Contents, SourceRoot, Survey, Watch
from sematic.oci.files import LeftOut, Stamp
from sematic.oci.look import listing
from sematic.oci.memo import Memo

_loaded: dict[str, Survey] = {}
"""Those of this process, by the key under which the memo has them."""

_DAMAGED = (ValueError, EOFError, TypeError, AttributeError, KeyError)


def recall(key: str, memo: Memo) -> Survey | None:
    """The last survey, without the names of its folders."""
    if key not in _loaded:
        contents, watch = memo.recall(key), memo.recall(f"{key} watch")
        if contents is None or watch is None:
            return None
        try:
            groups, roots, left_out, notes, inside, listed = marshal.loads(contents)
            _loaded[key] = Survey(
                [Contents.from_plain(group) for group in groups],
                [SourceRoot(*root) for root in roots],
                [LeftOut(*thing) for thing in left_out],
                notes,
                inside,
                Watch.from_plain(marshal.loads(watch)),
                listed,
            )
        except _DAMAGED:
            return None
    return _loaded[key]


def recall_folders(key: str, memo: Memo) -> Remembered:
    """What was in the folders at the last survey, for the next one."""
    data = memo.recall(f"{key} names")
    found: dict[str, tuple[Stamp, str]] = {}
    try:
        for site, joined, stamps, names in marshal.loads(data) if data else ():
            hosts = [f"{site}/{path}" if path != "." else site for path in joined.split("\0")]
            found.update(zip(hosts, zip(stamps, names, strict=True), strict=True))
    except _DAMAGED:
        return {}
    return found


def remember(key: str, found: Survey, memo: Memo) -> None:
    """Remember all of a survey."""
    plain = (
        [contents.plain() for contents in found.groups],
        [(root.name, root.folder, root.prefix, root.paths) for root in found.roots],
        [(thing.path, thing.rule, thing.weight) for thing in found.left_out],
        found.notes,
        found.inside,
        found.listed,
    )
    folders = [
        (site, "\0".join(paths), found.watch.stamps[site], found.names[site])
        for site, paths in found.watch.folders.items()
    ]
    memo.remember_all(
        {
            key: marshal.dumps(plain, 4),
            f"{key} watch": marshal.dumps(found.watch.plain(), 4),
            f"{key} names": marshal.dumps(folders, 4),
        }
    )
    _loaded[key] = found


def remember_watch(key: str, found: Survey, memo: Memo) -> None:
    """Remember what has been learned since: stamps and nothing else."""
    memo.remember(f"{key} watch", marshal.dumps(found.watch.plain(), 4))


def list_of(found: Survey) -> tuple[bytes, bytes]:
    """What identifies the list of all that is to be looked at, and the list; see look.py."""
    folders = [
        (os.fsencode(site), os.fsencode("\0".join(paths)))
        for site, paths in found.watch.folders.items()
    ]
    groups = [
        (
            [(os.fsencode(part.base), os.fsencode(part.joined)) for part in contents.parts],
            [os.fsencode(path) for path in contents.others],
        )
        for contents in found.groups
    ]
    return listing(folders, groups)
