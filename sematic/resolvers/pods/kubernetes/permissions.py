"""What launchers and drivers must be allowed to do in a namespace, and the manifest of it.

Kubernetes, "Using RBAC Authorization".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sematic.resolvers.pods.kubernetes.client import Object

_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Rule:
    """Verbs for a resource (``pods``, or a part of one, ``pods/log``) of an API group."""

    resource: str
    verbs: tuple[str, ...]
    group: str = ""

    def reviewed(self, verb: str, namespace: str) -> Object:
        """One of its verbs, as the ``resourceAttributes`` of an access review."""
        resource, _, part = self.resource.partition("/")
        return {
            "namespace": namespace,
            "verb": verb,
            "group": self.group,
            "resource": resource,
            "subresource": part,
        }


_PODS = (
    Rule("pods", ("create", "delete", "get", "list", "watch")),
    Rule("pods/log", ("get",)),
    Rule("leases", ("create", "delete", "get", "patch"), "coordination.k8s.io"),
)
DRIVER = (Rule("configmaps", ("get", "update")), *_PODS)
LAUNCHER = (
    Rule("configmaps", ("create", "delete", "get", "list", "update", "watch")),
    *_PODS,
)
LOGIN = Rule("secrets", ("create",))
"""Of launchers that share their login at the registry."""

_NICE = Rule("events", ("list",))  # says why a pod waits whose status does not


def manifest(namespace: str, account: str, launcher: str, launcher_rules: Sequence[Rule]) -> str:
    """YAML that allows all that is needed.

    :param account: the service account of pods.
    :param launcher: the user who launches; "" to leave that out.
    """
    objects: list[Object] = []
    if account != "default":
        objects.append(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
        )
    subject: Object = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    objects += _role("sematic-driver", (*DRIVER, _NICE), subject)
    if launcher:
        objects += _role("sematic-launcher", (*launcher_rules, _NICE), _subject_of(launcher))
    for one in objects:
        one["metadata"]["namespace"] = namespace
    return "---\n".join("".join(_yaml(one)) for one in objects)


def _subject_of(user: str) -> Object:
    prefix, _, rest = user.partition("system:serviceaccount:")
    if rest and not prefix:
        namespace, _, name = rest.partition(":")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"kind": "User", "name": user, "apiGroup": _RBAC}


def _role(name: str, rules: Sequence[Rule], subject: Object) -> Iterator[Object]:
    version = f"{_RBAC}/v1"
    # A binding for each subject, so that one that is applied later takes no other's place.
    binding = f"{name}-{re.sub('[^a-z0-9]+', '-', subject['name'].lower()).strip('-')}"
    yield {
        "apiVersion": version,
        "kind": "Role",
        "metadata": {"name": name},
        "rules": [
            {"apiGroups": [rule.group], "resources": [rule.resource], "verbs": list(rule.verbs)}
            for rule in rules
        ],
    }
    yield {
        "apiVersion": version,
        "kind": "RoleBinding",
        "metadata": {"name": binding},
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
        "subjects": [subject],
    }


def _yaml(document: Object) -> Iterator[str]:
    """A document whose values are written as JSON, which is YAML too."""
    for key, value in document.items():
        if isinstance(value, list):
            yield f"{key}:\n"
            yield from (f"- {_flow(item)}\n" for item in value)
        else:
            yield f"{key}: {_flow(value)}\n"


def _flow(value: Any) -> str:
    return json.dumps(value) if not isinstance(value, str) or "/" in value else value
