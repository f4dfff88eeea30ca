"""Lock files that others wrote: uv, Poetry, and whoever writes a pylock.toml."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sematic.oci.cli import main
from sematic.oci.errors import RequirementsError
from tests.oci.requirements.conftest import Make
from tests.oci.requirements.made import git, sources
from tests.oci.requirements.test_resolving import distributions
from tests.oci.wheels.made import make_wheel, sha256
from tests.peers.index import Index
from tests.projects import write_tree

PYPROJECT = """
[project]
name = "app"
version = "1"
requires-python = ">=3.10,<4"
dependencies = ["one>=1"]
[project.optional-dependencies]
quick = ["fast"]
"""
UV_GROUPS = """
[dependency-groups]
dev = ["dev"]
jobs = ["three"]
"""
POETRY_GROUPS = """
[tool.poetry]
package-mode = false
[tool.poetry.group.dev.dependencies]
dev = "*"
[tool.poetry.group.jobs.dependencies]
three = "*"
two = {version = "*", markers = "sys_platform == 'linux'"}
"""
# Name, version, groups and whatever else Poetry 2.5 writes of each package of these two.
POETRY_PACKAGES = (
    ("backport", "1.0", ["main"], 'markers = "python_version == \\"3.10\\""'),
    ("dev", "1.0", ["dev"], ""),
    ("fast", "1.0", ["main"], 'optional = true\nmarkers = "extra == \\"quick\\""'),
    ("one", "1.0", ["main"], '[package.dependencies]\ntwo = ">=1"'),
    ("three", "1.0", ["jobs"], ""),
    ("two", "1.5", ["main", "jobs"], 'markers = {jobs = "sys_platform == \\"linux\\""}'),
)
POETRY_REST = """
[extras]
quick = ["fast"]

[metadata]
lock-version = "2.1"
python-versions = ">=3.10,<4"
content-hash = "CONTENT"
"""
CONTENT = "15709854e3650afc6eb05dfa3d300359b5a5808eb1639d2beae867c774a9fb91"


@pytest.fixture
def wheels(packages: Index) -> dict[str, Path]:
    folder = packages.folder
    made = {
        "one": make_wheel(folder, "one", requires=["two>=1"]),
        "two": make_wheel(folder, "two", "1.5"),
    }
    return made | {name: make_wheel(folder, name) for name in ("backport", "dev", "fast", "three")}


def poetry_package(name: str, version: str, groups: list[str], more: str, wheel: Path) -> str:
    return (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\npython-versions = "*"\n'
        f'groups = {json.dumps(groups)}\nfiles = [{{file = "{wheel.name}", '
        f'hash = "sha256:{sha256(wheel)}"}}]\n{more}\n'
    )


@pytest.fixture
def poetry_lock(project: Path, wheels: dict[str, Path]) -> Path:
    (project / "pyproject.toml").write_text(PYPROJECT + POETRY_GROUPS)
    packages = [poetry_package(*package, wheels[package[0]]) for package in POETRY_PACKAGES]
    text = "\n".join([*packages, POETRY_REST.replace("CONTENT", CONTENT)])
    (project / "poetry.lock").write_text(text)
    return project / "poetry.lock"


@pytest.fixture
def uv_lock(project: Path, wheels: dict[str, Path]) -> Path:
    (project / "pyproject.toml").write_text(PYPROJECT + UV_GROUPS)
    return lock_with_uv(project)


def lock_with_uv(folder: Path) -> Path:
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "lock", "-q", "--python", sys.executable], cwd=folder, check=True)
    return folder / "uv.lock"


@pytest.fixture(params=["uv_lock", "poetry_lock"])
def lock(request: pytest.FixtureRequest) -> Path:
    """The same in the words of either."""
    made: Path = request.getfixturevalue(request.param)
    return made


def test_a_lock_gives_the_project_and_those_groups_that_are_named(lock: Path, make: Make) -> None:
    assert distributions(make(lock.name)) == ["one 1.0", "two 1.5"]
    built = make(lock.name, extras=("quick",), groups=("jobs",))
    assert distributions(built) == ["fast 1.0", "one 1.0", "three 1.0", "two 1.5"]


def test_a_lock_that_is_out_of_date_is_refused(lock: Path, make: Make) -> None:
    path = lock.with_name("pyproject.toml")
    path.write_text(path.read_text().replace('"one>=1"', '"one>=1", "three"'))
    with pytest.raises(RequirementsError) as caught:
        make(lock.name)
    assert lock.name in str(caught.value)
    renewing = {"uv.lock": "run `uv lock`", "poetry.lock": "run `poetry lock`"}
    assert renewing[lock.name] in str(caught.value)


MEMBER = """
[project]
name = "NAME"
version = "1"
requires-python = ">=3.10"
dependencies = DEPENDENCIES
[tool.uv]
package = false
[tool.uv.sources]
lib = {workspace = true}
"""


def test_a_project_of_a_workspace_has_what_it_requires_itself(
    packages: Index, wheels: dict[str, Path], project: Path, make: Make
) -> None:
    lib = sources("lib")
    lib["pyproject.toml"] += 'requires-python = ">=3.10"\ndependencies = ["two"]\n'
    app = MEMBER.replace("NAME", "app").replace("DEPENDENCIES", '["lib", "one"]')
    root = MEMBER.replace("NAME", "root").replace("DEPENDENCIES", '["three"]')
    write_tree(project.parent, {"lib/" + path: text for path, text in lib.items()})
    write_tree(project, {"pyproject.toml": app})
    (project.parent / "pyproject.toml").write_text(
        f'{root}[tool.uv.workspace]\nmembers = ["{project.name}", "lib"]\n'
    )
    lock_with_uv(project.parent)
    assert distributions(make("../uv.lock")) == ["lib 1.0", "one 1.0", "two 1.5"]
    (project / "pyproject.toml").write_text(app.replace('"one"', '"three"'))
    with pytest.raises(RequirementsError, match=r"uv\.lock is out of date"):
        make("../uv.lock")


def test_a_poetry_lock_may_name_commits(
    poetry_lock: Path, make: Make, repository: Path, notes: list[str]
) -> None:
    commit = git(repository, "rev-parse", "HEAD").strip()
    package = (
        '[[package]]\nname = "own"\nversion = "1.0"\npython-versions = "*"\ngroups = ["main"]\n'
        f'files = []\n[package.source]\ntype = "git"\nurl = "file://{repository}"\n'
        f'reference = "main"\nresolved_reference = "{commit}"\nsubdirectory = "python"\n'
    )
    poetry_lock.write_text(package + poetry_lock.read_text())
    assert distributions(make("poetry.lock")) == ["one 1.0", "own 1.0", "two 1.5"]


def test_a_poetry_lock_without_groups_is_refused(poetry_lock: Path, make: Make) -> None:
    poetry_lock.write_text(poetry_lock.read_text().replace('"2.1"', '"2.0"'))
    with pytest.raises(RequirementsError, match="run `poetry lock` of Poetry 2"):
        make("poetry.lock")


def test_a_wheel_whose_hash_is_not_in_the_poetry_lock_is_refused(
    poetry_lock: Path, packages: Index, make: Make
) -> None:
    make_wheel(packages.folder, "two", "1.5", files={"two/new.py": ""})
    with pytest.raises(RequirementsError, match=r"no file of two 1\.5 has a hash that is given"):
        make("poetry.lock")


def pylock(packages: Index, *wheels: Path, more: str = "") -> str:
    text = 'lock-version = "1.0"\ncreated-by = "hand"\n'
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        url = f"{packages.url.removesuffix('simple/')}files/{wheel.name}"
        text += (
            f'[[packages]]\nname = "{name.replace("_", "-")}"\nversion = "{version}"\n{more}'
            f'wheels = [{{ url = "{url}", hashes = {{ sha256 = "{sha256(wheel)}" }} }}]\n'
        )
    return text


def test_a_pylock_is_taken_as_it_is(
    packages: Index, wheels: dict[str, Path], project: Path, make: Make
) -> None:
    (project / "pylock.toml").write_text(pylock(packages, wheels["one"], wheels["two"]))
    assert distributions(make("pylock.toml")) == ["one 1.0", "two 1.5"]
    assert all(path.startswith("/files/") for path, _, _ in packages.asked)


def test_a_pylock_may_name_files_beside_it(project: Path, make: Make) -> None:
    wheel = make_wheel(project / "wheels", "one")
    (project / "pylock.prod.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "hand"\n[[packages]]\nname = "one"\n'
        f'wheels = [{{ path = "wheels/{wheel.name}", '
        f'hashes = {{ sha256 = "{sha256(wheel)}" }} }}]\n'
    )
    assert distributions(make("pylock.prod.toml", exclude=("wheels/",))) == ["one 1.0"]


def test_a_pylock_without_a_wheel_that_fits_says_which_there_are(
    packages: Index, project: Path, make: Make
) -> None:
    wheel = make_wheel(packages.folder, "native", tag="cp311-cp311-win_amd64")
    (project / "pylock.toml").write_text(pylock(packages, wheel))
    with pytest.raises(RequirementsError) as caught:
        make("pylock.toml")
    assert str(caught.value).startswith("pylock.toml cannot be installed for Python 3.11 on linux")
    assert str(caught.value).endswith(f"There are {wheel.name}")


def test_a_pylock_is_for_minor_versions_of_python(project: Path, make: Make) -> None:
    text = (
        'lock-version = "1.0"\ncreated-by = "hand"\nrequires-python = ">=3.11.7"\npackages = []\n'
    )
    (project / "pylock.toml").write_text(text)
    assert distributions(make("pylock.toml")) == []
    (project / "pylock.toml").write_text(text.replace("3.11.7", "3.12"))
    with pytest.raises(RequirementsError, match=r"does not satisfy .* '>=3\.12'"):
        make("pylock.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("what?", "is not TOML"),
        (
            'lock-version = "9.0"\ncreated-by = "x"\npackages = []\n',
            "no lock file that can be read",
        ),
        ('lock-version = "1.0"\n', "no lock file that can be read"),
    ],
)
def test_what_is_no_pylock_is_refused(project: Path, make: Make, text: str, message: str) -> None:
    (project / "pylock.toml").write_text(text)
    with pytest.raises(RequirementsError, match=rf"pylock\.toml is {message}|{message}"):
        make("pylock.toml")


def test_lock_writes_a_pylock_for_every_platform_without_secrets(
    packages: Index, project: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for machine in ("x86_64", "aarch64"):
        make_wheel(packages.folder, "native", tag=f"cp311-cp311-manylinux_2_17_{machine}")
    make_wheel(
        packages.folder, "one", requires=["native", "only-arm; platform_machine == 'aarch64'"]
    )
    make_wheel(packages.folder, "only-arm")
    login = packages.url.replace("http://", "http://me:s3cret@")
    monkeypatch.setenv("UV_DEFAULT_INDEX", login)
    (project / "requirements.txt").write_text("one\n")
    assert main(["lock", str(project), "--requirements", str(project / "requirements.txt")]) == 0
    assert "s3cret" not in (project / "pylock.toml").read_text()
    make_wheel(packages.folder, "one", "2.0")
    arm64 = make("pylock.toml", platform="linux/arm64")
    assert distributions(arm64) == ["native 1.0", "one 1.0", "only-arm 1.0"]
    amd64 = make("pylock.toml", platform="linux/amd64")
    assert distributions(amd64) == ["native 1.0", "one 1.0"]


def test_lock_wants_files_that_are_no_locks(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lock", str(project)]) == 1
    assert "no file says what is required" in capsys.readouterr().err
    (project / "uv.lock").touch()
    (project / "pyproject.toml").touch()
    assert main(["lock", str(project), "--requirements", str(project / "uv.lock")]) == 1
    assert "is a lock file already" in capsys.readouterr().err
