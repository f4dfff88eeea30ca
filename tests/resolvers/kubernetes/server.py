"""An API server that does what a real one does not do on demand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sematic.resolvers.pods.kubernetes.client import Api, Patience
from sematic.resolvers.pods.kubernetes.login import Login
from tests.oci.registry.scripted import Reply, ScriptedRegistry, scripted_registry

QUICK = Patience(total=5, unheard=1.0, first=0.01, longest=0.02)


@contextmanager
def scripted_api(patience: Patience = QUICK) -> Iterator[tuple[ScriptedRegistry, Api]]:
    """The server (what it answers is scripted), and a client of it."""
    with scripted_registry() as server:
        login = Login(f"http://{server.host}", "space", "a test", authorization=lambda: "Bearer t")
        yield server, Api(login, patience=patience)


def reply(document: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, headers, json.dumps(document).encode())


def lines(*documents: Any) -> Reply:
    """What a watch gives until it ends."""
    return Reply(200, {}, "".join(json.dumps(one) + "\n" for one in documents).encode())


def status(code: int, reason: str, message: str = "", **headers: str) -> Reply:
    """A refusal as the API writes it."""
    document = {"kind": "Status", "status": "Failure", "reason": reason, "message": message}
    return reply({**document, "code": code}, code, **headers)


def listing(version: str, *pods: dict[str, Any]) -> Reply:
    return reply({"metadata": {"resourceVersion": version}, "items": list(pods)})


def named(name: str, version: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": version}, "status": {"phase": "Pending"}}
