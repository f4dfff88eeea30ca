"""`sematic cluster check` and `sematic run` in a real cluster."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from sematic.resolvers.pods.kubernetes.permissions import LAUNCHER
from tests.e2e.command import Run, end
from tests.e2e.in_cluster.clusters import Place, make_account
from tests.e2e.launching import Launcher, driver_of, wait
from tests.peers.registry import Registry

if TYPE_CHECKING:
    from tests.peers.kubernetes.cluster import Cluster

SECONDS = 240
Command = Callable[..., Run]


@pytest.fixture
def namespace(kubernetes: Cluster) -> Iterator[str]:
    name = kubernetes.make_namespace("check")
    yield name
    kubernetes.core().delete_namespace(name, grace_period_seconds=0)


@pytest.fixture
def sematic(launcher: Launcher) -> Command:
    return lambda *arguments, **variables: end(begin(launcher, *arguments, **variables), SECONDS)


def begin(launcher: Launcher, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [launcher.python, "-m", "sematic.cli", *arguments],
        cwd=launcher.project,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def verdicts(checked: Run) -> dict[str, str]:
    findings = checked_json(checked)["findings"]
    return {finding["what"]: finding["verdict"] for finding in findings}


def checked_json(checked: Run) -> Any:
    assert checked.err == ""
    return Run(0, checked.out, "").summary


def apply(cluster: Cluster, manifest: str) -> None:
    from kubernetes import utils

    untyped: Any = utils
    for document in yaml.safe_load_all(manifest):
        untyped.create_from_dict(cluster.api(), document)


# Check


def test_what_is_missing_is_printed_and_helps(
    sematic: Command, kubernetes: Cluster, cluster_registry: Registry, namespace: str
) -> None:
    checked = sematic("cluster", "check", SEMATIC_SERVICE_ACCOUNT="robot")
    assert checked.code == 1
    lines = [line.split(maxsplit=3) for line in checked.out.splitlines()[:5]]
    assert [line[0] for line in lines] == ["ok", "ok", "ok", "bad", "unknown"]
    assert f"{kubernetes.configuration.url}, Kubernetes v1." in checked.out
    assert "bad      service account robot does not exist\n" in checked.out
    assert f"store           registry://{cluster_registry.host}/app is reached from" in checked.out
    manifest = sematic("cluster", "check", "--manifest", SEMATIC_SERVICE_ACCOUNT="robot").out
    assert checked.out.endswith(f", by somebody who may):\n\n{manifest}")
    apply(kubernetes, manifest)
    robot = {"SEMATIC_SERVICE_ACCOUNT": "robot"}
    # The API server hears of new roles by a watch of its own.
    wait(lambda: sematic("cluster", "check", **robot).code == 0, "it is not enough")
    again = sematic("cluster", "check", "--json", **robot)
    assert verdicts(again)["service account"] == "ok"
    assert checked_json(again)["manifest"] == ""


def test_a_launcher_with_too_few_permissions_is_told_which(
    sematic: Command, kubernetes: Cluster, namespace: str
) -> None:
    rules = [
        {"apiGroups": [rule.group], "resources": [rule.resource], "verbs": list(rule.verbs)}
        for rule in LAUNCHER
        if rule.resource not in ("pods", "leases")
    ]
    make_account(kubernetes, namespace, "narrow", rules)
    login = {"KUBECONFIG": str(kubernetes.login(namespace, "narrow"))}
    checked = sematic("cluster", "check", **login)
    assert checked.code == 1
    missing = "create pods, delete pods, get pods, list pods, watch pods, create leases, "
    assert f"bad      permissions     you may not {missing}" in checked.out
    assert "unknown  service account default; you may not ask what it may do" in checked.out
    manifest = sematic("cluster", "check", "--json", **login)
    apply(kubernetes, checked_json(manifest)["manifest"])
    wait(lambda: sematic("cluster", "check", **login).code == 0, "it is not enough")


def test_a_namespace_that_is_not_there_ends_the_check(sematic: Command) -> None:
    checked = sematic("cluster", "check", "--namespace", "nowhere")
    assert checked.code == 1
    assert checked.out.splitlines()[1:] == [
        "bad      namespace       nowhere does not exist: create it, "
        "or name another one (--namespace)"
    ]


def test_pull_secrets_are_looked_at(
    sematic: Command, kubernetes: Cluster, cluster_registry: Registry, namespace: str
) -> None:
    core = kubernetes.core()
    for name, host in {"right": cluster_registry.host, "other": "other.example.com"}.items():
        config = f'{{"auths": {{"{host}": {{"username": "me", "password": "x"}}}}}}'
        secret = {
            "metadata": {"name": name},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": config},
        }
        core.create_namespaced_secret(namespace, secret)
    for named, verdict, words in (
        ("right", "ok", f"{cluster_registry.host}, pulled with secret right"),
        ("other", "bad", "secret other has a login for other.example.com only"),
        ("absent", "bad", "pull secret absent does not exist"),
    ):
        checked = sematic("cluster", "check", "--json", SEMATIC_IMAGE_PULL_SECRETS=named)
        (told,) = (
            finding["told"]
            for finding in checked_json(checked)["findings"]
            if (finding["what"], finding["verdict"]) == ("registry", verdict)
        )
        assert words in told


def test_a_pod_shows_that_it_all_works(
    sematic: Command, kubernetes: Cluster, cluster_registry: Registry, namespace: str
) -> None:
    apply(kubernetes, sematic("cluster", "check", "--manifest").out)
    checked = sematic("cluster", "check", "--pod")
    last = checked.out.splitlines()[-1]
    assert last.startswith(f"ok       pod             {cluster_registry.host}/app@sha256:"), checked
    assert last.endswith(f" ran, and reached registry://{cluster_registry.host}/app")
    assert checked.code == 0
    absent = f"{cluster_registry.host}/app@sha256:{'0' * 64}"
    refused = sematic("cluster", "check", "--pod", absent)
    assert refused.code == 1
    assert "bad      pod             its image cannot be pulled: " in refused.out
    assert "not found" in refused.out.splitlines()[-1]
    place = Place(kubernetes, namespace)
    place.has_no_pods_of("")
    assert place.place.records.list() == []


# Runs


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def test_a_run_in_a_cluster_is_followed_and_canceled(
    launcher: Launcher, sematic: Command, kubernetes: Cluster, namespace: str, marks: Path
) -> None:
    apply(kubernetes, sematic("cluster", "check", "--manifest").out)
    outcome = launcher.outcomes("waits_in_cluster", "--detach", MARKS=str(marks))
    run_id = outcome["waits_in_cluster"]["id"]
    short = run_id[:8]
    logs = begin(launcher, "run", "logs", "-f", short, "waits")
    assert logs.stdout is not None and logs.stdout.readline().startswith("it is ")
    assert f"{short}  RAN " in sematic("run", "list").out
    shown = sematic("run", "show", short).out
    assert "\nSCHEDULED       waits" in shown and shown.rstrip().endswith("running")
    canceled = sematic("run", "cancel", short)
    assert (canceled.code, canceled.out) == (0, "CANCELED: on request\n")
    Place(kubernetes, namespace).has_no_pods_of(run_id)
    assert end(logs, SECONDS).code == 0
    assert sematic("run", "wait", short).code == 3


def test_a_run_whose_driver_was_killed_is_told_to_have_failed(
    launcher: Launcher, sematic: Command, kubernetes: Cluster, namespace: str, marks: Path
) -> None:
    apply(kubernetes, sematic("cluster", "check", "--manifest").out)
    outcome = launcher.outcomes("waits_in_cluster", "--detach", MARKS=str(marks))
    run_id = outcome["waits_in_cluster"]["id"]
    place = Place(kubernetes, namespace)
    place.step_runs()
    follower = begin(launcher, "run", "wait", run_id)
    os.kill(driver_of(run_id), signal.SIGKILL)  # the node is on this machine
    told = end(follower, SECONDS)
    assert told.code == 1
    words = "its driver died (its process ended with exit code 137 (killed))"
    assert told.out == f"FAILED: {words}\n"
    assert place.record(run_id).reason == words
    place.has_no_pods_of(run_id)
