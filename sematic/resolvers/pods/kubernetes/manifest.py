"""What a pod of a run is told to be. Nothing is asked here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sematic.resolvers.pods.pods import PodSpec
from sematic.resources import (
    KubernetesResourceRequirements,
    KubernetesSecretMount,
    KubernetesToleration,
)

LABEL = "sematic.dev"
RUN, STEP, KIND = f"{LABEL}/run", f"{LABEL}/step", f"{LABEL}/kind"

FUNC_SECRETS = "sematic-func-secrets"
REGISTRY_LOGIN = "/run/sematic/registry"

_NOBODY = 65532  # the user of distroless images; no image need know it
# The pod's deadline counts from its arrival on a node, so that pulling its image is part of it; the
# driver, which counts from its start, is more exact, if it lives.
_PULL_SECONDS = 600
# How long a pod stays on a node that does not answer. Clusters say five minutes.
_LOST_SECONDS = 20
_LOST_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all pods of a run have in common.

    :param owner: what they are removed with (an ``OwnerReference``).
    :param pull_secrets: names of secrets that hold logins of registries.
    :param lifeline: for :mod:`sematic.resolvers.lifeline`.
    :param env: variables of who launches or drives the run that pods need as well.
    """

    owner: Mapping[str, Any]
    service_account: str = ""
    pull_secrets: Sequence[str] = ()
    lifeline: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


def owner_reference(kind: str, name: str, uid: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "name": name, "uid": uid}


def run_labels(run_id: str, kind: str) -> dict[str, str]:
    """What everything of a run is found by."""
    return {RUN: run_id, KIND: kind, "app.kubernetes.io/managed-by": "sematic"}


def pod_manifest(pod: PodSpec, around: Surroundings) -> dict[str, Any]:
    """A ``v1.Pod``."""
    needs = pod.resources.kubernetes if pod.resources else KubernetesResourceRequirements()
    labels = {**needs.labels, **run_labels(pod.run_id, pod.kind), STEP: pod.step_id}
    annotations = {
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        **needs.annotations,
    }
    volumes = list(_volumes(pod, needs, around))
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "enableServiceLinks": False,
        "securityContext": _pod_security(needs),
        "containers": [_container(pod, needs, around, [mount for _, mount in volumes])],
        "volumes": [volume for volume, _ in volumes],
        "tolerations": _tolerations(needs.tolerations),
    }
    if needs.node_selector:
        spec["nodeSelector"] = dict(needs.node_selector)
    if around.service_account:
        spec["serviceAccountName"] = around.service_account
    if around.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in around.pull_secrets]
    if pod.timeout is not None:
        spec["activeDeadlineSeconds"] = math.ceil(pod.timeout) + _PULL_SECONDS
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod.name,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [dict(around.owner)],
        },
        "spec": spec,
    }


def _container(
    pod: PodSpec,
    needs: KubernetesResourceRequirements,
    around: Surroundings,
    mounts: list[dict[str, Any]],
) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "main",
        "image": pod.image,
        "args": list(pod.arguments),
        "env": list(_env(pod, needs, around)),
        "volumeMounts": mounts,
        "securityContext": _container_security(needs),
        "terminationMessagePolicy": "File",
    }
    if needs.requests:
        container["resources"] = {"requests": dict(needs.requests), "limits": dict(needs.requests)}
    return container


def _env(
    pod: PodSpec, needs: KubernetesResourceRequirements, around: Surroundings
) -> Iterable[dict[str, Any]]:
    values = {
        **around.env,
        **pod.env,
        "SEMATIC_CONTAINER_IMAGE": pod.image,
        "ON_SEMATIC_WORKER": "1",
        "PYTHONUNBUFFERED": "1",
    }
    if around.lifeline and pod.kind == "worker":
        values["SEMATIC_LIFELINE"] = around.lifeline
    if _wants_login(pod, around):
        values["REGISTRY_AUTH_FILE"] = f"{REGISTRY_LOGIN}/config.json"
    for name, value in values.items():
        yield {"name": name, "value": value}
    for part in ("name", "uid"):
        source = {"fieldRef": {"fieldPath": f"metadata.{part}"}}
        yield {"name": f"KUBERNETES_POD_{part.upper()}", "valueFrom": source}
    for key, variable in needs.secret_mounts.environment_secrets.items():
        secret = {"secretKeyRef": {"name": FUNC_SECRETS, "key": key}}
        yield {"name": variable, "valueFrom": secret}


def _volumes(
    pod: PodSpec, needs: KubernetesResourceRequirements, around: Surroundings
) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    """Each volume with its mount."""
    if needs.secret_mounts.file_secrets:
        yield _secret_files(needs.secret_mounts)
    if needs.mount_expanded_shared_memory:
        volume = {"name": "shared-memory", "emptyDir": {"medium": "Memory"}}
        yield volume, {"name": "shared-memory", "mountPath": "/dev/shm"}
    if _wants_login(pod, around):
        secret = {
            "secretName": around.pull_secrets[0],
            "items": [{"key": ".dockerconfigjson", "path": "config.json"}],
            "optional": True,
        }
        mount = {"name": "registry-login", "mountPath": REGISTRY_LOGIN, "readOnly": True}
        yield {"name": "registry-login", "secret": secret}, mount
    for host in needs.host_path_mounts:
        path = {"path": host.node_path, "type": host.type}
        yield (
            {"name": host.name, "hostPath": path},
            {
                "name": host.name,
                "mountPath": host.pod_mount_path,
            },
        )


def _secret_files(secrets: KubernetesSecretMount) -> tuple[dict[str, Any], dict[str, Any]]:
    items = [{"key": key, "path": path} for key, path in secrets.file_secrets.items()]
    volume = {"name": "func-secrets", "secret": {"secretName": FUNC_SECRETS, "items": items}}
    path = secrets.file_secret_root_path
    return volume, {"name": "func-secrets", "mountPath": path, "readOnly": True}


def _wants_login(pod: PodSpec, around: Surroundings) -> bool:
    """Whether the store is a registry, which wants the login that the image is pulled with."""
    is_registry = pod.env.get("SEMATIC_STORE", "").startswith("registry://")
    return is_registry and bool(around.pull_secrets)


def _tolerations(wanted: Sequence[KubernetesToleration]) -> list[dict[str, Any]]:
    written = [_toleration(one) for one in wanted]
    keys = {one.key for one in wanted}
    for taint in _LOST_TAINTS:
        if taint not in keys and None not in keys:
            written.append(
                _toleration(
                    KubernetesToleration(
                        taint, "Exists", "NoExecute", toleration_seconds=_LOST_SECONDS
                    )
                )
            )
    return written


def _toleration(one: KubernetesToleration) -> dict[str, Any]:
    parts = {
        "key": one.key,
        "operator": str(getattr(one.operator, "value", one.operator)),
        "effect": None if one.effect is None else str(getattr(one.effect, "value", one.effect)),
        "value": one.value,
        "tolerationSeconds": one.toleration_seconds,
    }
    return {name: value for name, value in parts.items() if value is not None}


def _pod_security(needs: KubernetesResourceRequirements) -> dict[str, Any]:
    """What a namespace takes that enforces the restricted Pod Security Standard.

    A step with a security context of its own runs as the user of its image: capabilities are of no
    use to another one.
    """
    own = needs.security_context
    context: dict[str, Any] = {}
    if own is None:
        context |= {"runAsNonRoot": True, "runAsUser": _NOBODY, "runAsGroup": _NOBODY}
        context["fsGroup"] = _NOBODY  # for what is mounted, tokens among it
    if own is None or not own.privileged:
        context["seccompProfile"] = {"type": "RuntimeDefault"}
    return context


def _container_security(needs: KubernetesResourceRequirements) -> dict[str, Any]:
    own = needs.security_context
    if own is None:
        return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "privileged": own.privileged,
        "allowPrivilegeEscalation": own.allow_privilege_escalation or own.privileged,
        "capabilities": {
            "add": list(own.capabilities.add),
            "drop": list(own.capabilities.drop),
        },
    }
