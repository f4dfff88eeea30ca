from __future__ import annotations

import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from time import time

import pytest

from tests.e2e.clouds.asking import assert_refused, connect, open_at, push
from tests.e2e.command import Run
from tests.oci.registry.blobs import known, unheard
from tests.oci.registry.conftest import Time
from tests.peers.clouds import aws as amazon
from tests.peers.clouds import azure as microsoft
from tests.peers.clouds import google as alphabet
from tests.peers.clouds.aws import Aws
from tests.peers.clouds.azure import Azure
from tests.peers.clouds.google import Google
from tests.peers.internet import Internet, relay
from tests.peers.registry import Registry

EXTRAS = {amazon.HOST: "aws", alphabet.HOST: "gcp", microsoft.HOST: "azure"}
LIBRARIES = {amazon.HOST: "botocore", alphabet.HOST: "google.auth", microsoft.HOST: "azure"}


@pytest.fixture(autouse=True)
def all_clouds(aws: object, google: object, azure: object) -> None:
    """Each test has them all."""


@pytest.mark.parametrize("host", EXTRAS)
def test_no_credentials_are_told_with_what_to_do(host: str, project: Path) -> None:
    refused = push(project, host)
    assert_refused(refused, f"{host} wants credentials", "gave no credentials", "sematic-oci login")


def run_python(script: str, project: Path, host: str) -> Run:
    """A script that has the command as `push()`."""
    command = ["push", str(project), "--no-environment", "--quiet", "--to", f"{host}/team/app:v1"]
    begin = f"import sys; from sematic.oci.cli import main\ndef push(): return main({command!r})\n"
    ended = subprocess.run([sys.executable, "-c", begin + script], capture_output=True, text=True)
    return Run(ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.parametrize("host", EXTRAS)
def test_a_library_that_is_missing_is_named(host: str, project: Path) -> None:
    block = f"sys.modules[{LIBRARIES[host]!r}] = None; sys.exit(push())"
    assert_refused(
        run_python(block, project, host),
        f"{host} wants credentials",
        f"pip install 'sematic[{EXTRAS[host]}]'",
        "sematic-oci login",
    )


def imported(project: Path, host: str) -> str:
    """What a push that succeeds imports of the clouds' libraries."""
    ended = run_python(
        "code = push()\n"
        "print({name.partition('.')[0] for name in sys.modules}"
        " & {'botocore', 'google', 'azure', 'msal', 'requests'})\n"
        "sys.exit(code)",
        project,
        host,
    )
    assert ended.code == 0, ended.err
    return ended.out.splitlines()[-1]


@pytest.mark.parametrize("host", EXTRAS)
def test_nothing_is_imported_for_a_registry_that_does_not_ask(
    host: str, net: Internet, docker_registry: Registry, project: Path
) -> None:
    net.sites[host] = relay(docker_registry)
    assert imported(project, host) == "set()"


def test_nothing_is_imported_for_credentials_that_are_known(
    aws: Aws, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, password = b64decode(aws.authorization()["authorizationToken"]).decode().split(":")
    monkeypatch.setenv("SEMATIC_REGISTRY_USERNAME", user)
    monkeypatch.setenv("SEMATIC_REGISTRY_PASSWORD", password)
    assert imported(project, amazon.HOST) == "set()"


def test_what_is_wanted_is_imported(
    aws: Aws, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, aws.variables())
    assert imported(project, amazon.HOST) == "{'botocore'}"


@pytest.mark.parametrize(
    ("host", "hours", "giver"),
    [
        (amazon.HOST, 12, (amazon.API, "/")),
        (alphabet.HOST, 1, (alphabet.OAUTH, "/token")),
        (microsoft.HOST, 3, (microsoft.HOST, "/oauth2/exchange")),
    ],
)
def test_a_push_that_outlives_its_credential_gets_a_new_one(
    host: str,
    hours: int,
    giver: tuple[str, str],
    net: Internet,
    aws: Aws,
    google: Google,
    azure: Azure,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passing = Time(time())
    aws.clock = azure.clock = passing.clock
    key = tmp_path / "key.json"
    key.write_text(google.service_account())
    connect(monkeypatch, aws.variables() | azure.variables())
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    repository = open_at(host, passing.clock)
    for round in (1, 2):
        repository.put(known(f"round {round}".encode()), unheard)
        assert [(asked.host, asked.path) for asked in net.asked].count(giver) == round
        passing.now += hours * 3600
