"""Logins at real registries: ours for other tools, theirs for us, and what a terminal shows."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.command import SECONDS, Run, end, run, start
from tests.oci.registry.keeper import Keeper
from tests.peers.podman import Podman
from tests.peers.registry import Registry
from tests.peers.registry import registry as start_registry
from tests.peers.tokens import Account, TokenServer
from tests.peers.tools import Crane, Skopeo, Tool

SECRET = "s3cret-pässword"


@pytest.fixture(scope="module")
def protected(peers_cache: Path, peers_folder: Path) -> Iterator[Registry]:
    """A docker-registry that wants a password."""
    with start_registry(peers_folder / "login-registry", htpasswd={"me": SECRET}) as registry:
        yield registry


@pytest.fixture
def config() -> Path:
    return Path.home() / ".docker/config.json"


def log_in(host: str, password: str = SECRET, *options: str, **variables: str) -> Run:
    arguments = ("login", host, "--username", "me", "--password-stdin", *options)
    done = end(start(*arguments, **variables), stdin=password + "\n")
    assert password not in done.out + done.err
    assert done.out == ""
    return done


def push(project: Path, host: str, **variables: str) -> Run:
    return run("push", project, "--no-environment", "--to", f"{host}/login/app:v1", **variables)


def auths(path: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(path.read_text())["auths"]
    return found


@pytest.fixture(params=["passwords", "tokens"])
def registry(
    request: pytest.FixtureRequest,
    protected: Registry,
    token_registry: Registry,
    tokens: TokenServer,
) -> Registry:
    if request.param == "passwords":
        return protected
    tokens.accounts["me"] = Account(SECRET)
    return token_registry


def test_a_login_serves_our_push_and_other_tools(
    registry: Registry,
    project: Path,
    config: Path,
    skopeo: Skopeo,
    crane: Crane,
    oras: Tool,
    podman: Podman,
) -> None:
    assert log_in(registry.host).code == 0
    assert push(project, registry.host).code == 0
    name = f"{registry.host}/login/app"
    anyhow, file = "--tls-verify=false", f"--authfile={config}"
    own = {"DOCKER_CONFIG": str(config.parent)}
    lists = [
        skopeo.run("list-tags", anyhow, file, f"docker://{name}"),
        crane.run("ls", "--insecure", name, env=own),
        oras.run("repo", "tags", "--plain-http", name, env=own),
        podman.command("search", "--list-tags", anyhow, file, name),
    ]
    assert ["v1" in each for each in lists] == [True] * 4
    assert run("logout", registry.host).code == 0
    assert auths(config) == {}
    assert push(project, registry.host).code == 1


Other = Callable[[str, Path], None]


@pytest.fixture(params=["skopeo", "podman", "crane", "oras"])
def other(
    request: pytest.FixtureRequest, skopeo: Skopeo, podman: Podman, crane: Crane, oras: Tool
) -> Other:
    """Another tool's login at a host, kept in a file."""
    who = ("--username=me", "--password-stdin")
    anyhow = "--tls-verify=false"

    def log_in_with(host: str, file: Path) -> None:
        own, environ = f"--authfile={file}", {"DOCKER_CONFIG": str(file.parent)}
        if request.param == "skopeo":
            skopeo.run("login", anyhow, own, *who, host, stdin=SECRET)
        elif request.param == "podman":
            podman.command("login", anyhow, own, *who, host, stdin=SECRET)
        elif request.param == "crane":
            crane.run("auth", "login", *who, host, env=environ, stdin=SECRET)
        else:
            oras.run("login", "--plain-http", *who, host, env=environ, stdin=SECRET)

    return log_in_with


def test_the_login_of_another_tool_serves_us_until_our_logout(
    other: Other, protected: Registry, project: Path, config: Path
) -> None:
    config.parent.mkdir()
    other(protected.host, config)
    assert push(project, protected.host).code == 0
    done = run("logout", protected.host)
    assert (done.code, done.err) == (0, f"logged out of {protected.host}; removed from {config}\n")
    assert auths(config) == {}


def test_podmans_own_file_is_left_to_podman(
    protected: Registry, podman: Podman, project: Path
) -> None:
    who = ("--username=me", "--password-stdin")
    podman.command("login", "--tls-verify=false", *who, protected.host, stdin=SECRET)
    runtime = podman.home / "tmp"
    assert push(project, protected.host, XDG_RUNTIME_DIR=str(runtime)).code == 0
    done = run("logout", protected.host, XDG_RUNTIME_DIR=str(runtime))
    assert done.err.splitlines() == [
        f"not logged in to {protected.host}",
        f"note: credentials for {protected.host} still come from "
        f"{runtime}/containers/auth.json (user 'me')",
    ]
    podman.command("logout", protected.host)


def test_a_wrong_password_is_told_and_the_old_login_stays(registry: Registry, config: Path) -> None:
    assert log_in(registry.host).code == 0
    before = config.read_bytes()
    done = log_in(registry.host, "wr0ng", "--debug")
    assert done.code == 1
    assert f"{registry.host}" in done.err and "refused the credentials from stdin" in done.err
    assert config.read_bytes() == before


def test_where_a_token_server_gives_a_token_to_keep_no_password_is_kept(
    token_registry: Registry, tokens: TokenServer, config: Path
) -> None:
    tokens.accounts["me"] = Account(SECRET)
    done = log_in(token_registry.host, SECRET, "--debug")
    assert done.code == 0
    entry = auths(config)[token_registry.host]
    assert entry["auth"] == "bWU6"  # me:
    assert entry["identitytoken"] not in done.err


def test_a_login_says_where_it_is_kept_and_that_it_can_be_read_there(
    protected: Registry, config: Path
) -> None:
    done = log_in(protected.host)
    assert done.err.splitlines() == [
        f"logged in to {protected.host} as 'me'; kept in {config}",
        "note: it lies there unencrypted, since no credential helper (credsStore) is named",
    ]
    assert log_in(protected.host, SECRET, "--quiet").err == ""


def test_a_registry_that_takes_anyone_says_so(docker_registry: Registry, config: Path) -> None:
    done = log_in(docker_registry.host)
    assert f"note: {docker_registry.host} takes anyone" in done.err
    assert docker_registry.host in auths(config)


def test_a_helper_keeps_what_others_then_find_there(
    protected: Registry, project: Path, config: Path, crane: Crane, tmp_path: Path
) -> None:
    keeper = Keeper(tmp_path / "bin")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    config.parent.mkdir()
    config.write_text('{"credsStore": "keeper"}')
    done = log_in(protected.host, PATH=path)
    assert done.err == f"logged in to {protected.host} as 'me'; kept in {keeper.command}\n"
    assert auths(config) == {protected.host: {}}
    assert push(project, protected.host, PATH=path).code == 0
    own = {"DOCKER_CONFIG": str(config.parent), "PATH": path}
    assert crane.run("ls", "--insecure", f"{protected.host}/login/app", env=own) == "v1\n"
    assert run("logout", protected.host, PATH=path).code == 0
    assert keeper.kept(protected.host) is None
    assert set(keeper.calls()) == {"store", "get", "erase"}


def test_two_logins_at_once_are_both_kept(
    protected: Registry, docker_registry: Registry, config: Path
) -> None:
    hosts = [protected.host, docker_registry.host]
    options = ("--username", "me", "--password-stdin")
    started = [start("login", host, *options) for host in hosts]
    assert [end(process, stdin=SECRET).code for process in started] == [0, 0]
    assert sorted(auths(config)) == sorted(hosts)


class Terminal:
    """A terminal with the command in it, as a person would see and use it."""

    def __init__(self, *arguments: str) -> None:
        self.seen = ""
        self._ours, self._theirs = pty.openpty()
        self._process = subprocess.Popen(
            ["setsid", "--ctty", sys.executable, "-m", "sematic.oci.cli", *arguments],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
        )

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, and type."""
        while not self.seen.endswith(question):
            self._read()
        os.write(self._ours, text.encode())

    def close(self) -> int:
        """The exit code, once it has ended."""
        code = self._process.wait(SECONDS)
        self.echoes = bool(termios.tcgetattr(self._theirs)[3] & termios.ECHO)
        os.close(self._theirs)
        try:
            while True:
                self._read()
        except OSError:  # all has been read
            os.close(self._ours)
        return code

    def _read(self) -> None:
        assert select.select([self._ours], [], [], SECONDS)[0], f"nothing after {self.seen!r}"
        self.seen += os.read(self._ours, 1024).decode()


def test_a_terminal_is_asked_and_does_not_show_the_password(
    protected: Registry, config: Path
) -> None:
    terminal = Terminal("login", protected.host)
    terminal.answer("Username: ", "me\n")
    terminal.answer("Password: ", f"{SECRET}\n")
    assert terminal.close() == 0, terminal.seen
    assert terminal.seen.startswith("Username: me\r\nPassword: \r\nlogged in to ")
    assert SECRET not in terminal.seen and terminal.echoes
    assert protected.host in auths(config)


def test_a_question_may_be_left_unanswered(protected: Registry, config: Path) -> None:
    terminal = Terminal("login", protected.host, "--username", "me")
    terminal.answer("Password: ", "\x03")
    assert terminal.close() == 130
    assert terminal.seen.splitlines()[-1] == "sematic-oci: interrupted"
    assert terminal.echoes
    assert not config.exists()
