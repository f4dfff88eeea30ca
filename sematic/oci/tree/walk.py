"""A source tree on its way into the image: what goes in, and what is left out and why."""

from __future__ import annotations

import hashlib
import marshal
import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from sematic.oci.errors import FileError, ProjectError
from sematic.oci.files import FileEntry, LeftOut, stamp_of
from sematic.oci.memo import Memo
from sematic.oci.tree.gitignore import Screen
from sematic.oci.tree.ignore import Kind, Rules, Scope, Verdict
from sematic.oci.tree.links import Link, Region, judge, special
from sematic.oci.tree.repository import read, scope_above
from sematic.oci.tree.rules import ENVIRONMENT, PRIVATE_KEY, secret_on_way
from sematic.oci.values import frozen

_IN = Verdict(True)
_Decisions: TypeAlias = "dict[str, Any]"
"""By kind and name: None for what simply goes in, else the parts of a verdict."""

_RACY = 2_000_000_000
"""A file younger than this (ns) may change again without a new time stamp."""


@frozen
class Tree:
    """A source tree's files, links and folders, and what does not go in; sorted by path."""

    entries: tuple[FileEntry, ...]
    left_out: tuple[LeftOut, ...]


def find_tree(
    root: str | os.PathLike[str],
    prefix: str = "sematic/src",
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    memo: Memo,
) -> Tree:
    """Walk a source tree.

    :param prefix: where it lies in the image. The prefix itself gets no entry.
    :param include: patterns that bring in what other rules leave out.
    :param exclude: patterns for what else to leave out.
    :param memo: where decisions are remembered, so that only new paths need to be decided.
    :raises ProjectError: the root is no folder.
    :raises FileError: a folder cannot be listed, or a file cannot be looked at.
    """
    root = os.path.realpath(root)
    if not os.path.isdir(root):
        problem = "is not a folder" if os.path.lexists(root) else "does not exist"
        raise ProjectError(f"{root} {problem}: give the folder that holds the project")
    walk = _Walk(root, prefix.strip("/"), Rules(include, exclude), memo)
    walk.run()
    return walk.tree()


@frozen
class _Folder:
    """A folder that is to be listed.

    :param host: where it lies on this machine.
    :param path: relative to the tree's root; empty for the root.
    :param hidden: it is left out; only what an include pattern matches goes in.
    """

    host: str
    path: str
    scope: Scope
    regions: tuple[Region, ...]
    verdict: Verdict = _IN
    hidden: bool = False

    def path_of(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name


class _Walk:
    def __init__(self, root: str, prefix: str, rules: Rules, memo: Memo) -> None:
        self._root = root
        self._prefix = prefix
        self._rules = rules
        self._memo = memo
        self._key = f"tree {hashlib.blake2b(os.fsencode(root), digest_size=16).hexdigest()}"
        self._entries: list[FileEntry] = []
        self._folders: set[str] = set()
        self._screens: dict[Scope, Callable[[str], bool] | None] = {}
        self._left_out: list[LeftOut] = []
        self._known: dict[str, tuple[bytes, _Decisions]] = {}
        self._keys: dict[str, Any] = {}
        self._seen: dict[str, tuple[bytes, _Decisions]] = {}
        self._seen_keys: dict[str, Any] = {}
        self._learned = False

    def run(self) -> None:
        self._recall()
        above = scope_above(self._root) or Scope(None, b"")
        stack = [_Folder(self._root, "", above, (Region(self._root, ""),))]
        while stack:
            stack.extend(self._enter(stack.pop()))
        self._remember()

    def tree(self) -> Tree:
        entries = sorted(self._entries, key=lambda entry: os.fsencode(entry.path))
        left_out = sorted(self._left_out, key=lambda thing: os.fsencode(thing.path))
        return Tree(tuple(entries), tuple(left_out))

    def _enter(self, folder: _Folder) -> list[_Folder]:
        """List a folder, take what goes in, and give the folders in it that come next."""
        names = self._list(folder)
        if names is None:
            return []
        if folder.path and self._is_environment(folder, names):
            if not self._rules.reaches(os.fsencode(folder.path), by_name=True):
                self._leave_out(folder, folder.path + "/", ENVIRONMENT)
                return []
            if not folder.hidden:
                self._leave_out(folder, folder.path + "/", ENVIRONMENT)
            folder = _hide(folder)
        if folder.path and not folder.hidden:
            self._add_folder(folder.path)
        scope = self._scope(folder, names)
        decisions = self._decisions(folder, scope, names)
        plain, found = [], []
        for name, kind in names.items():
            decision = decisions.get(kind + name)
            if decision is None and kind == "f" and not folder.hidden and name[-4:] != ".pem":
                plain.append(name)
                continue
            verdict = _IN if decision is None else Verdict(*decision)
            below = self._take(folder, scope, name, kind, verdict)
            if below:
                found.append(below)
        self._take_plain(folder, plain)
        return found

    def _list(self, folder: _Folder) -> dict[str, Kind] | None:
        """The kinds of a folder's names; None if it has gone in the meantime."""
        names: dict[str, Kind] = {}
        try:
            with os.scandir(folder.host) as listing:
                for item in listing:
                    if item.is_symlink():
                        names[item.name] = "l"
                    else:
                        names[item.name] = "d" if item.is_dir(follow_symlinks=False) else "f"
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileError(
                f"cannot list {folder.host}/: {error.strerror}; "
                "change that, or leave the folder out with exclude"
            ) from None
        return names

    def _is_environment(self, folder: _Folder, names: dict[str, Kind]) -> bool:
        if folder.verdict.named:
            return False
        return names.get("pyvenv.cfg", "d") != "d" or names.get("conda-meta") == "d"

    def _scope(self, folder: _Folder, names: dict[str, Kind]) -> Scope:
        texts = [
            read(os.path.join(folder.host, name)) if names.get(name, "d") != "d" else b""
            for name in (".gitignore", ".sematicignore")
        ]
        if not any(texts):
            return folder.scope
        path = folder.path + "/" if folder.path else ""
        return Scope(folder.scope, texts[0], texts[1], folder=os.fsencode(path), title=path)

    def _decisions(self, folder: _Folder, scope: Scope, names: dict[str, Kind]) -> _Decisions:
        """What becomes of each name that a rule may be about: remembered, or decided now."""
        key = scope.key + (b"+" if folder.verdict.forced else b"")
        old, known = self._known.get(folder.path, (b"", {}))
        if old != key:
            known = {}
        passes = None if folder.verdict.forced else self._screen(scope)
        decisions: _Decisions = {}
        for name, kind in names.items():
            if kind == "f" and passes is not None and passes(name):
                continue
            word = kind + name
            if word in known:
                decisions[word] = known[word]
                continue
            path = os.fsencode(folder.path_of(name))
            verdict = self._rules.decide(scope, path, kind, folder.verdict.forced)
            decisions[word] = None if verdict == _IN else tuple(verdict)
            self._learned = True
        self._seen[folder.path] = (key, decisions)
        return decisions

    def _screen(self, scope: Scope) -> Callable[[str], bool] | None:
        """Says of most names that no rule is about them; None where rules do not allow that."""
        if scope not in self._screens:
            screen = Screen((), self._rules.screen, scope.screen)
            self._screens[scope] = screen.passes if screen.is_whole else None
        return self._screens[scope]

    def _take_plain(self, folder: _Folder, names: Iterable[str]) -> None:
        """Take files that simply go in. That is most of a tree, so it is done in few steps."""
        host, placed = f"{folder.host}/", self._placed(folder.path_of(""))
        look, is_file, new, entries = os.lstat, stat.S_ISREG, tuple.__new__, self._entries
        before = len(entries)
        for name in names:
            try:
                s = look(host + name)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise FileError(f"cannot look at {host}{name}: {error.strerror}") from None
            if not is_file(s.st_mode):
                self._leave_out(folder, folder.path_of(name), special(s.st_mode), "refused")
                continue
            mode = 0o755 if s.st_mode & 0o100 else 0o644
            stamp = (s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_ino)
            fields = (placed + name, "file", mode, s.st_size, host + name, b"", "", stamp)
            entries.append(new(FileEntry, fields))
        if len(entries) > before:
            self._add_folder(folder.path)

    def _take(
        self, folder: _Folder, scope: Scope, name: str, kind: Kind, verdict: Verdict
    ) -> _Folder | None:
        path = folder.path_of(name)
        host = f"{folder.host}/{name}"
        hidden = (folder.hidden and not verdict.forced) or not verdict.inside
        if not verdict.inside:
            self._leave_out(
                folder, path + "/" if kind == "d" else path, verdict.rule, verdict.weight
            )
        if kind == "d":
            if hidden and not (verdict.reached or self._may_hold_more(folder, path, verdict)):
                return None
            return _Folder(host, path, scope, folder.regions, verdict, hidden)
        if hidden:
            return None
        if kind == "l":
            return self._take_link(folder, scope, host, path, verdict)
        self._take_file(folder, host, path)
        return None

    def _may_hold_more(self, folder: _Folder, path: str, verdict: Verdict) -> bool:
        return folder.hidden and verdict.inside and self._rules.reaches(os.fsencode(path))

    def _take_file(
        self, folder: _Folder, host: str, path: str, status: os.stat_result | None = None
    ) -> None:
        try:
            status = status or os.lstat(host)
        except FileNotFoundError:
            return
        except OSError as error:
            raise FileError(f"cannot look at {host}: {error.strerror}") from None
        if not stat.S_ISREG(status.st_mode):
            self._leave_out(folder, path, special(status.st_mode), "refused")
        elif path.endswith(".pem") and self._is_private(host, path, status):
            self._leave_out(folder, path, PRIVATE_KEY, "secret")
        else:
            self._add(FileEntry.from_stat(self._placed(path), host, status))

    def _take_link(
        self, folder: _Folder, scope: Scope, host: str, path: str, verdict: Verdict
    ) -> _Folder | None:
        try:
            link = judge(host, path, folder.regions)
        except FileNotFoundError:
            return None
        if link.fate == "link":
            self._add(FileEntry.link(self._placed(path), link.text))
        elif link.fate == "refused":
            self._leave_out(folder, path, link.text, "refused")
        elif self._leads_to_secret(link, path):
            rule = f"secret: a link to {link.text}"
            self._leave_out(folder, path, rule, "secret")
        elif link.fate == "file":
            self._take_file(folder, host, path, link.status)
        elif self._rules.names(os.fsencode(path)):
            regions = (*folder.regions, Region(link.text, path))
            return _Folder(link.text, path, scope, regions, verdict)
        else:
            rule = (
                f"a link to a folder outside the project: {link.text}; "
                "name it in [tool.sematic] include to have it copied"
            )
            self._leave_out(folder, path, rule, "refused")
        return None

    def _leads_to_secret(self, link: Link, path: str) -> bool:
        if self._rules.names_exactly(os.fsencode(path)):
            return False
        return secret_on_way(os.fsencode(link.text)) is not None

    def _is_private(self, host: str, path: str, status: os.stat_result) -> bool:
        """Whether a .pem file holds a private key that no include pattern asks for by name."""
        if self._rules.names_exactly(os.fsencode(path)):
            return False
        stamp = stamp_of(status)
        known, private = self._keys.get(path, (None, False))
        if known != stamp:
            private = b"PRIVATE KEY-----" in _content(host)
            self._learned = True
        settled = time.time_ns() - max(stamp[:2]) > _RACY
        self._seen_keys[path] = (stamp if settled else None, private)
        return bool(private)

    def _placed(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def _add(self, entry: FileEntry) -> None:
        self._entries.append(entry)
        start = len(self._prefix) + 1 if self._prefix else 0
        self._add_folder(os.path.dirname(entry.path[start:]))

    def _add_folder(self, path: str) -> None:
        while path and path not in self._folders:
            self._folders.add(path)
            self._entries.append(FileEntry.folder(self._placed(path)))
            path = os.path.dirname(path)

    def _leave_out(self, folder: _Folder, path: str, rule: str, weight: Any = "rule") -> None:
        # What lies in a folder that is itself left out has been told already; what an include
        # pattern asked for and cannot go in has not.
        if not folder.hidden or weight == "refused":
            self._left_out.append(LeftOut(path, rule, weight))

    def _recall(self) -> None:
        value = self._memo.recall(self._key)
        if value is None:
            return
        try:
            key, known, keys = marshal.loads(value)
        except (ValueError, EOFError, TypeError):
            return
        if key == self._rules.key:
            self._known, self._keys = known, keys

    def _remember(self) -> None:
        if self._learned:
            value = (self._rules.key, self._seen, self._seen_keys)
            self._memo.remember(self._key, marshal.dumps(value, 4))


def _hide(folder: _Folder) -> _Folder:
    return _Folder(folder.host, folder.path, folder.scope, folder.regions, _IN, True)


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 22)
    except OSError as error:
        raise FileError(f"cannot read {path}, which may be a key: {error.strerror}") from None
