from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from sematic.oci.registry.credentials import Clouds
from sematic.oci.registry.transport import Transport
from tests.e2e.clouds.asking import ask, assert_refused, connect, push
from tests.peers.clouds.aws import API, HOST, PUBLIC_HOST, Aws
from tests.peers.internet import LOOPBACK, Internet


def test_ecr_takes_what_aws_knows_of_the_environment(aws: Aws, project: Path) -> None:
    aws.session_token = "session-secret"
    pushed = push(project, HOST, "--debug", **aws.variables())
    assert pushed.reference.startswith(f"{HOST}/team/")
    assert len(aws.tokens) == 1
    for secret in (aws.secret, aws.session_token, *aws.tokens):
        assert secret not in pushed.out + pushed.err


def test_ecr_public_takes_it_too(aws: Aws, project: Path) -> None:
    assert push(project, PUBLIC_HOST, **aws.variables()).reference


@pytest.mark.parametrize(
    ("variables", "source"),
    [
        ({"AWS_SHARED_CREDENTIALS_FILE": "aws"}, "AWS profile default (shared-credentials-file)"),
        (
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "{internet}/container",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": "container-secret",
            },
            "AWS (role of the container)",
        ),
        (
            {
                "AWS_EC2_METADATA_DISABLED": "false",
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{internet}/",
            },
            "AWS (role of the instance)",
        ),
    ],
)
def test_aws_finds_out_who_the_environment_is(
    variables: dict[str, str],
    source: str,
    aws: Aws,
    net: Internet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("aws").write_text(aws.profile())
    if "role" in source:
        aws.session_token = "session-secret"
    connect(monkeypatch, {name: text.format(internet=net.url) for name, text in variables.items()})
    found = ask(HOST)
    assert found.source == source
    assert found.basic.removeprefix("Basic ") in aws.tokens


def test_ecrs_api_may_be_elsewhere(
    aws: Aws, net: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    net.sites[LOOPBACK] = net.sites.pop(API)
    connect(monkeypatch, aws.variables() | {"AWS_ENDPOINT_URL_ECR": net.url})
    assert ask(HOST).basic.removeprefix("Basic ") in aws.tokens


def test_a_wrong_aws_secret_is_told_in_awss_words(aws: Aws, project: Path) -> None:
    aws.session_token = "session-secret"
    wrong = aws.variables() | {"AWS_SECRET_ACCESS_KEY": "wrong-secret"}
    refused = push(project, HOST, **wrong)
    assert_refused(
        refused,
        f"{HOST} wants credentials",
        "AWS gave no credentials",
        "(InvalidSignatureException)",
        "aws sso login",
    )
    assert "secret" not in refused.err.replace("Secret Access Key", "")


def test_a_right_that_aws_does_not_give_is_told_in_awss_words(aws: Aws, project: Path) -> None:
    aws.allowed = False
    refused = push(project, HOST, **aws.variables())
    assert_refused(refused, "(AccessDeniedException)", "user/me is not authorized")


def test_credentials_that_ecr_refuses_are_named(aws: Aws, project: Path) -> None:
    aws.seconds = -1  # it takes none
    refused = push(project, HOST, **aws.variables())
    assert_refused(refused, f"{HOST} refused the credentials from AWS (environment variables).")


def test_credentials_of_a_file_come_before_a_clouds(
    aws: Aws, net: Internet, project: Path, tmp_path: Path
) -> None:
    config = {"auths": {HOST: {"auth": aws.authorization()["authorizationToken"]}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    variables = aws.variables() | {"DOCKER_CONFIG": str(tmp_path)}
    assert push(project, HOST, **variables).reference
    assert API not in net.hosts()


def test_a_credential_that_cannot_be_renewed_is_used_to_its_end(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, aws.variables())
    now = time.time()
    clouds = Clouds(Transport(), lambda: now)
    found = clouds.credential(HOST)
    aws.allowed = False
    now += aws.seconds - 30
    assert found and clouds.credential(HOST) == found
    now += 60
    assert clouds.credential(HOST) is None
    assert "AccessDeniedException" in clouds.failure(HOST)
