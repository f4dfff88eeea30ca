"""The cluster does what Kubernetes does, seen through the client that users have."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.kubernetes.configuration import write as write_configuration
from tests.peers.kubernetes.machine import machine
from tests.peers.registry import registry as start_registry
from tests.peers.tools import Skopeo

if TYPE_CHECKING:
    from tests.peers.kubernetes.cluster import Cluster

SECONDS = 120
WAITS = "import signal; signal.pause()"


@pytest.fixture
def core(kubernetes: Cluster) -> Any:
    """The client's CoreV1Api."""
    return kubernetes.core()


@pytest.fixture
def namespace(kubernetes: Cluster, core: Any) -> Iterator[str]:
    name = kubernetes.make_namespace()
    yield name
    core.delete_namespace(name, grace_period_seconds=0)


def pod(name: str, image: str, code: str, **more: Any) -> dict[str, Any]:
    """A pod that runs Python code once."""
    limits = {"resources": {"limits": {"memory": more.pop("memory")}}} if "memory" in more else {}
    container = {
        "name": "main",
        "image": image,
        "command": ["/usr/bin/python3", "-c", code],
        "env": [{"name": key, "value": value} for key, value in more.pop("env", {}).items()],
        "volumeMounts": more.pop("mounts", []),
        **limits,
    }
    return {
        "metadata": {"name": name},
        "spec": {
            "containers": [container],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            **more,
        },
    }


def events(core: Any, namespace: str, **options: Any) -> Iterator[Any]:
    """What a watch of the namespace's pods tells."""
    from kubernetes import watch

    made: Any = watch
    told: Iterator[Any] = made.Watch().stream(core.list_namespaced_pod, namespace, **options)
    return told


def watched(core: Any, namespace: str, name: str, seen: Callable[[Any], object]) -> Any:
    """The pod as soon as it is seen to be so."""
    last = None
    only = f"metadata.name={name}"
    for event in events(core, namespace, field_selector=only, timeout_seconds=SECONDS):
        last = event["object"]
        if seen(last):
            return last
    raise AssertionError(f"pod {name} stayed as it is:\n{last}")


def has_ended(seen: Any) -> bool:
    return seen.status.phase in ("Succeeded", "Failed")


def is_running(seen: Any) -> bool:
    return bool(seen.status.phase == "Running")


def is_refused(seen: Any) -> bool:
    """Whether its image cannot be pulled, with the registry's reason."""
    return any(
        status.state.waiting and status.state.waiting.reason == "ErrImagePull"
        for status in seen.status.container_statuses or ()
    )


def ran(core: Any, namespace: str, spec: Mapping[str, Any]) -> Any:
    core.create_namespaced_pod(namespace, spec)
    return watched(core, namespace, spec["metadata"]["name"], has_ended)


def refusal(core: Any, namespace: str, spec: Mapping[str, Any]) -> str:
    core.create_namespaced_pod(namespace, spec)
    seen = watched(core, namespace, spec["metadata"]["name"], is_refused)
    return str(seen.status.container_statuses[0].state.waiting.message)


def ending(seen: Any) -> Any:
    return seen.status.container_statuses[0].state.terminated


def docker_config(host: str, user: str, password: str) -> dict[str, Any]:
    entry = {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}
    return {
        "metadata": {"name": f"login-{password}"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json.dumps({"auths": {host: entry}})},
    }


def test_a_node_is_ready(kubernetes: Cluster, core: Any) -> None:
    (node,) = core.list_node().items
    assert {c.type: c.status for c in node.status.conditions}["Ready"] == "True"
    assert node.status.node_info.kubelet_version == "v1.20.2"


def test_a_pod_runs_an_image_by_digest(core: Any, namespace: str, base_in_cluster: str) -> None:
    seen = ran(core, namespace, pod("hello", base_in_cluster, "print('hello'); exit(3)"))
    assert ending(seen).exit_code == 3
    assert seen.status.phase == "Failed"
    assert seen.status.container_statuses[0].image_id.endswith(base_in_cluster.partition("@")[2])
    assert core.read_namespaced_pod_log("hello", namespace) == "hello\n"


def test_a_log_is_followed(core: Any, namespace: str, base_in_cluster: str) -> None:
    code = "import signal; print('here', flush=True); signal.pause()"
    core.create_namespaced_pod(namespace, pod("talks", base_in_cluster, code))
    watched(core, namespace, "talks", is_running)
    log = core.read_namespaced_pod_log("talks", namespace, follow=True, _preload_content=False)
    assert next(iter(log.stream())) == b"here\n"
    core.delete_namespaced_pod("talks", namespace, grace_period_seconds=0)
    log.close()


def test_too_much_memory_ends_a_pod(core: Any, namespace: str, base_in_cluster: str) -> None:
    greedy = pod("greedy", base_in_cluster, "b'x' * (1 << 28)", memory="32Mi")
    end = ending(ran(core, namespace, greedy))
    assert (end.reason, end.exit_code) == ("OOMKilled", 137)


def test_a_pod_that_fits_nowhere_waits_with_a_reason(
    core: Any, namespace: str, base_in_cluster: str
) -> None:
    core.create_namespaced_pod(namespace, pod("huge", base_in_cluster, "", memory="1000Gi"))
    seen = watched(core, namespace, "huge", lambda seen: seen.status.conditions)
    (condition,) = seen.status.conditions
    assert condition.reason == "Unschedulable"
    assert "Insufficient memory" in condition.message


def test_a_wrong_digest_is_told(core: Any, namespace: str, base_in_cluster: str) -> None:
    wrong = f"{base_in_cluster.partition('@')[0]}@sha256:{'0' * 64}"
    assert "not found" in refusal(core, namespace, pod("wrong", wrong, ""))


def test_a_pull_secret_decides(
    kubernetes: Cluster,
    core: Any,
    namespace: str,
    skopeo: Skopeo,
    base_layout: Path,
    tmp_path: Path,
) -> None:
    users = {"me": "right"}
    with start_registry(
        tmp_path / "registry", htpasswd=users, address=kubernetes.gateway
    ) as registry:
        kubernetes.trust(registry.host)
        image = f"{registry.host}/private:1"
        skopeo.copy(f"oci:{base_layout}:plain", f"docker://{image}", "--dest-creds=me:right")
        for password in ("wrong", "right"):
            core.create_namespaced_secret(namespace, docker_config(registry.host, "me", password))
        wrong = pod("wrong", image, "", imagePullSecrets=[{"name": "login-wrong"}])
        assert "401 Unauthorized" in refusal(core, namespace, wrong)
        assert "401 Unauthorized" in refusal(core, namespace, pod("none", image, ""))
        right = pod("right", image, "", imagePullSecrets=[{"name": "login-right"}])
        assert ran(core, namespace, right).status.phase == "Succeeded"


def test_a_service_account_may_do_what_its_role_says(
    kubernetes: Cluster, core: Any, namespace: str
) -> None:
    from kubernetes.client.exceptions import ApiException

    make_account(kubernetes, namespace, "narrow")
    narrow = kubernetes.core(kubernetes.login(namespace, "narrow"))
    assert narrow.list_namespaced_pod(namespace).items == []
    with pytest.raises(ApiException, match="cannot list resource") as caught:
        narrow.list_namespaced_config_map(namespace)
    assert caught.value.status == 403


def make_account(kubernetes: Cluster, namespace: str, name: str) -> None:
    """A service account that may read pods, and do nothing else."""
    from kubernetes.client import RbacAuthorizationV1Api

    meta = {"metadata": {"name": name}}
    kubernetes.core().create_namespaced_service_account(namespace, meta)
    rbac: Any = RbacAuthorizationV1Api(kubernetes.api())
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    rbac.create_namespaced_role(namespace, {**meta, "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    role = {"kind": "Role", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    rbac.create_namespaced_role_binding(namespace, {**meta, "subjects": [subject], "roleRef": role})


def test_a_pod_reaches_the_api_server_and_the_registry(
    kubernetes: Cluster, core: Any, namespace: str, base_in_cluster: str
) -> None:
    import kubernetes as package

    make_account(kubernetes, namespace, "inside")
    code = f"""
import urllib.request
from kubernetes import client, config

config.load_incluster_config()
for seen in client.CoreV1Api().list_namespaced_pod({namespace!r}).items:
    print(seen.metadata.name)
print(urllib.request.urlopen("http://{base_in_cluster.partition("/")[0]}/v2/").status)
"""
    packages = {"hostPath": {"path": str(Path(package.__file__).parent.parent)}}
    inside = pod(
        "inside",
        base_in_cluster,
        code,
        env={"PYTHONPATH": "/packages"},
        mounts=[{"name": "packages", "mountPath": "/packages", "readOnly": True}],
        volumes=[{"name": "packages", **packages}],
        serviceAccountName="inside",
    )
    ran(core, namespace, inside)
    assert core.read_namespaced_pod_log("inside", namespace) == "inside\n200\n"


def test_watches_break_and_forget_when_the_api_server_restarts(
    kubernetes: Cluster, core: Any, namespace: str, base_in_cluster: str
) -> None:
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    core.create_namespaced_pod(namespace, pod("waits", base_in_cluster, WAITS))
    running = watched(core, namespace, "waits", is_running)
    before = core.list_namespaced_pod(namespace).metadata.resource_version
    stream = events(core, namespace, resource_version=before)
    mark(core, namespace, "1")
    assert next(stream)["object"].metadata.labels == {"mark": "1"}

    kubernetes.restart("kube-apiserver")
    with pytest.raises((HTTPError, StopIteration)):
        next(stream)
    with pytest.raises(ApiException, match="too old resource version"):
        next(events(core, namespace, resource_version=before))
    since = core.list_namespaced_pod(namespace).metadata.resource_version
    mark(core, namespace, "2")
    seen = next(events(core, namespace, resource_version=since))["object"]
    assert seen.metadata.labels == {"mark": "2"}
    assert (seen.metadata.uid, seen.status.phase) == (running.metadata.uid, "Running")


def mark(core: Any, namespace: str, mark: str) -> None:
    core.patch_namespaced_pod("waits", namespace, {"metadata": {"labels": {"mark": mark}}})


def test_an_api_server_that_hangs_answers_when_it_goes_on(
    kubernetes: Cluster, core: Any, namespace: str
) -> None:
    from urllib3.exceptions import HTTPError

    with kubernetes.paused("kube-apiserver"), pytest.raises(HTTPError):
        core.list_namespaced_pod(namespace, _request_timeout=1)
    assert core.list_namespaced_pod(namespace, _request_timeout=SECONDS).items == []


def test_a_deleted_pod_is_gone(core: Any, namespace: str, base_in_cluster: str) -> None:
    core.create_namespaced_pod(namespace, pod("gone", base_in_cluster, WAITS))
    seen = watched(core, namespace, "gone", is_running)
    core.delete_namespaced_pod("gone", namespace, grace_period_seconds=0)
    since = seen.metadata.resource_version
    told = events(core, namespace, resource_version=since, timeout_seconds=SECONDS)
    assert "DELETED" in (event["type"] for event in told)
    assert core.list_namespaced_pod(namespace).items == []


def test_pods_of_a_lost_node_are_given_up(
    kubernetes: Cluster, core: Any, namespace: str, base_in_cluster: str
) -> None:
    core.create_namespaced_pod(namespace, pod("lost", base_in_cluster, WAITS))
    watched(core, namespace, "lost", is_running)
    with kubernetes.without("kubelet"):
        lost = watched(core, namespace, "lost", lambda seen: seen.metadata.deletion_timestamp)
        (ready,) = (c for c in lost.status.conditions if c.type == "Ready")
        assert (lost.status.phase, ready.status) == ("Running", "False")


def test_a_component_that_ends_is_named(tmp_path: Path) -> None:
    from tests.peers.kubernetes.cluster import Cluster, ClusterError

    with machine(tmp_path / "machine") as inner:
        made = Cluster(inner, write_configuration(tmp_path / "etc", inner, tmp_path))
        inner.start("etcd", "sh", "-c", "echo no such luck >&2; exit 3").popen.wait()
        with pytest.raises(ClusterError, match="etcd ended with 3 before the API server was ready"):
            made.wait()


def test_a_machine_leaves_nothing(tmp_path: Path) -> None:
    with machine(tmp_path / "machine") as inner:
        mine = groups(inner.name)
        (mine[0] / "pods").mkdir()
        inner.start("sleep", "sh", "-c", "sleep 1000 & sleep 1000")
        inner.run("mount", "-t", "tmpfs", "tmpfs", "/var/lib")
        (wire,) = (link for link in interfaces() if link[0] == inner.name)
    assert groups(inner.name) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert wire not in interfaces()
    with pytest.raises(ProcessLookupError):
        os.kill(inner.init, 0)


def interfaces() -> set[tuple[str, str]]:
    listed = subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout
    return {(link["ifname"], link["address"]) for link in json.loads(listed)}


def groups(name: str) -> list[Path]:
    top = Path("/sys/fs/cgroup")
    return [*top.glob(name), *top.glob(f"*/{name}")]
