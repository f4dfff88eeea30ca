from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sematic.oci.errors import Denied
from sematic.oci.registry.credentials import Credential, Credentials

HOST = "registry.example.com"


def auth(user: str = "me", password: str = "secret") -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}


def write(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def helper(tmp_path: Path, name: str, script: str) -> Path:
    """A credential helper that notes down that it ran."""
    calls = tmp_path / f"{name}.calls"
    path = write(
        tmp_path / f"bin/docker-credential-{name}",
        f'#!/bin/sh\nread host; echo "$1 $host" >> {calls}\n{script}\n',
    )
    path.chmod(0o755)
    return calls


def docker(tmp_path: Path, **config: Any) -> Path:
    return write(tmp_path / ".docker/config.json", config)


def test_nothing_configured_is_no_credential(environ: dict[str, str]) -> None:
    assert Credentials(environ=environ).find(HOST) is None


@pytest.mark.parametrize(
    "key", [HOST, f"https://{HOST}", f"https://{HOST}/v2/", f"{HOST}/v1/", f"http://{HOST}/"]
)
def test_docker_config_has_hosts_and_urls_as_keys(
    key: str, environ: dict[str, str], tmp_path: Path
) -> None:
    path = docker(tmp_path, auths={"other": {"auth": auth("you")}, key: {"auth": auth()}})
    found = Credentials(environ=environ).find(HOST)
    assert found == Credential("me", "secret", source=str(path))


@pytest.mark.parametrize(
    "key", [f"{HOST}:5000", f"{HOST}/team/app", f"{HOST}/v2ray", "example.com", f"x.{HOST}"]
)
def test_no_other_host_counts(key: str, environ: dict[str, str], tmp_path: Path) -> None:
    docker(tmp_path, auths={key: {"auth": auth()}})
    assert Credentials(environ=environ).find(HOST) is None


def test_podman_keeps_credentials_for_parts_of_a_registry(
    environ: dict[str, str], tmp_path: Path
) -> None:
    users = {HOST: "all", f"{HOST}/team": "team", f"{HOST}/team/app": "app"}
    auths = {key: {"auth": auth(user)} for key, user in users.items()}
    write(tmp_path / ".config/containers/auth.json", {"auths": auths})
    credentials = Credentials(environ=environ)
    found = {
        name: credentials.find(f"{HOST}/{name}")
        for name in ("team/app", "team/app/sub", "team/other", "teams/app", "app")
    }
    assert {name: credential and credential.username for name, credential in found.items()} == {
        "team/app": "app",
        "team/app/sub": "app",
        "team/other": "team",
        "teams/app": "all",
        "app": "all",
    }


def test_a_helper_is_asked_once_for_all_repositories(
    environ: dict[str, str], tmp_path: Path
) -> None:
    calls = helper(tmp_path, "keeper", """echo '{"Username": "me", "Secret": "secret"}'""")
    docker(tmp_path, credsStore="keeper")
    credentials = Credentials(environ=environ)
    assert credentials.find(f"{HOST}/one") == credentials.find(f"{HOST}/two") is not None
    assert calls.read_text() == f"get {HOST}\n"


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io"])
def test_docker_hub_has_several_names(key: str, environ: dict[str, str], tmp_path: Path) -> None:
    docker(tmp_path, auths={key: {"auth": auth()}})
    found = Credentials(environ=environ).find("docker.io")
    assert found and found.username == "me"


def test_an_entry_may_have_user_name_and_password(environ: dict[str, str], tmp_path: Path) -> None:
    docker(tmp_path, auths={HOST: {"username": "me", "password": "se:cret"}})
    found = Credentials(environ=environ).find(HOST)
    assert found and (found.username, found.password) == ("me", "se:cret")


def test_an_entry_may_have_tokens(environ: dict[str, str], tmp_path: Path) -> None:
    tokens = {"identitytoken": "identity", "registrytoken": "registry"}
    docker(tmp_path, auths={HOST: {"auth": auth("me", ""), **tokens}})
    found = Credentials(environ=environ).find(HOST)
    assert found and (found.identity_token, found.registry_token) == ("identity", "registry")


def test_an_empty_entry_is_none(environ: dict[str, str], tmp_path: Path) -> None:
    docker(tmp_path, auths={HOST: {}})
    assert Credentials(environ=environ).find(HOST) is None


def test_an_entry_that_is_not_base64_is_an_error(environ: dict[str, str], tmp_path: Path) -> None:
    path = docker(tmp_path, auths={HOST: {"auth": "???"}})
    with pytest.raises(Denied, match=f"{path}.*{HOST}"):
        Credentials(environ=environ).find(HOST)


def test_a_file_that_is_not_json_is_an_error(environ: dict[str, str], tmp_path: Path) -> None:
    path = write(tmp_path / ".docker/config.json", "{")
    with pytest.raises(Denied, match=str(path)):
        Credentials(environ=environ).find(HOST)


def test_docker_config_replaces_the_one_in_the_home(
    environ: dict[str, str], tmp_path: Path
) -> None:
    docker(tmp_path, auths={HOST: {"auth": auth("home")}})
    write(tmp_path / "other/config.json", {"auths": {HOST: {"auth": auth("other")}}})
    found = Credentials(environ={**environ, "DOCKER_CONFIG": str(tmp_path / "other")}).find(HOST)
    assert found and found.username == "other"


@pytest.mark.parametrize(
    ("variable", "value", "file"),
    [
        ("REGISTRY_AUTH_FILE", "own.json", "own.json"),
        ("XDG_RUNTIME_DIR", "run", "run/containers/auth.json"),
        ("UNSET", "", ".config/containers/auth.json"),
    ],
)
def test_podman_keeps_credentials_in_several_places(
    variable: str, value: str, file: str, environ: dict[str, str], tmp_path: Path
) -> None:
    path = write(tmp_path / file, {"auths": {HOST: {"auth": auth()}}})
    found = Credentials(environ={**environ, variable: str(tmp_path / value)}).find(HOST)
    assert found and found.source == str(path)


def test_the_file_that_is_named_comes_first(environ: dict[str, str], tmp_path: Path) -> None:
    docker(tmp_path, auths={HOST: {"auth": auth("docker")}})
    named = write(tmp_path / "named", {"auths": {HOST: {"auth": auth("named")}}})
    found = Credentials(environ={**environ, "REGISTRY_AUTH_FILE": str(named)}).find(HOST)
    assert found and found.username == "named"


def test_a_helper_is_asked_once(environ: dict[str, str], tmp_path: Path) -> None:
    calls = helper(tmp_path, "x", """echo '{"Username": "me", "Secret": "secret"}'""")
    docker(tmp_path, credHelpers={HOST: "x"})
    credentials = Credentials(environ=environ)
    found = credentials.find(HOST)
    assert (
        found == credentials.find(HOST) == Credential("me", "secret", source="docker-credential-x")
    )
    assert calls.read_text() == f"get {HOST}\n"


def test_a_helper_is_asked_for_docker_hub_by_its_url(
    environ: dict[str, str], tmp_path: Path
) -> None:
    calls = helper(tmp_path, "x", """echo '{"Username": "me", "Secret": "secret"}'""")
    docker(tmp_path, credsStore="x")
    assert Credentials(environ=environ).find("docker.io")
    assert calls.read_text() == "get https://index.docker.io/v1/\n"


def test_a_helper_may_give_an_identity_token(environ: dict[str, str], tmp_path: Path) -> None:
    helper(tmp_path, "x", """echo '{"Username": "<token>", "Secret": "identity"}'""")
    docker(tmp_path, credsStore="x")
    found = Credentials(environ=environ).find(HOST)
    assert found and found.identity_token == "identity" and not found.password


def test_a_helper_for_the_host_comes_before_the_store(
    environ: dict[str, str], tmp_path: Path
) -> None:
    helper(tmp_path, "x", """echo '{"Username": "x", "Secret": "secret"}'""")
    docker(tmp_path, credHelpers={HOST: "x"}, credsStore="missing")
    found = Credentials(environ=environ).find(HOST)
    assert found and found.username == "x"


def test_a_host_may_have_no_helper_in_spite_of_the_store(
    environ: dict[str, str], tmp_path: Path
) -> None:
    docker(tmp_path, credHelpers={HOST: ""}, credsStore="missing", auths={HOST: {"auth": auth()}})
    found = Credentials(environ=environ).find(HOST)
    assert found and found.username == "me"


def test_where_a_helper_has_nothing_the_files_count(
    environ: dict[str, str], tmp_path: Path
) -> None:
    helper(tmp_path, "x", "echo credentials not found in native keychain; exit 1")
    docker(tmp_path, credsStore="x", auths={HOST: {"auth": auth()}})
    found = Credentials(environ=environ).find(HOST)
    assert found and found.username == "me"


def test_a_missing_helper_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    path = docker(tmp_path, credsStore="absent")
    with pytest.raises(Denied, match=f"docker-credential-absent.*{path}"):
        Credentials(environ=environ).find(HOST)


def test_a_failing_helper_is_named_and_not_asked_again(
    environ: dict[str, str], tmp_path: Path
) -> None:
    calls = helper(tmp_path, "x", "echo the keychain is locked >&2; exit 1")
    docker(tmp_path, credsStore="x")
    credentials = Credentials(environ=environ)
    for _ in range(2):
        with pytest.raises(Denied, match=r"docker-credential-x.*the keychain is locked"):
            credentials.find(HOST)
    assert len(calls.read_text().splitlines()) == 1


def test_a_helper_has_a_time_limit(environ: dict[str, str], tmp_path: Path) -> None:
    helper(tmp_path, "x", "exec sleep 60")
    docker(tmp_path, credsStore="x")
    with pytest.raises(Denied, match=r"docker-credential-x.*within 0.05 s"):
        Credentials(environ=environ, helper_seconds=0.05).find(HOST)


def test_what_a_helper_says_wrongly_is_not_shown(environ: dict[str, str], tmp_path: Path) -> None:
    helper(tmp_path, "x", "echo secret")
    docker(tmp_path, credsStore="x")
    with pytest.raises(Denied) as caught:
        Credentials(environ=environ).find(HOST)
    assert "secret" not in str(caught.value)


def variables(environ: dict[str, str], **more: str) -> dict[str, str]:
    own = {"USERNAME": "me", "PASSWORD": "secret", **more}
    return {**environ, **{f"SEMATIC_REGISTRY_{name}": value for name, value in own.items()}}


def test_the_variables_are_for_the_target(environ: dict[str, str]) -> None:
    credentials = Credentials(HOST, variables(environ))
    found = credentials.find(HOST)
    assert found and found.username == "me"
    assert credentials.find("other.example.com") is None


def test_the_variables_are_for_the_host_that_is_named(environ: dict[str, str]) -> None:
    credentials = Credentials(HOST, variables(environ, HOST="other.example.com"))
    assert credentials.find(HOST) is None
    assert credentials.find("other.example.com")


def test_without_a_target_the_variables_are_for_nobody(environ: dict[str, str]) -> None:
    assert Credentials(environ=variables(environ)).find(HOST) is None


def test_the_variables_come_before_the_files(environ: dict[str, str], tmp_path: Path) -> None:
    docker(tmp_path, auths={HOST: {"auth": auth("docker")}})
    found = Credentials(HOST, variables(environ)).find(HOST)
    assert found and found.source == "SEMATIC_REGISTRY_USERNAME"


def test_one_variable_alone_is_an_error(environ: dict[str, str]) -> None:
    with pytest.raises(Denied, match="set both"):
        Credentials(HOST, variables(environ, PASSWORD="")).find(HOST)


def test_no_secret_is_shown() -> None:
    shown = Credential("me", "hidden1", "hidden2", "hidden3", "a file")
    assert "hidden" not in repr(shown) + str(shown)
    assert str(shown) == "a file (user 'me')"
