from __future__ import annotations

import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.clouds.asking import ask, assert_refused, push
from tests.e2e.command import run
from tests.peers.clouds.google import EMAIL, HOST, Google
from tests.peers.internet import LOOPBACK, Internet


def test_artifact_registry_takes_a_service_account(
    google: Google, project: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key.json"
    key.write_text(google.service_account())
    pushed = push(project, HOST, "--debug", GOOGLE_APPLICATION_CREDENTIALS=str(key))
    assert pushed.reference.startswith(f"{HOST}/team/")
    assert "ya29" not in pushed.out + pushed.err


def test_artifact_registry_takes_the_account_of_a_machine(
    google: Google, net: Internet, project: Path
) -> None:
    address = f"{LOOPBACK}:{net.port}"
    variables = {"GCE_METADATA_HOST": address, "GCE_METADATA_IP": address, "NO_GCE_CHECK": ""}
    assert push(project, HOST, **variables).reference


@pytest.mark.parametrize(
    ("way", "source"),
    [
        ("service_account", f" (service account {EMAIL})"),
        ("user", ""),
        ("federation", ""),
    ],
)
def test_google_finds_out_who_the_environment_is(
    way: str, source: str, google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, subject = tmp_path / "key.json", tmp_path / "subject"
    subject.write_text("subject-secret")
    key.write_text(google.federation(subject) if way == "federation" else getattr(google, way)())
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "project")
    found = ask(HOST)
    assert found.source == f"Google application default credentials{source}"
    assert found.password == google.tokens.accounts[found.username].password
    assert 3500 < found.expires - time.time() <= 3600


def test_a_key_that_google_does_not_know_is_told_in_googles_words(
    google: Google, project: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key.json"
    key.write_text(google.service_account(rsa.generate_private_key(65537, 2048)))
    refused = push(project, HOST, GOOGLE_APPLICATION_CREDENTIALS=str(key))
    assert_refused(
        refused,
        f"{HOST} wants credentials",
        "invalid_grant: Invalid JWT Signature",
        "gcloud auth application-default login",
    )


def test_a_machine_that_is_not_googles_is_told_soon(google: Google, project: Path) -> None:
    variables = {"NO_GCE_CHECK": "", "GCE_METADATA_IP": f"{LOOPBACK}:1"}
    refused = push(project, HOST, **variables)
    assert_refused(refused, "Your default credentials were not found")


def test_what_is_open_to_all_is_read_without_credentials(
    google: Google, project: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key.json"
    key.write_text(google.service_account())
    pushed = push(project, HOST, GOOGLE_APPLICATION_CREDENTIALS=str(key))
    google.tokens.anonymous = {"team/*": "pull"}
    try:
        assert run("inspect", pushed.reference).code == 0
        (project / "app.py").write_text("print('changed')\n")
        refused = push(project, HOST)
    finally:
        google.tokens.anonymous = None
    assert_refused(refused, "Google Cloud gave no credentials")
