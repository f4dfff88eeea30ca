"""`login` and `logout`: how a registry may be written, and what is said of bad input."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sematic.oci.cli import main

HUB = "https://index.docker.io/v1/"


@pytest.fixture
def config() -> Path:
    path = Path.home() / ".docker/config.json"
    path.parent.mkdir()
    return path


def write_auths(path: Path, *keys: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": {key: {"auth": "bWU6c2VjcmV0"} for key in keys}}))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("registry.example.com", "registry.example.com"),
        ("Registry.Example.com/", "registry.example.com"),
        ("registry.example.com:5000", "registry.example.com:5000"),
        ("https://registry.example.com/v2/", "registry.example.com"),
        ("http://localhost", "localhost"),
        ("[::1]:5000", "[::1]:5000"),
        ("registry.example.com/team/app", "registry.example.com/team/app"),
        ("docker.io", HUB),
        ("index.docker.io", HUB),
        ("registry-1.docker.io", HUB),
        (HUB, HUB),
        ("docker.io/team", "docker.io/team"),
    ],
)
def test_a_registry_may_be_written_in_several_ways(
    text: str, key: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_auths(config, key, "other.example.com")
    assert main(["logout", text]) == 0
    assert list(json.loads(config.read_text())["auths"]) == ["other.example.com"]
    captured = capsys.readouterr()
    assert "logged out of " in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    "text",
    [
        *("", "registry", "https://", "registry.example.com/Team", "registry.example.com//x"),
        *("registry.example.com/app:v1", "registry.example.com:port", "a b.c", "x.-"),
    ],
)
@pytest.mark.parametrize("command", ["login", "logout"])
def test_what_no_image_could_be_in_is_no_registry(
    command: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, text]) == 1
    assert "is no registry: write HOST[:PORT]" in capsys.readouterr().err


def test_who_is_not_logged_in_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logout", "registry.example.com"]) == 0
    assert capsys.readouterr().err == "not logged in to registry.example.com\n"


def test_what_still_gives_credentials_is_told(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    podmans = Path.home() / ".config/containers/auth.json"
    write_auths(config, "r.io/team", "r.io")
    write_auths(podmans, "r.io", "other.io")
    monkeypatch.setenv("SEMATIC_REGISTRY_USERNAME", "you")
    monkeypatch.setenv("SEMATIC_REGISTRY_PASSWORD", "secret")
    assert main(["logout", "r.io/team"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"logged out of r.io/team; removed from {config}",
        "note: credentials for r.io/team still come from SEMATIC_REGISTRY_USERNAME (user 'you')",
        f"note: credentials for r.io/team still come from {config} (user 'me')",
        f"note: credentials for r.io/team still come from {podmans} (user 'me')",
    ]


def test_a_broken_file_elsewhere_does_not_hinder_a_logout(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_auths(config, "r.io")
    write_auths(podmans := Path.home() / ".config/containers/auth.json")
    podmans.write_text("{")
    assert main(["logout", "r.io"]) == 0
    assert f"note: {podmans}" in capsys.readouterr().err
    assert json.loads(config.read_text()) == {"auths": {}}


@pytest.mark.parametrize("command", ["login", "logout"])
def test_a_file_that_is_not_json_is_told_before_anything_else(
    command: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("{")
    assert main([command, "r.io"]) == 1
    assert f"{config}, where" in capsys.readouterr().err
    assert config.read_text() == "{"


@contextmanager
def piped(data: bytes) -> Iterator[None]:
    """These bytes at file descriptor 0."""
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    before = os.dup(0)
    os.dup2(reader, 0)
    try:
        yield
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reader)


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        ([], b"secret", "terminal only"),
        (["-u", "me"], b"secret", "--username NAME --password-stdin"),
        (["--password-stdin"], b"secret", "--username"),
        (["-u", "me", "--password-stdin"], b"", "the password for r.io is empty"),
        (["-u", "me", "--password-stdin"], b"\r\n", "is empty"),
        (["-u", "me", "--password-stdin"], b"secret\xff", "is not text in UTF-8"),
        (["-u", "m:e", "--password-stdin"], b"secret", "has a colon"),
    ],
)
def test_a_user_name_and_a_password_are_wanted(
    arguments: list[str], stdin: bytes, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with piped(stdin):
        assert main(["login", "r.io", *arguments]) == 1
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.out == ""
    assert "secret" not in captured.err


@pytest.mark.parametrize(
    "arguments", [["--password", "secret"], ["--password=secret"], ["-psecret"]]
)
def test_a_password_is_no_argument(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["login", "r.io", "-u", "me", *arguments])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "--password-stdin" in said and "secret" not in said
