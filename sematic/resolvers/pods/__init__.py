"""Where pods run: one small interface and the places behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sematic.resolvers.pods.pods import (
    INFRASTRUCTURE,
    Cause,
    PodEvent,
    Pods,
    PodsError,
    PodSpec,
    worker_name,
)

if TYPE_CHECKING:
    from sematic.config import RunSettings
    from sematic.resolvers.pods.place import Place

__all__ = [
    "INFRASTRUCTURE",
    "Cause",
    "PodEvent",
    "PodSpec",
    "Pods",
    "PodsError",
    "open_place",
    "worker_name",
]


def open_place(settings: RunSettings) -> Place:
    """The place that settings name; the same one from a pod of it.

    :raises PodsError: it cannot be used from here.
    """
    if settings.pods == "kubernetes":
        from sematic.resolvers.pods.kubernetes import KubernetesPlace

        return KubernetesPlace(settings)
    if settings.pods == "podman":
        from sematic.resolvers.pods.podman import PodmanPlace

        return PodmanPlace()
    from sematic.resolvers.pods.local import LocalPlace

    return LocalPlace()
