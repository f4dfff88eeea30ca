"""Editable installs in the image: by their source tree, in every style of installer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sematic.oci.environment.editable import Editables, Owner, read_mapping
from sematic.oci.environment.groups import Environment, find_environment
from sematic.oci.environment.interpreter import find_interpreter
from sematic.oci.environment.prefixes import Prefixes, Site
from sematic.oci.environment.snapshot import SourceRoot
from sematic.oci.errors import ProjectError
from sematic.oci.memo import Forgetful
from sematic.oci.tree.walk import find_tree
from tests.oci.environment.installs import (
    FLIT,
    HATCHLING,
    POETRY,
    SETUPTOOLS,
    make_venv,
    pip_install,
    run_in,
    site_packages,
    unpack,
    uv_install,
    write_project,
)

SOURCE_LAYOUT = '[tool.setuptools.packages.find]\nwhere = ["src"]\n'
EXACT = "[tool.hatch.build]\ndev-mode-exact = true\n"
RENAMED = '[tool.setuptools]\npackages = ["{0}", "{0}.sub"]\npackage-dir = {{"{0}" = "lib"}}\n'
MODULES = '[tool.setuptools]\npy-modules = ["{0}"]\n'
NESTED = '[tool.setuptools]\npackages = ["{0}_space.{0}"]\n'


def write_all(root: Path, mark: str) -> list[Path]:
    """A source tree for each style; the packages are named as the trees."""

    def package(name: str, below: str = "") -> dict[str, str]:
        return {
            f"{below}{name}/__init__.py": f"from {name}.sub import where\n",
            f"{below}{name}/sub/__init__.py": f"where = {name!r}\n",
        }

    def lib(name: str) -> dict[str, str]:
        return {
            "lib/__init__.py": f"from {name}.sub import where\n",
            "lib/sub/__init__.py": f"where = {name!r}\n",
        }

    def named(style: str) -> str:
        return f"{mark}_{style}"

    def tree(style: str, head: str, files: dict[str, str], tail: str = "") -> Path:
        return write_project(root / named(style), head, files, tail.format(named(style)))

    module = {f"{named('module')}.py": f"where = {named('module')!r}\n"}
    nested = {
        f"{named('nested')}_space/{named('nested')}/__init__.py": f"where = {named('nested')!r}\n"
    }
    flat = package(named("flat"))
    flat[f"{named('flat')}_tests/__init__.py"] = ""
    return [
        tree("hatch", HATCHLING, package(named("hatch"), "src/")),
        tree("exact", HATCHLING, package(named("exact")), EXACT),
        tree("flit", FLIT, {**package(named("flit"))}),
        tree("poetry", POETRY, package(named("poetry"))),
        tree("source", SETUPTOOLS, package(named("source"), "src/"), SOURCE_LAYOUT),
        tree("flat", SETUPTOOLS, flat, '[tool.setuptools]\npackages = ["{0}", "{0}.sub"]\n'),
        tree("renamed", SETUPTOOLS, lib(named("renamed")), RENAMED),
        tree("module", SETUPTOOLS, module, MODULES),
        tree("nested", SETUPTOOLS, nested, NESTED),
    ]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An environment with editable installs of trees inside the project and outside of it."""
    root = tmp_path_factory.mktemp("editable")
    project = root / "project"
    trees = [*write_all(project / "libs", "inner"), *write_all(root / "away", "outer")]
    venv = make_venv(project / ".venv")
    install = uv_install
    install(venv, *(word for tree in trees for word in ("-e", tree)))
    strict, compat = (
        write_project(
            folder / name,
            SETUPTOOLS,
            {f"src/{name}/__init__.py": f"where = {name!r}\n"},
            SOURCE_LAYOUT,
        )
        for folder, name in ((project, "strictly"), (root / "away", "compatibly"))
    )
    pip_install(venv, "--config-settings", "editable_mode=strict", "-e", strict)
    pip_install(venv, "--config-settings", "editable_mode=compat", "-e", compat)
    return project, venv


def find(venv: Path, project: Path) -> Environment:
    memo = Forgetful()
    interpreter = find_interpreter(str(venv), project, memo)
    return find_environment(interpreter, project=project, memo=memo)


def test_every_style_can_be_imported_in_the_image(
    installed: tuple[Path, Path], tmp_path: Path
) -> None:
    project, venv = installed
    found = find(venv, project)
    unpack(find_tree(project, memo=Forgetful()).entries, tmp_path)
    for root in found.roots:
        unpack(find_tree(root.folder, root.prefix, memo=Forgetful()).entries, tmp_path)
    unpack([e for g in found.groups for e in g.entries()], tmp_path)
    styles = ("hatch", "exact", "flit", "poetry", "source", "flat", "renamed", "module")
    names = [f"{mark}_{style}" for mark in ("inner", "outer") for style in styles]
    nested = [f"{mark}_nested_space.{mark}_nested" for mark in ("inner", "outer")]
    names += ["strictly", "compatibly"]
    script = (
        "import importlib, importlib.metadata as m\n"
        f"for name in {names + nested}:\n"
        "    module = importlib.import_module(name)\n"
        "    assert module.where == name.rpartition('.')[2], name\n"
        f"    assert module.__file__.startswith('{tmp_path}/'), module.__file__\n"
        f"for name in {names}: print(m.version(name))\n"
    )
    assert run_in(tmp_path, script).split() == ["1.0"] * len(names)


def test_nothing_in_the_image_names_this_machine(installed: tuple[Path, Path]) -> None:
    project, venv = installed
    found = find(venv, project)
    for group in found.groups:
        assert group.kind == "distribution"
        for entry in group.entries():
            data = entry.data or (Path(str(entry.source)).read_bytes() if entry.source else b"")
            assert str(project.parent).encode() not in data, entry.path
            assert "finder" not in entry.path
            assert "direct_url" not in entry.path
    assert found.notes == ()
    assert found.left_out == ()


def test_trees_outside_the_project_are_source_roots(installed: tuple[Path, Path]) -> None:
    project, venv = installed
    away = project.parent / "away"
    roots = {root.name: root for root in find(venv, project).roots}
    assert roots["outer-hatch"] == SourceRoot(
        "outer-hatch",
        str(away / "outer_hatch" / "src"),
        "sematic/editable/outer-hatch",
        ("/sematic/editable/outer-hatch",),
    )
    assert roots["outer-renamed"] == SourceRoot(
        "outer-renamed",
        str(away / "outer_renamed" / "lib"),
        "sematic/editable/outer-renamed/outer_renamed",
        ("/sematic/editable/outer-renamed",),
    )
    assert [name for name in roots if name.startswith("inner")] == []
    assert {"libs/inner_hatch/src", "libs/inner_renamed/lib"} <= set(find(venv, project).inside)
    assert roots["strictly"].prefix == "sematic/editable/strictly"


def test_another_place_gives_the_same_files(tmp_path: Path) -> None:
    contents = []
    for place in ("one", "two/deeper"):
        root = tmp_path / place
        trees = [
            write_all(root / "project" / "libs", "inner")[6],
            *write_all(root / "away", "outer")[4:6],
        ]
        venv = make_venv(root / "env")
        pip_install(venv, *(word for tree in trees for word in ("-e", tree)))
        found = find(venv, root / "project")
        contents.append(
            [
                (e.path, e.mode, e.target, Path(str(e.source)).read_bytes() if e.source else e.data)
                for group in found.groups
                for e in group.entries()
            ]
        )
    assert contents[0] == contents[1]


def editables(tmp_path: Path) -> tuple[Editables, Path]:
    site = tmp_path / "env" / "lib" / "python3" / "site-packages"
    (tmp_path / "project" / "libs").mkdir(parents=True)
    (site / "win32").mkdir(parents=True)
    prefixes = Prefixes((Site(str(site), str(tmp_path / "env")),), "sematic/venv/lib/p")
    return Editables(prefixes, str(tmp_path / "project")), site


def test_lines_of_a_pth_file(tmp_path: Path) -> None:
    found, site = editables(tmp_path)
    (tmp_path / "away").mkdir()
    (tmp_path / "away.zip").touch()
    text = f"""# a comment

import sys; sys.x = 1
win32
{site}/win32
{site}
{tmp_path}/project/libs
{tmp_path}/project
../../../../project/libs
{tmp_path}/away/../away
{tmp_path}/nothing
{tmp_path}/away.zip
"""
    assert found.rewrite(str(site), text, Owner()).splitlines() == [
        "import sys; sys.x = 1",
        "win32",
        "/sematic/venv/lib/p/win32",
        "/sematic/src/libs",
        "/sematic/src",
        "/sematic/editable/away",
    ]
    assert found.roots == [
        SourceRoot("away", f"{tmp_path}/away", "sematic/editable/away", ("/sematic/editable/away",))
    ]
    assert found.refused == [(f"{tmp_path}/away.zip", "on sys.path by a .pth file, and no folder")]


def test_folders_of_one_name_do_not_meet(tmp_path: Path) -> None:
    found, site = editables(tmp_path)
    for name in ("a/lib", "b/lib"):
        (tmp_path / name).mkdir(parents=True)
    text = f"{tmp_path}/a/lib\n{tmp_path}/b/lib\n"
    lines = found.rewrite(str(site), text, Owner()).splitlines()
    assert lines == ["/sematic/editable/lib", "/sematic/editable/lib.2"]


@pytest.mark.parametrize("hook", ["_x_editable", "_x_editable_loader"])
def test_an_editable_install_that_only_its_own_code_finds(tmp_path: Path, hook: str) -> None:
    found, site = editables(tmp_path)
    (site / f"{hook}.py").write_text("install()")
    with pytest.raises(ProjectError, match=r"x 1.0 .*without -e, or use --no-environment"):
        found.rewrite(str(site), f"import {hook}\n", Owner("x", "x 1.0", True))
    (site / "other.py").write_text("")
    assert found.rewrite(str(site), "import other\n", Owner("y", "y 1")) == "import other\n"


def test_what_a_finder_maps_is_read_and_never_run() -> None:
    setuptools = "raise SystemExit\nMAPPING: dict[str, str] = {'a': '/x/a'}\nNAMESPACES = {}\n"
    assert read_mapping(setuptools) == {"a": "/x/a"}
    editables = "F.map_module('a', '/x/a/__init__.py')\nF.map_module('b', '/x/b.py')\n"
    assert read_mapping(editables) == {"a": "/x/a", "b": "/x/b"}
    for other in ("x = 1", "MAPPING = compute()", "not python", "\0"):
        assert read_mapping(other) is None


def test_the_finder_of_the_editables_library(tmp_path: Path) -> None:
    found, site = editables(tmp_path)
    (tmp_path / "project" / "libs" / "a").mkdir()
    (site / "_editable_impl_a.py").write_text(
        f"F.map_module('a', '{tmp_path}/project/libs/a/__init__.py')"
    )
    text = found.rewrite(str(site), "import _editable_impl_a\n", Owner("a", "a 1", True))
    assert text == "/sematic/src/libs\n"
    assert found.gone == {f"{site}/_editable_impl_a.py"}


def test_an_egg_link_brings_its_metadata(tmp_path: Path) -> None:
    """As ``setup.py develop`` left it, before installers knew editable wheels."""
    project = tmp_path / "project"
    away = tmp_path / "away"
    for path, text in {
        "old.egg-info/PKG-INFO": "Name: old\nVersion: 3\n",
        "old.egg-info/entry_points.txt": "",
        "old.py": "",
    }.items():
        (away / path).parent.mkdir(parents=True, exist_ok=True)
        (away / path).write_text(text)
    venv = make_venv(project / "venv")
    site = site_packages(venv)
    (site / "old.egg-link").write_text(f"{away}\n.")
    (site / "easy-install.pth").write_text(f"{away}\n")
    found = find(venv, project)
    (unowned,) = found.groups
    library = f"sematic/venv/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    entries = {entry.path[len(library) + 1 :]: entry for entry in unowned.entries()}
    assert set(entries) == {
        *("easy-install.pth", "old.egg-info/PKG-INFO", "old.egg-info/entry_points.txt"),
    }
    assert entries["easy-install.pth"].data == b"/sematic/editable/away\n"
    assert [root.folder for root in found.roots] == [str(away)]


def test_a_folder_that_appears_later_is_seen(tmp_path: Path) -> None:
    venv = make_venv(tmp_path / "env")
    (site_packages(venv) / "later.pth").write_text(f"{tmp_path}/later\n")
    memo = Forgetful()
    interpreter = find_interpreter(str(venv), tmp_path, memo)
    project = tmp_path / "project"
    assert find_environment(interpreter, project=project, memo=memo).roots == ()
    (tmp_path / "later").mkdir()
    assert len(find_environment(interpreter, project=project, memo=memo).roots) == 1
