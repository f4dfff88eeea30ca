"""Lock files that others wrote: uv, Poetry, and whoever writes a pylock.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sematic.oci.cli import main
from sematic.oci.errors import RequirementsError
from tests.oci.requirements.conftest import Make
from tests.oci.requirements.test_resolving import distributions
from tests.oci.wheels.made import make_wheel, sha256
from tests.peers.index import Index

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
# As Poetry 2.5 writes it for these two; only the hashes of the files are filled in.
POETRY_LOCK = """
[[package]]
name = "backport"
version = "1.0"
optional = false
python-versions = "*"
groups = ["main"]
markers = "python_version == \\"3.10\\""
files = [{file = "backport-1.0-py3-none-any.whl", hash = "sha256:BACKPORT"}]

[[package]]
name = "dev"
version = "1.0"
optional = false
python-versions = "*"
groups = ["dev"]
files = [{file = "dev-1.0-py3-none-any.whl", hash = "sha256:DEV"}]

[[package]]
name = "fast"
version = "1.0"
optional = true
python-versions = "*"
groups = ["main"]
markers = "extra == \\"quick\\""
files = [{file = "fast-1.0-py3-none-any.whl", hash = "sha256:FAST"}]

[[package]]
name = "one"
version = "1.0"
optional = false
python-versions = "*"
groups = ["main"]
files = [{file = "one-1.0-py3-none-any.whl", hash = "sha256:ONE"}]
[package.dependencies]
two = ">=1"

[[package]]
name = "three"
version = "1.0"
optional = false
python-versions = "*"
groups = ["jobs"]
files = [{file = "three-1.0-py3-none-any.whl", hash = "sha256:THREE"}]

[[package]]
name = "two"
version = "1.5"
optional = false
python-versions = "*"
groups = ["main", "jobs"]
files = [{file = "two-1.5-py3-none-any.whl", hash = "sha256:TWO"}]
markers = {jobs = "sys_platform == \\"linux\\""}

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


@pytest.fixture
def poetry_lock(project: Path, wheels: dict[str, Path]) -> Path:
    (project / "pyproject.toml").write_text(PYPROJECT + POETRY_GROUPS)
    text = POETRY_LOCK.replace("CONTENT", CONTENT)
    for name, path in wheels.items():
        text = text.replace(f"sha256:{name.upper()}", f"sha256:{sha256(path)}")
    (project / "poetry.lock").write_text(text)
    return project / "poetry.lock"


@pytest.fixture
def uv_lock(project: Path, wheels: dict[str, Path]) -> Path:
    (project / "pyproject.toml").write_text(PYPROJECT + UV_GROUPS)
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "lock", "-q", "--python", sys.executable], cwd=project, check=True)
    return project / "uv.lock"


def test_a_uv_lock_gives_the_project_without_its_groups(uv_lock: Path, make: Make) -> None:
    assert distributions(make("uv.lock")) == ["one 1.0", "two 1.5"]
    built = make("uv.lock", extras=("quick",), groups=("jobs",))
    assert distributions(built) == ["fast 1.0", "one 1.0", "three 1.0", "two 1.5"]


def test_a_uv_lock_that_is_out_of_date_is_refused(uv_lock: Path, make: Make) -> None:
    path = uv_lock.with_name("pyproject.toml")
    path.write_text(path.read_text().replace('"one>=1"', '"one>=1", "three"'))
    with pytest.raises(RequirementsError, match=r"lockfile at `uv\.lock` needs to be updated"):
        make("uv.lock")


def test_a_poetry_lock_gives_the_main_group(poetry_lock: Path, make: Make) -> None:
    assert distributions(make("poetry.lock")) == ["one 1.0", "two 1.5"]
    built = make("poetry.lock", extras=("quick",), groups=("jobs",))
    assert distributions(built) == ["fast 1.0", "one 1.0", "three 1.0", "two 1.5"]


def test_a_poetry_lock_that_is_out_of_date_is_refused(poetry_lock: Path, make: Make) -> None:
    path = poetry_lock.with_name("pyproject.toml")
    path.write_text(path.read_text().replace('"one>=1"', '"one>=1", "three"'))
    with pytest.raises(RequirementsError, match=r"poetry\.lock is out of date.*`poetry lock`"):
        make("poetry.lock")


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
