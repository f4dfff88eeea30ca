from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.clouds.asking import ask, assert_refused, connect, push
from tests.peers.clouds.azure import HOST, Azure
from tests.peers.internet import Internet


def test_acr_takes_a_service_principal(azure: Azure, project: Path) -> None:
    pushed = push(project, HOST, "--debug", **azure.variables())
    assert pushed.reference.startswith(f"{HOST}/team/")
    for secret in (azure.secret, *azure.issued):
        assert secret not in pushed.out + pushed.err


@pytest.mark.parametrize(
    ("way", "source"),
    [
        ("principal", "Azure EnvironmentCredential"),
        ("workload", "Azure WorkloadIdentityCredential"),
        ("identity", "Azure ManagedIdentityCredential"),
    ],
)
def test_azure_finds_out_who_the_environment_is(
    way: str,
    source: str,
    azure: Azure,
    net: Internet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if way == "principal":
        variables = azure.variables()
    elif way == "workload":
        variables = azure.workload(tmp_path)
    else:
        header = azure.identity_header
        variables = {"IDENTITY_ENDPOINT": f"{net.url}/token", "IDENTITY_HEADER": header}
    connect(monkeypatch, variables)
    found = ask(HOST)
    assert found.source == source
    assert 3 * 3600 - 60 < found.expires - time.time() <= 3 * 3600


def test_a_wrong_azure_secret_is_told_in_azures_words(azure: Azure, project: Path) -> None:
    wrong = azure.variables() | {"AZURE_CLIENT_SECRET": "wrong-secret"}
    refused = push(project, HOST, **wrong)
    assert_refused(
        refused,
        f"{HOST} wants credentials",
        "EnvironmentCredential: ",
        "AADSTS7000215: Invalid client secret provided",
        "az login",
    )
    assert "wrong-secret" not in refused.err


def test_a_registry_that_takes_no_token_is_told_in_its_words(azure: Azure, project: Path) -> None:
    azure.allowed = False
    refused = push(project, HOST, **azure.variables())
    assert_refused(refused, "takes no token of Microsoft Entra", "has no role here")
