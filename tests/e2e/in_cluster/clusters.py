"""Accounts in a cluster, and a namespace of it as a place for runs, seen from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sematic.config import RunSettings
from sematic.resolvers.pods.kubernetes import KubernetesPlace
from sematic.resolvers.records import RunRecord
from tests.e2e.launching import wait

if TYPE_CHECKING:
    from tests.peers.kubernetes.cluster import Cluster

RULES = [
    {"apiGroups": [group], "resources": [resource], "verbs": verbs}
    for group, resource, verbs in (
        ("", "pods", ["create", "get", "list", "watch", "delete"]),
        ("", "pods/log", ["get"]),
        ("", "configmaps", ["get", "update"]),
        ("", "events", ["list"]),
        ("coordination.k8s.io", "leases", ["create", "get", "patch", "delete"]),
    )
]


def make_account(cluster: Cluster, namespace: str, name: str, rules: list[dict[str, Any]]) -> None:
    from kubernetes.client import RbacAuthorizationV1Api

    meta = {"metadata": {"name": name}}
    cluster.core().create_namespaced_service_account(namespace, meta)
    rbac: Any = RbacAuthorizationV1Api(cluster.api())
    rbac.create_namespaced_role(namespace, {**meta, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    role = {"kind": "Role", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    rbac.create_namespaced_role_binding(namespace, {**meta, "subjects": [subject], "roleRef": role})


class Place:
    """A namespace of the cluster, from outside."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.core = cluster.core()
        self.place = KubernetesPlace(RunSettings(namespace=namespace))

    def record(self, run_id: str) -> RunRecord:
        found = self.place.records.read(run_id)
        assert found is not None
        return found

    def newest_record(self) -> RunRecord:
        return self.place.records.list()[0]

    def ended_record(self, run_id: str) -> RunRecord:
        *_, last = self.place.records.watch(run_id)
        assert last.is_ended
        return last

    def pods(self, run_id: str = "") -> dict[str, Any]:
        """The pods of a run, or all, by their names."""
        only = {"label_selector": f"sematic.dev/run={run_id}"} if run_id else {}
        found = self.core.list_namespaced_pod(self.namespace, **only).items
        return {pod.metadata.name: pod for pod in found}

    def leases(self) -> list[str]:
        from kubernetes.client import CoordinationV1Api

        api: Any = CoordinationV1Api(self.cluster.api())
        return [one.metadata.name for one in api.list_namespaced_lease(self.namespace).items]

    def step_runs(self) -> RunRecord:
        """The newest run, once a step of it runs in a pod."""
        wait(lambda: any(is_running(pod) for pod in workers(self.pods())), "no step runs")
        return self.newest_record()

    def has_no_pods_of(self, run_id: str) -> None:
        wait(lambda: not self.pods(run_id), "pods are left")


def workers(pods: dict[str, Any]) -> list[Any]:
    return [pod for name, pod in pods.items() if name.startswith("sematic-worker-")]


def is_running(pod: Any) -> bool:
    return any(status.state.running for status in pod.status.container_statuses or ())
