"""The files of a project: its sources, and what is installed or required beside them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sematic.oci.cache import Cache
from sematic.oci.environment.groups import Environment, find_environment
from sematic.oci.environment.interpreter import Interpreter, find_interpreter
from sematic.oci.files import FileGroup, LeftOut
from sematic.oci.looking import Looking
from sematic.oci.plan import tree_groups
from sematic.oci.runtime import SOURCE
from sematic.oci.settings import Settings
from sematic.oci.tree.walk import find_tree
from sematic.oci.values import frozen, replace

if TYPE_CHECKING:
    from sematic.oci.looking import Beside


@frozen
class ProjectFiles:
    """The files of a project and of its environment.

    :param environment: what the environment is, for people.
    :param interpreter: whose it is; None for requirements, which are not installed here.
    """

    environment: str
    interpreter: Interpreter | None
    groups: tuple[FileGroup, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]

    def with_required(self, groups: Iterable[FileGroup], notes: Iterable[str]) -> ProjectFiles:
        """With distributions that are not installed here."""
        return replace(self, groups=(*groups, *self.groups), notes=(*notes, *self.notes))


def find_project_files(
    project: Path, settings: Settings, cache: Cache, at_tree: Looking, at_environment: Beside
) -> ProjectFiles:
    """The environment, the project, and source trees of editable installs outside it.

    Where the settings name requirements there is no environment.

    :param at_tree: looks at the project's files meanwhile.
    :param at_environment: looks at the environment's files meanwhile.
    """
    interpreter = None
    if not settings.requirements:
        interpreter = find_interpreter(settings.python or None, project, cache)
    tree = find_tree(
        project,
        SOURCE,
        include=settings.include,
        exclude=settings.exclude,
        memo=cache,
        beside=at_tree,
    )
    sources = tree_groups(tree.folders, SOURCE)  # while another process looks at the environment
    environment = Environment((), (), (), ())
    if interpreter and settings.environment:
        environment = find_environment(
            interpreter, project=project, memo=cache, beside=at_environment
        )
    groups = [*environment.groups, *sources]
    left_out = [*tree.left_out]
    notes = [
        f"{folder} is needed by an editable install, but rules leave it out of the image"
        for folder in environment.inside
        if folder not in ("", ".") and not tree.holds(folder)
    ]
    for root in environment.roots:
        tree = find_tree(root.folder, root.prefix, memo=cache)
        groups += tree_groups(tree.folders, root.prefix, root.name)
        left_out += [LeftOut(f"{root.name}: {o.path}", o.rule, o.weight) for o in tree.left_out]
    named = ", ".join(Path(path).name for path in settings.requirements)
    return ProjectFiles(
        interpreter.executable if interpreter else named,
        interpreter,
        tuple(groups),
        (*left_out, *environment.left_out),
        (*environment.notes, *notes),
    )


def running_python() -> str:
    """Major and minor of the Python that runs, which stands in where there is no base."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"
