"""Files of an index on their way here: logins, faults, and what is not what it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from sematic.oci.errors import RequirementsError, WheelError
from tests.oci.requirements.conftest import Make
from tests.oci.requirements.test_lock_files import pylock
from tests.oci.requirements.test_resolving import distributions
from tests.oci.wheels.made import make_wheel, sha256
from tests.peers.index import Index


@pytest.fixture
def one(packages: Index, project: Path) -> Path:
    """A wheel, which the project has locked."""
    wheel = make_wheel(packages.folder, "one", files={"one/data.txt": "0123456789" * 5000})
    (project / "pylock.toml").write_text(pylock(packages, wheel))
    return wheel


def test_a_wheel_is_fetched_once(
    packages: Index, one: Path, make: Make, notes: list[str], tmp_path: Path
) -> None:
    make("pylock.toml")
    make("pylock.toml")
    assert packages.fetched() == [one.name]
    assert [note.partition(",")[0] for note in notes if "fetched" in note] == ["fetched one file"]
    make("pylock.toml", cache=tmp_path / "another machine's")
    assert packages.fetched() == [one.name] * 2


def test_what_is_cut_off_is_carried_on(packages: Index, one: Path, make: Make) -> None:
    packages.faults[one.name] = ["cut", "cut"]
    assert distributions(make("pylock.toml")) == ["one 1.0"]
    first, second, third = (wanted for _, _, wanted in packages.asked)
    size = one.stat().st_size
    assert (first, second) == ("", f"bytes={size // 2}-")
    assert third > second


def test_an_index_that_is_busy_is_asked_again(packages: Index, one: Path, make: Make) -> None:
    packages.faults[one.name] = [503, 429]
    assert distributions(make("pylock.toml")) == ["one 1.0"]
    assert [status for _, status, _ in packages.asked] == [503, 429, 200]


def test_a_file_that_has_been_replaced_is_refused(
    packages: Index, one: Path, make: Make, tmp_path: Path
) -> None:
    packages.replaced[one.name] = b"x" * one.stat().st_size
    with pytest.raises(WheelError) as caught:
        make("pylock.toml", cache=tmp_path / "cache")
    assert str(caught.value).startswith(f"{one.name} is sha256:")
    assert f"sha256:{sha256(one)} was locked" in str(caught.value)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.suffix == ".whl"]
    assert not list((tmp_path / "cache").rglob(".part-*"))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "does not have one-1.0-py3-none-any.whl of one 1.0 any more"),
        (403, "does not give one-1.0-py3-none-any.whl of one 1.0: it answered 403"),
    ],
)
def test_a_file_that_is_refused_is_named(
    packages: Index, one: Path, make: Make, status: int, message: str
) -> None:
    packages.faults[one.name] = [status]
    with pytest.raises(RequirementsError) as caught:
        make("pylock.toml")
    assert message in str(caught.value)


def test_an_index_that_is_down_is_named(
    packages: Index, one: Path, make: Make, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    text = (project / "pylock.toml").read_text()
    (project / "pylock.toml").write_text(text.replace(f":{packages.port}/", ":1/"))
    with pytest.raises(
        RequirementsError, match=r"cannot fetch one-1\.0.* of one 1\.0: 127\.0\.0\.1:1"
    ):
        make("pylock.toml")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple/")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    (project / "requirements.txt").write_text("one\n")
    with pytest.raises(
        RequirementsError, match=r"cannot resolve requirements\.txt(.|\n)*127\.0\.0\.1:1"
    ):
        make("requirements.txt")


def test_plain_http_is_for_hosts_that_are_named(project: Path, make: Make, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "one")
    (project / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "hand"\n[[packages]]\nname = "one"\n'
        f'wheels = [{{ url = "http://192.0.2.1/{wheel.name}", '
        f'hashes = {{ sha256 = "{sha256(wheel)}" }} }}]\n'
    )
    with pytest.raises(RequirementsError, match="it is not https"):
        make("pylock.toml")


def test_no_password_is_in_a_message(
    private: Index, project: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", private.url_with_login.replace("me:", "you:"))
    (project / "requirements.txt").write_text("one\n")
    with pytest.raises(RequirementsError) as caught:
        make("requirements.txt")
    assert "s3cret" not in str(caught.value)
    assert "401" in str(caught.value)
    assert "Logins are looked for in the index's address" in str(caught.value)
