from __future__ import annotations

import pytest
import yaml

from sematic.resolvers.pods.kubernetes.permissions import DRIVER, LAUNCHER, manifest


def test_the_manifest_allows_what_is_asked_for() -> None:
    objects = list(yaml.safe_load_all(manifest("team", "robot", "jane@example.com", LAUNCHER)))
    assert [(one["kind"], one["metadata"]["name"]) for one in objects] == [
        ("ServiceAccount", "robot"),
        ("Role", "sematic-driver"),
        ("RoleBinding", "sematic-driver-robot"),
        ("Role", "sematic-launcher"),
        ("RoleBinding", "sematic-launcher-jane-example-com"),
    ]
    assert {one["metadata"]["namespace"] for one in objects} == {"team"}
    granted = {
        (rule["apiGroups"][0], rule["resources"][0], tuple(rule["verbs"]))
        for rule in objects[1]["rules"]
    }
    assert {(rule.group, rule.resource, rule.verbs) for rule in DRIVER} < granted
    (robot,) = objects[2]["subjects"]
    assert robot == {"kind": "ServiceAccount", "name": "robot", "namespace": "team"}
    (jane,) = objects[4]["subjects"]
    assert (jane["kind"], jane["name"]) == ("User", "jane@example.com")


def test_the_default_account_is_there_already() -> None:
    objects = list(yaml.safe_load_all(manifest("team", "default", "", LAUNCHER)))
    assert [one["kind"] for one in objects] == ["Role", "RoleBinding"]


@pytest.mark.parametrize("user", ["system:serviceaccount:ci:bot", "system:serviceaccount", "x:y"])
def test_launchers_may_be_service_accounts(user: str) -> None:
    *_, binding = yaml.safe_load_all(manifest("team", "default", user, LAUNCHER))
    (subject,) = binding["subjects"]
    if user.endswith(":bot"):
        assert subject == {"kind": "ServiceAccount", "name": "bot", "namespace": "ci"}
    else:
        assert (subject["kind"], subject["name"]) == ("User", user)
