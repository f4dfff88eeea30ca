from __future__ import annotations

from typing import Any

import pytest

from sematic import (
    KubernetesCapabilities,
    KubernetesHostPathMount,
    KubernetesResourceRequirements,
    KubernetesSecretMount,
    KubernetesSecurityContext,
    KubernetesToleration,
    ResourceRequirements,
)
from sematic.resolvers.pods import PodSpec
from sematic.resolvers.pods.kubernetes.manifest import (
    Surroundings,
    owner_reference,
    pod_manifest,
)

RUN, STEP = "a" * 32, "b" * 32
IMAGE = "registry.example.com/app@sha256:" + "0" * 64
AROUND = Surroundings(owner_reference("ConfigMap", f"sematic-run-{RUN}", "uid-1"))


def spec(needs: KubernetesResourceRequirements | None = None, **more: Any) -> PodSpec:
    return PodSpec(
        name=f"sematic-worker-{STEP}",
        run_id=RUN,
        step_id=STEP,
        image=IMAGE,
        arguments=("--run_id", STEP),
        resources=ResourceRequirements(needs) if needs else None,
        **more,
    )


def made(
    needs: KubernetesResourceRequirements | None = None,
    around: Surroundings = AROUND,
    **more: Any,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The spec of a pod, and that of its container."""
    document = pod_manifest(spec(needs, **more), around)["spec"]
    (container,) = document["containers"]
    return document, container


def env(container: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


def test_a_pod_runs_the_entrypoint_of_its_image_once() -> None:
    document, container = made()
    assert document["restartPolicy"] == "Never"
    assert container["image"] == IMAGE
    assert container["args"] == ["--run_id", STEP]
    assert "command" not in container


def test_a_pod_is_found_by_its_run_and_removed_with_it() -> None:
    metadata = pod_manifest(spec(), AROUND)["metadata"]
    assert metadata["name"] == f"sematic-worker-{STEP}"
    assert metadata["labels"] == {
        "sematic.dev/run": RUN,
        "sematic.dev/step": STEP,
        "sematic.dev/kind": "worker",
        "app.kubernetes.io/managed-by": "sematic",
    }
    assert metadata["annotations"] == {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    assert metadata["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": f"sematic-run-{RUN}", "uid": "uid-1"}
    ]


def test_a_process_knows_where_it_is() -> None:
    seen = env(made(env={"SEMATIC_STORE": "file:///s"})[1])
    assert seen["SEMATIC_STORE"] == "file:///s"
    assert seen["SEMATIC_CONTAINER_IMAGE"] == IMAGE
    assert seen["ON_SEMATIC_WORKER"] == seen["PYTHONUNBUFFERED"] == "1"
    assert seen["KUBERNETES_POD_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert seen["KUBERNETES_POD_UID"] == {"fieldRef": {"fieldPath": "metadata.uid"}}


def test_workers_look_after_their_driver_and_drivers_do_not() -> None:
    around = Surroundings(AROUND.owner, lifeline="module:lease")
    assert env(made(around=around)[1])["SEMATIC_LIFELINE"] == "module:lease"
    assert "SEMATIC_LIFELINE" not in env(made(around=around, kind="driver")[1])


def test_a_restricted_namespace_takes_a_pod() -> None:
    """Every field that the restricted Pod Security Standard asks for."""
    document, container = made()
    context = document["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_step_with_a_security_context_runs_as_the_user_of_its_image() -> None:
    own = KubernetesSecurityContext(
        privileged=True, capabilities=KubernetesCapabilities(add=["NET_ADMIN"])
    )
    document, container = made(KubernetesResourceRequirements(security_context=own))
    assert document["securityContext"] == {}
    assert container["securityContext"] == {
        "privileged": True,
        "allowPrivilegeEscalation": True,
        "capabilities": {"add": ["NET_ADMIN"], "drop": []},
    }


def test_requests_are_limits_as_well() -> None:
    needs = KubernetesResourceRequirements(requests={"cpu": "2", "nvidia.com/gpu": "1"})
    resources = made(needs)[1]["resources"]
    assert resources == {"requests": needs.requests, "limits": needs.requests}
    assert "resources" not in made()[1]


def test_a_step_chooses_its_node() -> None:
    needs = KubernetesResourceRequirements(
        node_selector={"disk": "ssd"},
        tolerations=[
            KubernetesToleration("gpu", "Exists", "NoSchedule"),
            KubernetesToleration("node.kubernetes.io/unreachable", "Exists", "NoExecute"),
        ],
    )
    document, _ = made(needs)
    assert document["nodeSelector"] == {"disk": "ssd"}
    gpu, unreachable, not_ready = document["tolerations"]
    assert gpu == {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert "tolerationSeconds" not in unreachable
    assert not_ready["key"] == "node.kubernetes.io/not-ready"


def test_a_pod_leaves_a_node_that_does_not_answer_soon() -> None:
    tolerations = made()[0]["tolerations"]
    assert {one["key"] for one in tolerations} == {
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    }
    assert all(0 < one["tolerationSeconds"] <= 60 for one in tolerations)


def test_secrets_are_variables_and_files() -> None:
    secrets = KubernetesSecretMount({"api-key": "API_KEY"}, {"cert": "tls/cert.pem"}, "/private")
    document, container = made(KubernetesResourceRequirements(secret_mounts=secrets))
    key = {"secretKeyRef": {"name": "sematic-func-secrets", "key": "api-key"}}
    assert env(container)["API_KEY"] == key
    (volume,) = document["volumes"]
    assert volume["secret"] == {
        "secretName": "sematic-func-secrets",
        "items": [{"key": "cert", "path": "tls/cert.pem"}],
    }
    (mount,) = container["volumeMounts"]
    assert (mount["name"], mount["mountPath"]) == (volume["name"], "/private")


def test_shared_memory_and_folders_of_the_node() -> None:
    needs = KubernetesResourceRequirements(
        mount_expanded_shared_memory=True,
        host_path_mounts=[KubernetesHostPathMount("/data", "/mnt/data", type="Directory")],
    )
    document, container = made(needs)
    shared, host = document["volumes"]
    assert shared["emptyDir"] == {"medium": "Memory"}
    assert host["hostPath"] == {"path": "/data", "type": "Directory"}
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/dev/shm", "/mnt/data"]


def test_labels_of_a_step_do_not_hide_it() -> None:
    needs = KubernetesResourceRequirements(
        labels={"team": "blue", "sematic.dev/run": "other"},
        annotations={"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"},
    )
    metadata = pod_manifest(spec(needs), AROUND)["metadata"]
    assert metadata["labels"]["team"] == "blue"
    assert metadata["labels"]["sematic.dev/run"] == RUN
    assert set(metadata["annotations"].values()) == {"true"}


def test_a_time_out_leaves_time_to_pull_the_image() -> None:
    assert made(timeout=90.5)[0]["activeDeadlineSeconds"] == 691
    assert "activeDeadlineSeconds" not in made()[0]


@pytest.mark.parametrize("store", ["registry://registry.example.com/app", "s3://bucket/x"])
def test_a_store_that_is_a_registry_is_logged_in_to_as_the_image_is_pulled(store: str) -> None:
    around = Surroundings(AROUND.owner, "runner", ("first", "second"))
    document, container = made(around=around, env={"SEMATIC_STORE": store})
    assert document["serviceAccountName"] == "runner"
    assert document["imagePullSecrets"] == [{"name": "first"}, {"name": "second"}]
    file = env(container).get("REGISTRY_AUTH_FILE")
    if store.startswith("s3"):
        assert file is None
        return
    (volume,) = document["volumes"]
    (mount,) = container["volumeMounts"]
    assert volume["secret"]["secretName"] == "first"
    assert file == f"{mount['mountPath']}/{volume['secret']['items'][0]['path']}"
