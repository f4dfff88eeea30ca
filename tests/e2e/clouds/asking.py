"""Pushing to a cloud's registry, and asking a cloud in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sematic.oci.reference import RegistryReference
from sematic.oci.registry import Patience, Repository
from sematic.oci.registry.auth import Authorizer
from sematic.oci.registry.client import RegistryClient
from sematic.oci.registry.credentials import Clouds, Credential, Credentials
from sematic.oci.registry.transport import Transport
from tests.e2e.command import Run, run


def push(project: Path, host: str, *options: str, **variables: str) -> Run:
    to = f"{host}/team/{project.parent.name}:v1"
    options = options or ("--quiet",)
    return run("push", project, "--no-environment", "--to", to, *options, **variables)


def assert_refused(ended: Run, *words: str) -> None:
    """It failed in three lines that hold these words."""
    assert ended.code == 1
    assert len(ended.err.strip().splitlines()) <= 3, ended.err
    for word in words:
        assert word in " ".join(ended.err.split())


def ask(host: str) -> Credential:
    """What this process finds for a registry."""
    clouds = Clouds(Transport())
    found = clouds.credential(host)
    assert found, clouds.failure(host)
    return found


def connect(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def open_at(host: str, clock: Callable[[], float]) -> Repository:
    """A repository to push to, with a clock for its tokens and credentials."""
    transport = Transport(patience=Patience(clock=clock))
    credentials = Credentials(host, clouds=Clouds(transport, clock))
    authorizer = Authorizer(transport, credentials)
    client = RegistryClient(host, "team/long", transport, authorizer, push=True)
    return Repository(RegistryReference(host, "team/long"), client)
