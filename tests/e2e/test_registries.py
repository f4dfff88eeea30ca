"""Pushes to registries that differ in what they want and allow."""

from __future__ import annotations

import base64
import http.client
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from sematic.oci.base_python import PYTHON_LABEL
from sematic.oci.files import FileEntry
from sematic.oci.manifest import Platform
from tests.e2e.command import run
from tests.oci.images import store_base
from tests.peers.registry import Registry, crane_registry, registry, zuul_registry
from tests.peers.relay import Relay, relay
from tests.peers.tokens import Account, TokenServer
from tests.peers.tools import Crane, Skopeo


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


# Base here, target there


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def base(stack: ExitStack, skopeo: Skopeo, tmp_path: Path) -> Relay:
    """A registry that wants a password of `reader`, with an image base:latest."""
    source = stack.enter_context(registry(tmp_path / "base", htpasswd={"reader": "word-of-base"}))
    labels = {PYTHON_LABEL: "3.11"}
    entries = [FileEntry.from_bytes("etc/base", b"base")]
    store_base(tmp_path / "layout", entries, labels=labels, platform=Platform.of_host())
    skopeo.copy(
        f"oci:{tmp_path}/layout:latest",
        f"docker://{source.host}/base:latest",
        "--dest-creds=reader:word-of-base",
    )
    return stack.enter_context(relay(source.host))


@pytest.fixture
def target(stack: ExitStack, token_registry: Registry, tokens: TokenServer) -> Relay:
    """A registry that wants tokens of `writer`."""
    tokens.accounts = {"writer": Account("word-of-target")}
    return stack.enter_context(relay(token_registry.host))


def keep_credentials(home: Path, secrets: Mapping[str, str]) -> None:
    """Write a docker configuration with what stands there for each host."""
    file = home / ".docker/config.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"auths": {host: {"auth": secrets[host]} for host in secrets}}))


@pytest.mark.parametrize("kept", ["file", "environment"])
def test_two_registries_of_one_push_never_see_each_others_credentials(
    kept: str,
    base: Relay,
    target: Relay,
    tokens: TokenServer,
    project: Path,
    crane: Crane,
    tmp_path: Path,
) -> None:
    reader, writer = basic("reader", "word-of-base"), basic("writer", "word-of-target")
    in_environment = {
        "SEMATIC_REGISTRY_USERNAME": "writer",
        "SEMATIC_REGISTRY_PASSWORD": "word-of-target",
    }
    secrets = {base.host: reader}
    if kept == "file":
        in_environment = {}
        secrets[target.host] = writer
    keep_credentials(tmp_path / "home", secrets)
    name = f"{target.host}/team/app"
    pushed = run(
        *("push", project, "--no-environment", "--base", f"{base.host}/base"),
        *("--to", name, "--compression", "gzip"),
        **in_environment,
    )
    assert pushed.reference.startswith(f"{name}@sha256:")
    crane.run("auth", "login", target.host, "-u", "writer", "-p", "word-of-target")
    crane.validate(pushed.reference)

    assert reader.encode() in base.sent
    assert b"Bearer" in target.sent
    for seen, foreign in ((base.sent, (writer, "Bearer")), (target.sent, (reader, "Basic"))):
        assert not [secret for secret in foreign if secret.encode() in seen]
    shown = {request.headers["Authorization"] for request in tokens.requests}
    assert shown == {f"Basic {writer}"}
    everything = pushed.out + pushed.err
    assert not [word for word in (reader, writer, "word-of-") if word in everything]


# Read-only


def test_a_push_without_a_change_needs_no_right_to_write(project: Path, tmp_path: Path) -> None:
    def arguments(place: Registry) -> list[str | Path]:
        return ["push", project, "--no-environment", "--to", f"{place.host}/team/app"]

    with registry(tmp_path / "registry") as place:
        first = run(*arguments(place)).reference
    with registry(tmp_path / "registry", readonly=True) as place:
        second = run(*arguments(place)).reference
        assert {request[0] for request in place.requests()} == {"GET", "HEAD"}
    assert first.rpartition("@")[2] == second.rpartition("@")[2]


# Deletes


def delete(place: Registry, path: str) -> int:
    connection = http.client.HTTPConnection(place.host, timeout=60)
    connection.request("DELETE", f"/v2/{path}")
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("deleted", ["manifest", "blob"])
def test_what_was_deleted_is_sent_again(
    deleted: str, project: Path, docker_registry: Registry, crane: Crane
) -> None:
    (project / "large.bin").write_bytes(random.Random(3).randbytes(5 << 20))
    name = f"team/deleted-{deleted}"
    reference = f"{docker_registry.host}/{name}:latest"
    arguments = (
        *("push", project, "--no-environment", "--compression", "gzip", "--json"),
        *("--to", f"{docker_registry.host}/{name}"),
    )
    first = run(*arguments).summary
    if deleted == "manifest":
        assert delete(docker_registry, f"{name}/manifests/{first['digest']}") == 202
    else:
        (large,) = [each["digest"] for each in first["layers"] if each["size"] > 5 << 20]
        assert delete(docker_registry, f"{name}/blobs/{large}") == 202
        (project / "app/report.py").write_text("print('edited')\n")
    second = run(*arguments).summary
    assert second["new"] == (0 if deleted == "manifest" else 2)
    assert crane.digest(reference) == second["digest"]
    crane.validate(reference)


def test_a_push_needs_no_right_to_delete(project: Path, crane: Crane, tmp_path: Path) -> None:
    with registry(tmp_path / "registry", delete=False) as place:
        pushed = run(
            *("push", project, "--no-environment", "--compression", "gzip"),
            *("--to", f"{place.host}/team/app"),
        )
        digest = pushed.reference.rpartition("@")[2]
        assert delete(place, f"team/app/manifests/{digest}") == 405
        crane.validate(pushed.reference)


@pytest.mark.parametrize("kind", ["docker", "crane", "zuul"])
def test_a_registry_that_was_made_anew_gets_everything(
    kind: str, project: Path, stack: ExitStack, skopeo: Skopeo, tmp_path: Path
) -> None:
    (project / "large.bin").write_bytes(random.Random(4).randbytes(5 << 20))
    user = {"SEMATIC_REGISTRY_USERNAME": "me", "SEMATIC_REGISTRY_PASSWORD": "secret"}

    def start(root: Path) -> AbstractContextManager[Registry]:
        if kind == "zuul":
            return zuul_registry(root, {"me": "secret"})
        return registry(root) if kind == "docker" else crane_registry(root)

    with start(tmp_path / "first") as place:
        before = stack.enter_context(relay(place.host))
        arguments = ("push", project, "--no-environment", "--json", "--to", f"{before.host}/app")
        first = run(*arguments, **user).summary
    (project / "app/report.py").write_text("print('edited')\n")
    with start(tmp_path / "second") as place:
        before.target = place.host
        second = run(*arguments, **user).summary
        assert second["new"] == len(second["layers"]) == len(first["layers"])
        skopeo.copy(f"docker://{second['reference']}", f"dir:{tmp_path}/copy")
