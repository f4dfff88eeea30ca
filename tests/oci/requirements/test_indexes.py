"""Which indexes count, and where logins for them are found: as for uv, else as for pip."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sematic.oci.errors import RequirementsError
from tests.oci.requirements.conftest import Make
from tests.oci.requirements.test_lock_files import lock_with_uv
from tests.oci.requirements.test_resolving import distributions
from tests.oci.wheels.made import make_wheel
from tests.peers.index import Index, index

PYPROJECT = """
[project]
name = "app"
version = "1"
requires-python = ">=3.10"
dependencies = ["one"]
[[tool.uv.index]]
name = "own-one"
url = "URL"
"""


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither uv nor pip is told of an index."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) and name != "UV_CACHE_DIR":
            monkeypatch.delenv(name)
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(empty))
    pip = tmp_path / "pip.conf"
    pip.write_text("[global]\nindex-url = http://127.0.0.1:1/simple/\nextra-index-url =\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(pip))


def in_place(text: str, private: Index) -> str:
    text = text.replace("LOGIN", private.url_with_login).replace("URL", private.url)
    return text.replace("PORT", str(private.port))


LOGINS: dict[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "uv's default index": ({"UV_DEFAULT_INDEX": "LOGIN"}, {}),
    "uv's older name for it": ({"UV_INDEX_URL": "LOGIN"}, {}),
    "uv's other indexes": ({"UV_DEFAULT_INDEX": "URL", "UV_INDEX": "LOGIN"}, {}),
    "an index of uv with a name": (
        {
            "UV_DEFAULT_INDEX": "URL",
            "UV_INDEX": "own-one=URL",
            "UV_INDEX_OWN_ONE_USERNAME": "me",
            "UV_INDEX_OWN_ONE_PASSWORD": "s3cret",
        },
        {},
    ),
    "an index in pyproject.toml": (
        {"UV_INDEX_OWN_ONE_USERNAME": "me", "UV_INDEX_OWN_ONE_PASSWORD": "s3cret"},
        {"pyproject.toml": PYPROJECT},
    ),
    "pip's index": ({"PIP_INDEX_URL": "LOGIN"}, {}),
    "pip's other index": ({"PIP_INDEX_URL": "URL", "PIP_EXTRA_INDEX_URL": "LOGIN"}, {}),
    "pip's configuration": ({}, {"../pip.conf": "[global]\nindex-url = LOGIN\n"}),
    "the requirements": ({}, {"requirements.txt": "--index-url LOGIN\none\n"}),
    "the requirements with a variable": (
        {"INDEX_PASSWORD": "s3cret"},
        {
            "requirements.txt": "--index-url=http://me:${INDEX_PASSWORD}@127.0.0.1:PORT/simple/\none\n"
        },
    ),
    "netrc": (
        {"UV_DEFAULT_INDEX": "URL", "NETRC": "netrc"},
        {"netrc": "machine 127.0.0.1 login me password s3cret\n"},
    ),
}


@pytest.mark.parametrize("where", LOGINS)
@pytest.mark.usefixtures("unconfigured")
def test_a_login_is_found_for_resolving_and_for_fetching(
    private: Index,
    project: Path,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    where: str,
) -> None:
    variables, files = LOGINS[where]
    for path, text in {"requirements.txt": "one\n", **files}.items():
        (project / path).write_text(in_place(text, private))
        (project / path).chmod(0o600)
    for name, value in variables.items():
        monkeypatch.setenv(name, in_place(value, private))
    monkeypatch.chdir(project)
    assert distributions(make("requirements.txt", cache=tmp_path / "cache")) == ["one 1.0"]
    for kept in (tmp_path / "cache").rglob("*"):
        assert not kept.is_file() or b"s3cret" not in kept.read_bytes()


@pytest.fixture
def keyring(private: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The program keyring, which knows a password for an index."""
    folder = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyrings.alt.file.PlaintextKeyring")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    command = ["keyring", "set", private.url, "me"]
    subprocess.run(command, input="s3cret", text=True, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("variables", "file"),
    [
        ({"UV_DEFAULT_INDEX": "USER", "UV_KEYRING_PROVIDER": "subprocess"}, ""),
        ({"UV_DEFAULT_INDEX": "USER"}, '[tool.uv.pip]\nkeyring-provider = "subprocess"\n'),
        ({"PIP_INDEX_URL": "USER", "PIP_KEYRING_PROVIDER": "subprocess"}, ""),
    ],
)
@pytest.mark.usefixtures("unconfigured", "keyring")
def test_a_keyring_is_asked_where_uv_or_pip_ask_one(
    private: Index,
    project: Path,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    variables: Mapping[str, str],
    file: str,
) -> None:
    (project / "requirements.txt").write_text("one\n")
    (project / "pyproject.toml").write_text(file)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("USER", private.url.replace("://", "://me@")))
    assert distributions(make("requirements.txt")) == ["one 1.0"]
    monkeypatch.setenv("UV_KEYRING_PROVIDER", "disabled")
    with pytest.raises(RequirementsError, match=r"401 Unauthorized"):
        make("requirements.txt", cache=project.parent / "another machine's", upgrade=True)


@pytest.fixture
def other(tmp_path: Path, packages: Index) -> Iterator[Index]:
    """An index beside the usual one: a special ``native``, and an old ``one``."""
    with index(tmp_path / "other") as made:
        tag = "cp311-cp311-manylinux_2_28_x86_64"
        make_wheel(made.folder, "native", "2.0+cpu", tag=tag)
        make_wheel(made.folder, "one", "0.9")
        make_wheel(packages.folder, "native", "2.0")
        make_wheel(packages.folder, "one", "1.0")
        yield made


def test_of_several_indexes_that_pip_would_look_at_the_best_version_counts(
    packages: Index, other: Index, project: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", packages.url)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    (project / "requirements.txt").write_text(f"--extra-index-url {other.url}\nnative\none\n")
    assert distributions(make("requirements.txt")) == ["native 2.0+cpu", "one 1.0"]
    (project / "requirements.txt").write_text("native\none\n")
    assert distributions(make("requirements.txt")) == ["native 2.0", "one 1.0"]


@pytest.mark.parametrize("file", ["pyproject.toml", "uv.lock"])
def test_an_index_of_uv_is_for_what_it_is_named_for(
    other: Index, project: Path, make: Make, file: str
) -> None:
    text = PYPROJECT.replace("URL", other.url).replace('["one"]', '["native", "one"]')
    text += 'explicit = true\n[tool.uv.sources]\nnative = { index = "own-one" }\n'
    (project / "pyproject.toml").write_text(text)
    lock_with_uv(project)
    assert distributions(make(file)) == ["native 2.0+cpu", "one 1.0"]
