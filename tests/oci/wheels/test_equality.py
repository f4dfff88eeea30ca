"""A wheel's group is that of the same distribution installed: by pip, or by uv."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sematic.oci.environment.groups import find_environment
from sematic.oci.environment.interpreter import find_interpreter
from sematic.oci.files import FileGroup
from sematic.oci.memo import Forgetful
from sematic.oci.tar import in_order, tar_chunks
from sematic.oci.wheels.facts import Facts
from sematic.oci.wheels.group import Wheel, wheel_groups
from sematic.oci.wheels.listing import Listing
from tests.oci.environment.installs import make_venv, pip_install, uv_install
from tests.oci.wheels.made import NATIVE, make_wheel, sha256

INSTALLERS = [pip_install, uv_install]


def of_wheels(paths: list[Path], python: str) -> list[FileGroup]:
    def wheel(path: Path) -> Wheel:
        key = sha256(path)
        return Wheel(key, f"sha256:{key}", Facts.of(Listing(path, python)), lambda: path)

    return wheel_groups(list(map(wheel, paths)), python)[0]


def described(group: FileGroup) -> tuple[object, ...]:
    """All of a group that a layer, and the plan of layers, depends on."""
    tar = b"".join(tar_chunks(in_order(group.entries()), 0))
    return group.name, group.key, group.kind, group.size, group.count, tar


def everything(folder: Path) -> Path:
    """A wheel with a file of each kind."""
    return make_wheel(
        folder,
        "Every_thing",
        files={
            "every_thing/_native.cpython-311-x86_64-linux-gnu.so": NATIVE,
            "every_thing/empty.py": "",
            "every_thing/run.sh": "#!/bin/sh\n",
            "every_thing/with, comma.txt": "x",
            "top.pth": "every_thing_hidden\n",
            "every_thing_hidden/ä.txt": "ä",
            "every_thing/left.pyc": "bytecode",
            "Every_thing-1.0.data/scripts/script.py": "#!python\nprint('script')\n",
            "Every_thing-1.0.data/scripts/shell": "#!/bin/sh\necho shell\n",
            "Every_thing-1.0.data/scripts/program": NATIVE,
            "Every_thing-1.0.data/data/share/every/data.txt": "data",
            "Every_thing-1.0.data/data/etc/every.conf": "conf",
            "Every_thing-1.0.data/headers/every.h": "int x;",
            "Every_thing-1.0.data/platlib/every_platform.py": "P = 1\n",
            "Every_thing-1.0.dist-info/licenses/LICENSE": "free",
            "Every_thing-1.0.dist-info/RECORD.jws": "signature",
        },
        scripts={"every": "every_thing:main", "every-sub": "every_thing.sub:App.run"},
        executable=[
            "every_thing/run.sh",
            "Every_thing-1.0.data/scripts/script.py",
            "Every_thing-1.0.data/scripts/shell",
            "Every_thing-1.0.data/scripts/program",
        ],
    )


@pytest.mark.parametrize("install", INSTALLERS)
def test_a_wheel_is_what_its_installed_distribution_is(
    tmp_path: Path, install: Callable[..., None]
) -> None:
    wheel = everything(tmp_path)
    venv = make_venv(tmp_path / "venv")
    install(venv, wheel)
    # pip and uv note that it came from a path in direct_url.json, which is left out.
    python = find_interpreter(str(venv), tmp_path, Forgetful())
    (installed,) = find_environment(python, project=tmp_path / "no", memo=Forgetful()).groups
    (group,) = of_wheels([wheel], python.version)
    paths = {entry.path for entry in group.entries()}
    assert paths == {entry.path for entry in installed.entries()}
    assert described(group) == described(installed)


def test_wheels_that_share_a_file_are_what_they_are_when_installed(tmp_path: Path) -> None:
    shared = {"corp/__init__.py": "", "corp/py.typed": ""}
    one = make_wheel(tmp_path, "corp-one", files={**shared, "corp/one.py": "1"})
    two = make_wheel(tmp_path, "corp-two", files={**shared, "corp/two.py": "2"})
    venv = make_venv(tmp_path / "venv")
    pip_install(venv, two, one)
    python = find_interpreter(str(venv), tmp_path, Forgetful())
    installed = find_environment(python, project=tmp_path / "no", memo=Forgetful()).groups
    groups = of_wheels([two, one], python.version)
    by_key = {group.key: described(group) for group in groups}
    assert by_key == {group.key: described(group) for group in installed}
    owners = [g.key for g in groups if any(e.path.endswith("corp/py.typed") for e in g.entries())]
    assert owners == ["corp-one"]


def test_popular_wheels_are_what_they_are_when_installed(popular: Path, tmp_path: Path) -> None:
    wheels = sorted(popular.glob("*.whl"))
    assert len(wheels) >= 5
    venv = make_venv(tmp_path / "venv")
    pip_install(venv, "--ignore-installed", *wheels)
    python = find_interpreter(str(venv), tmp_path, Forgetful())
    installed = find_environment(python, project=tmp_path / "no", memo=Forgetful()).groups
    groups = of_wheels(wheels, python.version)
    by_key = {group.key: group for group in installed}
    assert len(groups) == len(installed)
    for group in groups:
        assert described(group) == described(by_key[group.key]), group.name
