"""Resource requirements: what a cluster would refuse is refused here."""

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
    KubernetesTolerationEffect,
    KubernetesTolerationOperator,
    ResourceRequirements,
    RetrySettings,
)


def test_everything_can_be_asked_for() -> None:
    asked = KubernetesResourceRequirements(
        node_selector={"node.kubernetes.io/instance-type": "g4dn.xlarge"},
        requests={"cpu": "500m", "memory": "2.5Gi", "nvidia.com/gpu": "1", "example.com/x": "1e3"},
        secret_mounts=KubernetesSecretMount({"api-key": "API_KEY"}, {"tls.crt": "certs/tls.crt"}),
        tolerations=[
            KubernetesToleration("gpu", "Exists", "NoExecute", toleration_seconds=60),
            KubernetesToleration("team", value="ml"),
        ],
        mount_expanded_shared_memory=True,
        security_context=KubernetesSecurityContext(True, False, KubernetesCapabilities(["A"])),
        host_path_mounts=[KubernetesHostPathMount("/data", "/mnt/My Data")],
        annotations={"example.com/owner": "anyone at all"},
        labels={"team": "ml", "empty": ""},
    )
    assert ResourceRequirements(kubernetes=asked).kubernetes.requests["cpu"] == "500m"
    assert asked.tolerations[0].operator is KubernetesTolerationOperator.Exists
    assert asked.tolerations[0].effect is KubernetesTolerationEffect.NoExecute
    assert asked.host_path_mounts[0].name == "mnt-my-data"


def test_nothing_need_be_asked_for() -> None:
    assert ResourceRequirements() == ResourceRequirements(KubernetesResourceRequirements())
    assert KubernetesSecretMount().file_secret_root_path == "/secrets"


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (KubernetesResourceRequirements, "requests", {"cpu": "a lot"}),
        (KubernetesResourceRequirements, "requests", {"memory": "2GB"}),
        (KubernetesResourceRequirements, "requests", {"memory": "-1"}),
        (KubernetesResourceRequirements, "requests", {"memory": "2Gi\n"}),
        (KubernetesResourceRequirements, "requests", {"": "1"}),
        (KubernetesResourceRequirements, "requests", {"Example.COM/gpu": "1"}),
        (KubernetesResourceRequirements, "node_selector", {"a b": "c"}),
        (KubernetesResourceRequirements, "node_selector", {"a": "b" * 64}),
        (KubernetesResourceRequirements, "labels", {"a": "b c"}),
        (KubernetesResourceRequirements, "annotations", {"a/b/c": ""}),
        (KubernetesSecretMount, "environment_secrets", {"key": "NOT=A NAME"}),
        (KubernetesSecretMount, "environment_secrets", {"a/b": "NAME"}),
        (KubernetesSecretMount, "file_secrets", {"key": "/absolute"}),
        (KubernetesSecretMount, "file_secrets", {"key": "../up"}),
        (KubernetesSecretMount, "file_secrets", {"key": ""}),
        (KubernetesSecretMount, "file_secret_root_path", "relative"),
    ],
)
def test_what_the_cluster_would_refuse_is_told_by_field(kind: Any, field: str, value: Any) -> None:
    word = {"requests": r"requests|resource", "file_secrets": "file_secrets"}.get(field, field)
    with pytest.raises(ValueError, match=rf"{word}|an environment variable is"):
        kind(**{field: value})


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (ResourceRequirements, "kubernetes", {"requests": {}}),
        (KubernetesResourceRequirements, "requests", {"cpu": 1}),
        (KubernetesResourceRequirements, "requests", "cpu"),
        (KubernetesResourceRequirements, "secret_mounts", {}),
        (KubernetesResourceRequirements, "tolerations", KubernetesToleration("a", value="b")),
        (KubernetesResourceRequirements, "tolerations", ["gpu"]),
        (KubernetesResourceRequirements, "mount_expanded_shared_memory", 1),
        (KubernetesResourceRequirements, "security_context", "privileged"),
        (KubernetesSecurityContext, "privileged", "yes"),
        (KubernetesCapabilities, "add", "NET_ADMIN"),
    ],
)
def test_values_of_another_type_are_told_by_field(kind: Any, field: str, value: Any) -> None:
    with pytest.raises(TypeError, match=field):
        kind(**{field: value})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"key": "a", "operator": "Like"}, "operator of a toleration is one of Equal, Exists"),
        ({"key": "a", "value": "b", "effect": "Never"}, "effect of a toleration is one of"),
        ({"key": "a", "operator": "Exists", "value": "b"}, "Exists has no value"),
        ({"value": "b"}, "without key needs operator Exists"),
        ({"key": "a", "value": "b", "toleration_seconds": 3}, "without effect NoExecute"),
    ],
)
def test_tolerations_that_match_nothing_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        KubernetesToleration(**settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("data", "/data"), "node_path is an absolute path"),
        (("/data", "/a/../b"), "pod_mount_path is an absolute path"),
        (("/data", "/data", "No Name"), "name of a host path mount"),
        (("/data", "/data", "", "Folder"), "type of a host path is one of"),
    ],
)
def test_host_paths_that_cannot_be_mounted_are_refused(
    settings: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        KubernetesHostPathMount(*settings)


def test_retries_are_of_exception_classes() -> None:
    assert RetrySettings([KeyError, OSError], 2).exceptions == (KeyError, OSError)  # type: ignore[arg-type]
    assert RetrySettings((KeyError,), 2).names() == ("builtins.KeyError",)


@pytest.mark.parametrize(
    ("exceptions", "retries", "error"),
    [
        (KeyError, 1, TypeError),
        (("KeyError",), 1, TypeError),
        ((int,), 1, TypeError),
        ((), 1, ValueError),
        ((KeyError,), 0, ValueError),
        ((KeyError,), "2", TypeError),
        ((KeyError,), True, TypeError),
    ],
)
def test_retries_that_mean_nothing_are_refused(
    exceptions: Any, retries: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="retr"):
        RetrySettings(exceptions, retries)
