from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from sematic.oci.registry.credentials import Credential
from sematic.resolvers.pods import PodsError
from sematic.resolvers.pods.kubernetes.pull_secret import docker_config, make_pull_secret
from tests.resolvers.kubernetes.server import reply, scripted_api, status

IMAGE = "registry.example.com/team/app@sha256:" + "0" * 64


def test_the_launchers_login_is_shared() -> None:
    auth = base64.b64encode(b"me:secret").decode()
    file = Path.home() / ".docker/config.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"auths": {"registry.example.com": {"auth": auth}}}))
    with scripted_api() as (server, api):
        server.script("POST", "/secrets", reply({}))
        server.script("POST", "/secrets", status(409, "AlreadyExists"))
        for _ in range(2):
            make_pull_secret(api, "run", IMAGE, {"name": "owner"})
    secret = json.loads(server.requests[0].body)
    assert secret["metadata"]["name"] == "sematic-pull-run"
    assert secret["metadata"]["ownerReferences"] == [{"name": "owner"}]
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    login = json.loads(secret["stringData"][".dockerconfigjson"])
    assert login == {"auths": {"registry.example.com": {"auth": auth}}}


def test_no_login_is_told() -> None:
    with scripted_api() as (server, api):
        with pytest.raises(PodsError, match=r"no login for registry.example.com here"):
            make_pull_secret(api, "run", IMAGE, {})
        assert server.requests == []


def test_clusters_know_docker_hub_by_its_old_name() -> None:
    config = json.loads(docker_config("docker.io", Credential("me", "p")))
    assert list(config["auths"]) == ["https://index.docker.io/v1/"]


def test_a_login_that_clusters_cannot_use_is_told() -> None:
    with pytest.raises(PodsError, match="no user name with a password"):
        docker_config("example.com", Credential(identity_token="t", source="a helper"))
