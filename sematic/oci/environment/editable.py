"""Editable installs: .pth files that name folders of this machine, made to name those of the
image.

A folder inside the project is in the image already, below ``/sematic/src``. Others become source
roots below ``/sematic/editable``. The finders that setuptools and hatchling write for layouts
that no folder on sys.path can express are read, never run, and give way to such folders.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from sematic.oci.environment.distributions import read_text
from sematic.oci.environment.prefixes import EDITABLE, SOURCE, Prefixes
from sematic.oci.environment.snapshot import SourceRoot
from sematic.oci.errors import ProjectError
from sematic.oci.tree.ignore import is_always_left_out
from sematic.oci.values import field, frozen, mutable

_IMPORT = re.compile(r"import[ \t]+([\w.]+)")
_MODULE_ENDS = (".py", ".so", ".pyd")


@frozen
class Owner:
    """Whose .pth file it is.

    :param key: the distribution's normal name; empty where no distribution owns the file.
    """

    key: str = ""
    title: str = ""
    is_editable: bool = False


@mutable
class Editables:
    """What the .pth files of an environment lead to; fills as they are read.

    :param links: path and target of the links that the image needs.
    :param modules: host and image path of modules that lie outside the project by themselves.
    :param gone: finder modules (host paths) that no longer have a use.
    :param watched: files that were read on the way.
    :param assumed: paths, and whether they were a folder.
    :param refused: paths that cannot go in, and why.
    :param inside: folders and modules of the project that are needed, relative to it.
    """

    prefixes: Prefixes
    project: str
    roots: list[SourceRoot] = field(default_factory=list)
    links: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    modules: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    watched: list[str] = field(default_factory=list)
    assumed: dict[str, bool] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    inside: set[str] = field(default_factory=set)
    _taken: set[str] = field(default_factory=set)
    _homes: dict[str, str] = field(default_factory=dict)

    def rewrite(self, site: str, text: str, owner: Owner) -> str:
        """A .pth file's text for the image; empty if nothing of it is left.

        :raises ProjectError: an editable install that only its own code can find.
        """
        lines: list[str] = []
        hooks: list[str] = []
        found = False
        for line in map(str.rstrip, text.splitlines()):
            if not line or line.startswith("#"):
                continue
            if line.startswith(("import ", "import\t")):
                paths = self._finder(site, line, owner)
                if paths is None:
                    hooks.append(line)
                    lines.append(line)
                    continue
            else:
                paths = self._folder(site, line, owner)
            found = found or bool(paths)
            lines += [path for path in paths if path not in lines]
        if hooks and not found:
            _check_hooks(hooks, owner)
        return "".join(line + "\n" for line in lines)

    def _folder(self, site: str, line: str, owner: Owner) -> list[str]:
        """What a line that names a folder becomes."""
        host = os.path.normpath(os.path.join(site, line))
        is_folder = self._is_folder(host)
        place = self.prefixes.place_really(host)
        if place is not None and place.image == self.prefixes.library:
            return [f"/{place.image}/{place.path}" if line.startswith("/") else line]
        if any(os.path.realpath(host) == os.path.realpath(s.folder) for s in self.prefixes.sites):
            return []
        inside = self._in_project(host)
        if inside is not None and os.path.exists(host):
            self.inside.add(inside)
            return [f"/{SOURCE}/{inside}".rstrip("/")]
        if is_folder:
            prefix = f"{EDITABLE}/{self._fresh(owner.key or os.path.basename(host))}"
            self._add_root(owner, host, prefix, f"/{prefix}")
            return [f"/{prefix}"]
        if os.path.exists(host):
            self.refused.append((host, "on sys.path by a .pth file, and no folder"))
        return []

    def _finder(self, site: str, line: str, owner: Owner) -> list[str] | None:
        """What a line that installs a finder becomes; None if it is none that is known."""
        match = _IMPORT.match(line)
        module = os.path.join(site, *match[1].split(".")) + ".py" if match else ""
        if not match or "editable" not in match[1] or not os.path.isfile(module):
            return None
        self.watched.append(module)
        mapping = read_mapping(read_text(module) or "")
        if mapping is None:
            return None
        self.gone.add(module)
        paths = [self._package(name, folder, owner) for name, folder in sorted(mapping.items())]
        return [path for path in dict.fromkeys(paths) if path]

    def _package(self, name: str, host: str, owner: Owner) -> str:
        """The folder for sys.path by which a package or module is found under its name."""
        tail = name.replace(".", "/")
        if not self._is_folder(host):
            return self._module(tail, host, owner)
        inside = self._in_project(host)
        if inside is not None:
            self.inside.add(inside)
        if inside is not None and f"/{inside}".endswith(f"/{tail}"):
            return f"/{SOURCE}/{inside[: -len(tail)]}".rstrip("/")
        home = self._home(owner)
        if inside is None:
            self._add_root(owner, host, f"{home}/{tail}", f"/{home}")
        else:
            link = f"{home}/{tail}"
            target = os.path.relpath(f"/{SOURCE}/{inside}", f"/{os.path.dirname(link)}")
            self.links.setdefault(owner.key, []).append((link, target))
        return f"/{home}"

    def _module(self, tail: str, host: str, owner: Owner) -> str:
        """The same for modules, whose mapping names the file without its suffix."""
        folder = os.path.dirname(host)
        inside = self._in_project(folder)
        if inside is not None and os.path.basename(host) == os.path.basename(tail):
            self.inside.add(inside)
            return f"/{SOURCE}/{inside}".rstrip("/")
        home = self._home(owner)
        found = list(_module_files(host))
        for file, end in found:
            self.modules.setdefault(owner.key, []).append((file, f"{home}/{tail}{end}"))
        return f"/{home}" if found else ""

    def _in_project(self, host: str) -> str | None:
        """A path relative to the project, if it is one of those that go in with it."""
        real = os.path.realpath(host)
        if real == self.project:
            return ""
        inside = real.removeprefix(self.project + "/")
        if inside == real or is_always_left_out(os.fsencode(inside)):
            return None
        # The link tree of setuptools' strict mode lies in a build folder, which is no source.
        if os.path.basename(inside).startswith("__editable__."):
            return None
        return inside

    def _is_folder(self, host: str) -> bool:
        self.assumed[host] = os.path.isdir(host)
        return self.assumed[host]

    def _add_root(self, owner: Owner, host: str, prefix: str, path: str) -> None:
        name = owner.key or os.path.basename(host)
        self.roots.append(SourceRoot(name, host, prefix, (path,)))

    def _home(self, owner: Owner) -> str:
        if owner.key not in self._homes:
            self._homes[owner.key] = f"{EDITABLE}/{self._fresh(owner.key or 'packages')}"
        return self._homes[owner.key]

    def _fresh(self, name: str) -> str:
        """A name that nothing has yet."""
        fresh, count = name, 1
        while fresh in self._taken:
            count += 1
            fresh = f"{name}.{count}"
        self._taken.add(fresh)
        return fresh


def read_mapping(source: str) -> dict[str, str] | None:
    """Which package lies where, as a finder's module says (setuptools, editables); else None."""
    import ast

    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    mapping: dict[str, str] = {}
    known = False
    for node in ast.walk(tree):
        target = _assigned(node)
        if target is not None and isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value:
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            if target == "MAPPING" and isinstance(value, dict):
                known = True
                mapping.update({str(name): str(path) for name, path in value.items()})
        call = _mapped(node)
        if call is not None:
            known = True
            mapping[call[0]] = call[1]
    return mapping if known else None


def _assigned(node: object) -> str | None:
    import ast

    if isinstance(node, ast.AnnAssign):
        return node.target.id if isinstance(node.target, ast.Name) else None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        return target.id if isinstance(target, ast.Name) else None
    return None


def _mapped(node: object) -> tuple[str, str] | None:
    """``F.map_module("name", "/folder/name/__init__.py")`` of the editables library."""
    import ast

    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return None
    words = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
    if node.func.attr != "map_module" or len(words) != 2:
        return None
    name, path = str(words[0]), str(words[1])
    return name, re.sub(r"(/__init__)?\.py$", "", path)


def _module_files(host: str) -> Iterator[tuple[str, str]]:
    """The files of a module that is given without a suffix, and their suffixes."""
    folder, stem = os.path.split(host)
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if name.startswith(stem + ".") and name.endswith(_MODULE_ENDS):
            yield os.path.join(folder, name), name[len(stem) :]


def _check_hooks(hooks: Sequence[str], owner: Owner) -> None:
    if owner.is_editable or any(re.match(r"import\s+\w*_editable", hook) for hook in hooks):
        raise ProjectError(
            f"{owner.title or 'an editable install'} is found by code that runs at start-up "
            f"({hooks[0][:60]}), which does not work in an image: "
            "install it without -e, or use --no-environment"
        )
