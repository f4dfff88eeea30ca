"""Documents of pods as real clusters have them (Kubernetes 1.20 with containerd 1.6, and later)."""

from __future__ import annotations

from typing import Any

NAME = "sematic-worker-1"
REFUSED = (
    'rpc error: code = Unknown desc = failed to pull and unpack image "198.18.1.1:5000/p@sha256:0"'
    ": "
    'failed to resolve reference "198.18.1.1:5000/p@sha256:0": pulling from host 198.18.1.1:5000 '
    "failed with status code [manifests sha256:0]: 401 Unauthorized"
)
UNREACHABLE = (
    'rpc error: code = Unknown desc = failed to pull and unpack image "r:1/p": failed to do '
    'request: Head "https://r:1/v2/p/manifests/1": dial tcp 10.0.0.1:1: connect: connection refused'
)


def pod(phase: str, state: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A pod with one container.

    `conditions`: type -> (status, reason, message); `deleted`: it is about to be; other keywords
    are of its status.
    """
    conditions = [
        {"type": kind, "status": status, "reason": reason, "message": message}
        for kind, (status, reason, message) in more.pop("conditions", {}).items()
    ]
    metadata = {"name": NAME}
    if more.pop("deleted", False):
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    container: dict[str, Any] = {"name": "main"}
    if limit := more.pop("memory", None):
        container["resources"] = {"limits": {"memory": limit}}
    status: dict[str, Any] = {"phase": phase, "conditions": conditions, **more}
    if state is not None:
        status["containerStatuses"] = [{"name": "main", "state": state}]
    return {
        "metadata": metadata,
        "spec": {"nodeName": "node-1", "containers": [container]},
        "status": status,
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return pod("Pending", {"waiting": {"reason": reason, "message": message}})


def terminated(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
READY = {"Ready": ("True", "", "")}
UNREADY = {"Ready": ("False", "", "")}
