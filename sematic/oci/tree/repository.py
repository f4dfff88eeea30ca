"""The ignore files of the git repository that a source tree lies in."""

from __future__ import annotations

import os

from sematic.oci.errors import FileError
from sematic.oci.tree.ignore import Scope, is_ignored_above


def scope_above(root: str) -> Scope | None:
    """What a repository says about a tree: its info/exclude, and ``.gitignore`` above the root.

    Nothing where the tree lies in no repository, or in a folder that the repository ignores:
    then it is not the repository's own.
    """
    found = _repository_of(root)
    if found is None:
        return None
    top, git = found
    way = os.path.relpath(root, top).split(os.sep) if root != top else []
    scope = _exclude_scope(git, _joined(way))
    for depth in range(len(way)):
        folder = os.path.join(top, *way[:depth])
        text = read(os.path.join(folder, ".gitignore"))
        if text:
            title = "../" * (len(way) - depth)
            scope = Scope(scope, text, above=_joined(way[depth:]), title=title)
    return None if is_ignored_above(scope) else scope


def read(path: str) -> bytes:
    """An ignore file, or nothing where there is none.

    :raises FileError: it is there and cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return b""
    except OSError as error:
        raise FileError(f"cannot read {path}, which says what goes in: {error.strerror}") from None


def _joined(names: list[str]) -> bytes:
    return os.fsencode("".join(name + "/" for name in names))


def _exclude_scope(git: str, above: bytes) -> Scope | None:
    text = read(os.path.join(git, "info", "exclude"))
    if not text:
        return None
    return Scope(None, text, above=above, git_name=".git/info/exclude")


def _repository_of(root: str) -> tuple[str, str] | None:
    """The repository's top folder and its git folder, which working trees may share."""
    folder = root
    while True:
        git = os.path.join(folder, ".git")
        if os.path.isdir(git):
            return folder, git
        if os.path.isfile(git):
            return folder, _common_folder(folder, git)
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _common_folder(folder: str, file: str) -> str:
    """Where a worktree's or a submodule's ``.git`` file points (gitrepository-layout(5))."""
    pointer = os.fsdecode(read(file)).strip().removeprefix("gitdir:").strip()
    git = os.path.join(folder, pointer)
    common = os.fsdecode(read(os.path.join(git, "commondir"))).strip()
    return os.path.normpath(os.path.join(git, common)) if common else git
