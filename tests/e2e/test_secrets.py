"""Credentials that a push uses are seen by those who must see them, and nobody else."""

from __future__ import annotations

import base64
import json
import os
import re
import venv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.e2e.witness import Watched, files, leaks, watched
from tests.oci.registry.scripted import (
    Reply,
    Request,
    ScriptedRegistry,
    error,
    scripted_registry,
)
from tests.peers.registry import Registry
from tests.peers.tokens import Account, TokenRequest, TokenServer
from tests.projects import make_project, write_tree

USER = "planted-user"
PASSWORD = "planted/pass+word?1"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
OTHER_PASSWORD = "planted-for-the-other-host"
OTHER_BASIC = base64.b64encode(f"{USER}:{OTHER_PASSWORD}".encode()).decode()
REGISTRY_TOKEN = "planted/registry+token"
PROXY_PASSWORD = "planted-for-the-proxy"
IN_PROJECT = ["planted-in-dotenv", "planted-in-docker-config", "planted-in-netrc"]
STATE = "planted-upload-session"
ALWAYS = [PASSWORD, BASIC, OTHER_PASSWORD, OTHER_BASIC, REGISTRY_TOKEN, PROXY_PASSWORD, STATE]

Configure = Callable[[Path, str, str], dict[str, str]]
"""Writes credentials for a host into a home folder; gives the variables that go with them."""


@pytest.fixture(autouse=True)
def proxied(own_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy with a password, for every host that is not this machine; nobody listens there."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://{USER}:{PROXY_PASSWORD}@127.0.0.1:1")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in whose folder somebody keeps credentials."""
    folder = make_project(tmp_path / "demo")
    write_tree(
        folder,
        {
            ".env": f"TOKEN={IN_PROJECT[0]}\n",
            ".docker/config.json": json.dumps({"auths": {"a": {"password": IN_PROJECT[1]}}}),
            ".netrc": f"machine a login b password {IN_PROJECT[2]}\n",
        },
    )
    return folder


@pytest.fixture
def other() -> Iterator[ScriptedRegistry]:
    """Another host, which notes down all that it is sent."""
    with scripted_registry("localhost") as registry:
        registry.users = {USER: OTHER_PASSWORD}
        yield registry


@pytest.fixture
def scripted() -> Iterator[ScriptedRegistry]:
    """A registry that wants a password, and answers what a test wants."""
    with scripted_registry() as registry:
        registry.auth, registry.users = "basic", {USER: PASSWORD}
        yield registry


def received(host: ScriptedRegistry) -> dict[str, bytes]:
    """All that a host was sent, but layers."""
    return {
        f"request {number} to {host.host}": (
            f"{request.url}\n{request.headers}\n".encode() + request.body
        )
        for number, request in enumerate(host.requests)
    }


# Where credentials come from


def write(path: Path, document: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def helper(home: Path, name: str, password: str) -> dict[str, str]:
    """A credential helper, and the PATH on which it is."""
    answer = json.dumps({"Username": USER, "Secret": password})
    path = home / f"bin/docker-credential-{name}"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{answer}'\n")
    path.chmod(0o755)
    return {"PATH": f"{path.parent}:{os.environ['PATH']}"}


def in_environment(home: Path, host: str, identity: str) -> dict[str, str]:
    return {"SEMATIC_REGISTRY_USERNAME": USER, "SEMATIC_REGISTRY_PASSWORD": PASSWORD}


def in_docker_config(home: Path, host: str, identity: str) -> dict[str, str]:
    write(home / ".docker/config.json", {"auths": {host: {"auth": BASIC}}})
    return {}


def as_identity_token(home: Path, host: str, identity: str) -> dict[str, str]:
    entry = {"auth": base64.b64encode(f"{USER}:".encode()).decode(), "identitytoken": identity}
    write(home / ".docker/config.json", {"auths": {host: entry}})
    return {}


def in_helper(home: Path, host: str, identity: str) -> dict[str, str]:
    write(home / ".docker/config.json", {"credHelpers": {host: "planted"}})
    return helper(home, "planted", PASSWORD)


def in_podman_file(home: Path, host: str, identity: str) -> dict[str, str]:
    write(home / ".config/containers/auth.json", {"auths": {host: {"auth": BASIC}}})
    return {}


SOURCES: list[Configure] = [
    in_environment,
    in_docker_config,
    as_identity_token,
    in_helper,
    in_podman_file,
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_a_push_shows_its_credentials_to_nobody_else(
    source: Configure,
    project: Path,
    home: Path,
    tokens: TokenServer,
    token_registry: Registry,
    other: ScriptedRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens.accounts[USER] = Account(PASSWORD)
    identity = tokens.refresh_token(USER)
    handed_out = noted(tokens, monkeypatch)
    base = base_at(other, project, tmp_path)
    variables = source(home, token_registry.host, identity)
    config = home / ".docker/config.json"
    known = json.loads(config.read_text()) if config.exists() else {}
    known.setdefault("credHelpers", {})[other.host] = "other"
    write(config, known)
    variables |= helper(home, "other", OTHER_PASSWORD)

    done = push(project, token_registry.host, base, tmp_path, "--json", **variables)
    assert done.run.code == 0, done.run.err
    states = {
        unquote(state)
        for _, path, _ in token_registry.requests()
        for state in re.findall(r"_state=([^&]+)", path)
    }
    assert handed_out and states
    if source is as_identity_token:
        assert {request.method for request in tokens.requests} == {"POST"}

    secrets = [*ALWAYS, *IN_PROJECT, identity, *handed_out, *states]
    seen = {**done.said(), **written_by(done, tmp_path)}
    image = files(token_registry.root / "data")
    assert any(name.startswith("tar in ") for name in image)
    assert not leaks(secrets, {**seen, **image})
    own = {PASSWORD, BASIC, REGISTRY_TOKEN, identity, *handed_out, *states}
    assert OTHER_BASIC in str(received(other)) and not leaks(own, received(other))
    shown = {
        f"token request {n}": f"{request.headers}{request.fields}".encode()
        for n, request in enumerate(tokens.requests)
    }
    assert shown and not leaks([OTHER_PASSWORD, OTHER_BASIC], shown)
    check_children(done)


def noted(tokens: TokenServer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens that are handed out from now on."""
    found: list[str] = []
    answer = tokens.answer

    def note(request: TokenRequest) -> tuple[int, Mapping[str, object]]:
        status, document = answer(request)
        found.append(str(document["access_token"]))
        return status, document

    monkeypatch.setattr(tokens, "answer", note)
    return found


def base_at(host: ScriptedRegistry, project: Path, folder: Path) -> str:
    """A base in a registry that from then on wants a password."""
    pushed = watched(
        folder,
        *("push", str(project), "--no-environment", "--quiet"),
        *("--label", "dev.sematic.python=3.11", "--to", f"{host.host}/base:latest"),
    )
    assert pushed.run.code == 0, pushed.run.err
    host.requests.clear()
    host.auth = "basic"
    return f"{host.host}/base:latest"


def push(
    project: Path, host: str, base: str, folder: Path, *options: str, **variables: str
) -> Watched:
    """A push to team/app on a machine that remembers nothing, saying all it can say."""
    (folder / "tmp").mkdir(exist_ok=True)
    venv.create(folder / "venv", symlinks=True)  # another's interpreter has to be asked
    return watched(
        folder,
        *("push", str(project), "--no-environment", "--debug", "--to", f"{host}/team/app"),
        *("--base", base, "--python", str(folder / "venv")),
        *("--image-refs", str(folder / "references"), *options),
        SEMATIC_CACHE_DIR=str(folder / "cache"),
        SEMATIC_DATA_DIR=str(folder / "data"),
        TMPDIR=str(folder / "tmp"),
        **variables,
    )


def written_by(done: Watched, folder: Path) -> dict[str, bytes]:
    """What is in the files that a push wrote, which are where they should be."""
    allowed = [folder / name for name in ("cache", "data", "tmp", "references")]
    for path in done.written:
        assert path == Path("/dev/null") or any(path.is_relative_to(place) for place in allowed)
    found = files(*allowed[:3])
    assert found
    if allowed[3].exists():
        found["references"] = allowed[3].read_bytes()
    return found


def check_children(done: Watched) -> None:
    """Helpers may need the proxy, but nobody's password; the interpreter needs neither."""
    assert done.children
    for child in done.children:
        secrets = [PASSWORD, BASIC, OTHER_PASSWORD]
        if not child.words[0].startswith("docker-credential-"):
            secrets.append(PROXY_PASSWORD)
        assert not leaks(secrets, {str(child.words): str(child.environment).encode()})


# What goes wrong


def echo(request: Request) -> Reply:
    """An error that repeats what was shown."""
    return error(403, "DENIED", f"you showed me {request.headers.get('Authorization')}")


def echo_plainly(request: Request) -> Reply:
    return Reply(400, {"Content-Type": "text/plain"}, str(request.headers).encode())


def wrong_password(scripted: ScriptedRegistry, other: ScriptedRegistry) -> None:
    scripted.users = {USER: "is another"}


def repeated(scripted: ScriptedRegistry, other: ScriptedRegistry) -> None:
    scripted.script("PUT", "/manifests/", echo, times=9)


def repeated_plainly(scripted: ScriptedRegistry, other: ScriptedRegistry) -> None:
    scripted.script("POST", "/uploads/", echo_plainly, times=9)


def token_server_repeats(scripted: ScriptedRegistry, other: ScriptedRegistry) -> None:
    scripted.auth = "bearer"
    scripted.script("GET", "/token", echo, times=9)


def no_token_server(scripted: ScriptedRegistry, other: ScriptedRegistry) -> None:
    offer = {"WWW-Authenticate": 'Bearer realm="http://127.0.0.1:1/token",service="s"'}
    scripted.script("HEAD", "", Reply(401, offer), times=9)
    scripted.script("POST", "", Reply(401, offer), times=9)


def redirect(scripted: ScriptedRegistry, other: ScriptedRegistry) -> None:
    target = {"Location": f"http://{other.host}/stolen?_state={STATE}"}
    scripted.script("HEAD", "/blobs/", Reply(307, target), times=99)
    scripted.script("PUT", "/manifests/", Reply(307, target), times=9)


def upload_elsewhere(scripted: ScriptedRegistry, other: ScriptedRegistry) -> None:
    target = {"Location": f"http://{other.host}/v2/stolen/blobs/uploads/1?_state={STATE}"}
    scripted.script("POST", "/uploads/", Reply(202, target), times=99)


def session_breaks(scripted: ScriptedRegistry, other: ScriptedRegistry) -> None:
    target = {"Location": f"http://127.0.0.1:1/v2/team/app/blobs/uploads/1?_state={STATE}"}
    scripted.script("POST", "/uploads/", Reply(202, target), times=99)


def no_address(scripted: ScriptedRegistry, other: ScriptedRegistry) -> None:
    target = {"Location": f"http://[broken/?_state={STATE}"}
    scripted.script("POST", "/uploads/", Reply(202, target), times=99)


FAULTS = [
    wrong_password,
    repeated,
    repeated_plainly,
    token_server_repeats,
    no_token_server,
    redirect,
    upload_elsewhere,
    session_breaks,
    no_address,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_an_error_shows_no_secret_either(
    fault: Callable[[ScriptedRegistry, ScriptedRegistry], None],
    project: Path,
    home: Path,
    scripted: ScriptedRegistry,
    other: ScriptedRegistry,
    tmp_path: Path,
) -> None:
    fault(scripted, other)
    in_docker_config(home, scripted.host, "")
    done = push(project, scripted.host, "none", tmp_path)
    assert done.run.code == 1 and not done.run.out
    assert BASIC in str(received(scripted)) or fault is no_token_server
    seen = {**done.said(), **written_by(done, tmp_path)}
    assert not leaks([*ALWAYS, *IN_PROJECT], seen)
    assert not leaks([PASSWORD, BASIC, PROXY_PASSWORD], received(other))
    check_children(done)


@pytest.mark.parametrize(
    "proxy", ["{}127.0.0.1:1", "http://{}[broken", "ftp://{}a", "http://{}a:b"]
)
def test_a_proxy_that_does_not_work_is_told_without_its_password(
    proxy: str, project: Path, tmp_path: Path
) -> None:
    url = proxy.format(f"{USER}:{PROXY_PASSWORD}@")
    done = push(project, "registry.invalid", "none", tmp_path, HTTPS_PROXY=url)
    assert done.run.code == 1 and "proxy" in done.run.err.lower()
    assert not leaks(ALWAYS, {**done.said(), **written_by(done, tmp_path)})


@pytest.mark.parametrize(
    "token", [REGISTRY_TOKEN, f"{REGISTRY_TOKEN}\n", f"{REGISTRY_TOKEN}\u20ac"]
)
def test_a_registry_token_that_is_refused_or_cannot_be_sent_is_not_shown(
    token: str, project: Path, home: Path, scripted: ScriptedRegistry, tmp_path: Path
) -> None:
    scripted.auth = "bearer"
    entry = {scripted.host: {"registrytoken": token}}
    write(home / ".docker/config.json", {"auths": entry})
    done = push(project, scripted.host, "none", tmp_path)
    assert done.run.code == 1
    assert "Denied" in done.run.err.splitlines()[-1] or "Denied" in done.run.err
    assert not leaks(ALWAYS, {**done.said(), **written_by(done, tmp_path)})


def test_a_helper_that_fails_is_not_quoted_where_it_gives_its_secret(
    project: Path, home: Path, scripted: ScriptedRegistry, tmp_path: Path
) -> None:
    variables = in_helper(home, scripted.host, "")
    with (home / "bin/docker-credential-planted").open("a") as script:
        script.write("exit 1\n")
    done = push(project, scripted.host, "none", tmp_path, **variables)
    assert done.run.code == 1 and "docker-credential-planted" in done.run.err
    assert not leaks(ALWAYS, {**done.said(), **written_by(done, tmp_path)})
