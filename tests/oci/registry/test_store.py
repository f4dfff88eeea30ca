"""What a login leaves behind, and what a logout takes away."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sematic.oci.errors import Denied
from sematic.oci.registry.credentials import Credential, Credentials
from sematic.oci.registry.credentials.store import Store
from tests.oci.registry.keeper import Keeper

HOST = "registry.example.com"
HUB = "https://index.docker.io/v1/"
ME = Credential("me", "se:crét\n")
ENTRY = {"auth": base64.b64encode("me:se:crét\n".encode()).decode()}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where docker would keep logins. There is nothing yet."""
    return tmp_path / ".docker/config.json"


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path / "bin")


def write(path: Path, document: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_login_looks_as_dockers_does(file: Path, environ: dict[str, str]) -> None:
    assert Store(HOST, environ).keep(ME) == str(file)
    assert file.read_text().startswith(f'{{\n\t"auths": {{\n\t\t"{HOST}": {{\n\t\t\t"auth": "')
    assert json.loads(file.read_text()) == {"auths": {HOST: ENTRY}}
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    assert [path.name for path in file.parent.iterdir()] == ["config.json"]


def test_what_is_kept_is_found(environ: dict[str, str]) -> None:
    Store(HOST, environ).keep(ME)
    found = Credentials(environ=environ).find(HOST)
    assert found and (found.username, found.password) == (ME.username, ME.password)


def test_an_identity_token_takes_the_place_of_the_password(
    file: Path, environ: dict[str, str]
) -> None:
    Store(HOST, environ).keep(Credential("me", identity_token="identity"))
    auth = base64.b64encode(b"me:").decode()
    entry = {"auth": auth, "identitytoken": "identity"}
    assert json.loads(file.read_text()) == {"auths": {HOST: entry}}


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"DOCKER_CONFIG": "docker"}, "docker/config.json"),
        ({"DOCKER_CONFIG": "docker", "REGISTRY_AUTH_FILE": "own.json"}, "own.json"),
        ({"XDG_RUNTIME_DIR": "run"}, ".docker/config.json"),
    ],
)
def test_it_is_kept_where_it_is_looked_for_first(
    variables: dict[str, str], path: str, environ: dict[str, str], tmp_path: Path
) -> None:
    environ |= {name: str(tmp_path / value) for name, value in variables.items()}
    assert Store(HOST, environ).keep(ME) == str(tmp_path / path)
    assert (tmp_path / path).is_file()


def test_all_else_in_the_file_stays_as_it_was(file: Path, environ: dict[str, str]) -> None:
    before: dict[str, Any] = {
        "zebra": {"b": 1, "a": [1.5, None]},
        "auths": {
            "z.example.com": {"auth": "eDp5", "email": "x"},
            HOST: {"auth": "old"},
            "a.b": {},
        },
        "HttpHeaders": {"User-Agent": "ü"},
    }
    write(file, before)
    Store(HOST, environ).keep(ME)
    after = json.loads(file.read_text())
    before["auths"][HOST] = ENTRY
    assert json.dumps(after) == json.dumps(before)


@pytest.mark.parametrize(
    ("place", "others", "key"),
    [
        (HOST, [f"https://{HOST}/v2/", f"http://{HOST}", f"{HOST}/v1/"], HOST),
        ("docker.io", ["docker.io", "index.docker.io"], HUB),
        (f"{HOST}/team", [f"{HOST}/team"], f"{HOST}/team"),
        ("docker.io/team", [], "docker.io/team"),
    ],
)
def test_there_is_one_key_for_a_place(
    place: str, others: list[str], key: str, file: Path, environ: dict[str, str]
) -> None:
    neighbours: dict[str, Any] = {f"x.{HOST}": {}, f"{HOST}/other": {}, f"{HOST}:5000": {}}
    write(file, {"auths": {**neighbours, **{other: {"auth": "old"} for other in others}}})
    Store(place, environ).keep(ME)
    assert json.loads(file.read_text())["auths"] == {**neighbours, key: ENTRY}
    assert Store(place, environ).forget() == [str(file)]
    assert json.loads(file.read_text())["auths"] == neighbours


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": [1]}', "auths: yes", "\xff"])
def test_a_file_of_another_kind_is_not_touched(
    text: str, file: Path, environ: dict[str, str]
) -> None:
    write(file, text)
    with pytest.raises(Denied, match=rf"{file}.*\nRepair it"):
        Store(HOST, environ)
    assert file.read_text() == text


@pytest.mark.parametrize("text", ["", "\n", "{}", '{"auths": null}'])
def test_an_empty_file_is_filled(text: str, file: Path, environ: dict[str, str]) -> None:
    write(file, text)
    assert Store(HOST, environ).forget() == []
    Store(HOST, environ).keep(ME)
    assert json.loads(file.read_text()) == {"auths": {HOST: ENTRY}}


def test_links_are_followed(file: Path, environ: dict[str, str], tmp_path: Path) -> None:
    real = tmp_path / "dotfiles/docker.json"
    real.parent.mkdir()
    real.write_text('{"x": 1}')
    file.parent.mkdir()
    file.symlink_to("../dotfiles/docker.json")
    Store(HOST, environ).keep(ME)
    assert file.is_symlink()
    assert json.loads(real.read_text()) == {"x": 1, "auths": {HOST: ENTRY}}


def test_a_file_that_others_could_read_is_closed_and_stays_its_owners(
    file: Path, environ: dict[str, str]
) -> None:
    write(file, {})
    file.chmod(0o644)
    os.chown(file, 12345, 12345)
    Store(HOST, environ).keep(ME)
    assert (mode(file), file.stat().st_uid) == (0o600, 12345)


def test_logins_at_the_same_time_are_all_kept(file: Path, environ: dict[str, str]) -> None:
    hosts = [f"{number}.example.com" for number in range(32)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda host: Store(host, environ).keep(ME), hosts))
    assert sorted(json.loads(file.read_text())["auths"]) == sorted(hosts)


def test_a_file_that_cannot_be_written_is_named_and_stays(
    file: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    write(file, {"auths": {HOST: ENTRY}})
    for folder in (*tmp_path.parents[:3], tmp_path, file.parent):
        folder.chmod(0o755)
    file.chmod(0o644)
    script = """
import os
from sematic.oci.errors import Denied
from sematic.oci.registry.credentials import Credential
from sematic.oci.registry.credentials.store import Store
store = Store("other.example.com")
os.setgid(12345); os.setuid(12345)
try:
    store.keep(Credential("me", "secret"))
except Denied as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
    )
    assert f"{file}, where credentials are to be kept, cannot be written: Permis" in run.stdout
    assert json.loads(file.read_text()) == {"auths": {HOST: ENTRY}}
    assert [path.name for path in file.parent.iterdir()] == ["config.json"]


def test_a_folder_that_cannot_be_made_is_named(file: Path, environ: dict[str, str]) -> None:
    file.parent.write_text("in the way")
    with pytest.raises(Denied, match=f"{file}.*cannot be written: "):
        Store(HOST, environ).keep(ME)


@pytest.mark.parametrize("setting", [{"credsStore": "keeper"}, {"credHelpers": {HOST: "keeper"}}])
def test_a_helper_keeps_it_and_the_file_has_a_mark(
    setting: dict[str, Any], file: Path, environ: dict[str, str], keeper: Keeper
) -> None:
    write(file, {**setting, "auths": {f"https://{HOST}": ENTRY}})
    assert Store(HOST, environ).keep(ME) == keeper.command
    kept = {"ServerURL": HOST, "Username": "me", "Secret": ME.password}
    assert keeper.kept(HOST) == kept
    assert json.loads(file.read_text()) == {**setting, "auths": {HOST: {}}}
    found = Credentials(environ=environ).find(HOST)
    assert found and found.password == ME.password
    assert Store(HOST, environ).forget() == [keeper.command]
    assert keeper.kept(HOST) is None
    assert json.loads(file.read_text()) == {**setting, "auths": {}}
    assert Store(HOST, environ).forget() == []
    assert keeper.calls() == ["store", "get", "get", "erase", "get"]


def test_a_helper_of_another_host_is_not_asked(
    file: Path, environ: dict[str, str], keeper: Keeper
) -> None:
    write(file, {"credHelpers": {f"x.{HOST}": "keeper"}})
    assert Store(HOST, environ).keep(ME) == str(file)
    assert keeper.kept(HOST) is None


def test_a_helper_knows_docker_hub_by_its_url(
    file: Path, environ: dict[str, str], keeper: Keeper
) -> None:
    write(file, {"credsStore": "keeper"})
    Store("docker.io", environ).keep(ME)
    assert keeper.kept(HUB)["ServerURL"] == HUB
    assert list(json.loads(file.read_text())["auths"]) == [HUB]


def test_a_helper_keeps_an_identity_token_under_dockers_name_for_it(
    file: Path, environ: dict[str, str], keeper: Keeper
) -> None:
    write(file, {"credsStore": "keeper"})
    Store(HOST, environ).keep(Credential("me", identity_token="identity"))
    assert keeper.kept(HOST) == {"ServerURL": HOST, "Username": "<token>", "Secret": "identity"}
    found = Credentials(environ=environ).find(HOST)
    assert found and found.identity_token == "identity"


def test_a_helper_is_for_whole_registries(
    file: Path, environ: dict[str, str], keeper: Keeper
) -> None:
    write(file, {"credsStore": "keeper"})
    with pytest.raises(Denied, match=rf"{keeper.command}.*{HOST}/team\.\nLog in to {HOST}"):
        Store(f"{HOST}/team", environ).keep(ME)
    assert json.loads(file.read_text()) == {"credsStore": "keeper"}


def test_a_missing_helper_is_named_and_nothing_is_kept(file: Path, environ: dict[str, str]) -> None:
    write(file, {"credsStore": "absent"})
    with pytest.raises(Denied, match=f"docker-credential-absent.*{file}"):
        Store(HOST, environ).keep(ME)
    assert json.loads(file.read_text()) == {"credsStore": "absent"}


@pytest.mark.parametrize(
    ("script", "says"), [("cat; exit 1", "exit status 1"), ("echo locked; exit 1", "locked")]
)
def test_what_a_helper_says_is_told_without_the_secret(
    script: str, says: str, file: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    write(tmp_path / "bin/docker-credential-x", f"#!/bin/sh\n{script}\n")
    (tmp_path / "bin/docker-credential-x").chmod(0o755)
    write(file, {"credsStore": "x"})
    with pytest.raises(Denied, match=says) as caught:
        Store(HOST, environ).keep(ME)
    assert "se:cr" not in str(caught.value)


def test_where_nothing_is_kept_nothing_is_made(file: Path, environ: dict[str, str]) -> None:
    assert Store(HOST, environ).forget() == []
    assert not file.parent.exists()
