"""Runs in a real cluster, from an image that is made on the way, launched as a user does it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sematic.resolvers.documents import Documents
from sematic.resolvers.records import RunRecord
from sematic.resolvers.stores import open_store
from tests.e2e.in_cluster.clusters import RULES, Place, make_account, workers
from tests.e2e.launching import Launcher, wait
from tests.peers.registry import Registry
from tests.peers.registry import registry as start_registry

if TYPE_CHECKING:
    from tests.peers.kubernetes.cluster import Cluster

RUNNER = "runner"
"""The service account of pods."""


def documents(run: RunRecord) -> Documents:
    return Documents(open_store(run.store))


@pytest.fixture(scope="module")
def namespace(kubernetes: Cluster) -> Iterator[str]:
    name = kubernetes.make_namespace("runs")
    make_account(kubernetes, name, RUNNER, RULES)
    yield name
    kubernetes.core().delete_namespace(name, grace_period_seconds=0)


@pytest.fixture(autouse=True)
def runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMATIC_SERVICE_ACCOUNT", RUNNER)


@pytest.fixture
def place(launcher: Launcher, kubernetes: Cluster, namespace: str) -> Place:
    return Place(kubernetes, namespace)


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


# Runs that go well


def test_a_nested_pipeline_gives_its_value(launcher: Launcher, place: Place) -> None:
    done = launcher.run("everything")
    assert done.code == 0, done.err
    outcome = json.loads(done.out)
    assert outcome["value"] == 44
    assert "add | 14 and 30 in process" in done.err
    run = place.record(outcome["id"])
    assert (run.state, run.pods) == ("RESOLVED", "kubernetes")
    assert {step.state for step in run.steps.values()} == {"RESOLVED"}
    assert documents(run).read_result(run.id) == 44
    (outer,) = (s for s in run.steps.values() if s.name == "add" and s.parent == run.id)
    with documents(run).read_log(outer.id, 1) or pytest.fail("no log") as log:
        assert log.read().startswith(b"14 and 30 in process")
    place.has_no_pods_of(run.id)
    assert f"sematic-run-{run.id}" not in place.leases()


def test_a_detached_run_needs_nobody(launcher: Launcher, place: Place) -> None:
    outcome = launcher.outcomes("everything", "--detach")["everything"]
    assert outcome["value"] == outcome["id"]
    run = place.ended_record(outcome["id"])
    assert (run.state, run.driver) == ("RESOLVED", f"sematic-driver-{run.id}")
    assert documents(run).read_result(run.id) == 44
    assert not workers(place.pods(run.id))
    place.place.records.remove(run.id)
    place.has_no_pods_of(run.id)  # the driver's is owned by the record


def test_a_pod_runs_as_a_user_without_rights_who_has_a_home(launcher: Launcher) -> None:
    seen = launcher.outcomes("about_itself")["about_itself"]["value"]
    assert seen["user"] not in ("0", "")
    assert seen["home"] == "/sematic/home"
    assert seen["python"].startswith("/sematic/venv/")
    assert seen["MODE"] == "test"


# Failures


def test_too_much_memory_is_told_with_the_limit(launcher: Launcher) -> None:
    failed = launcher.outcomes("greedy")["greedy"]
    assert failed["kind"] == "oom"
    assert "more memory than its limit of 64Mi: OOMKilled" in failed["message"]


def test_an_image_that_is_not_there_is_told_with_the_registrys_words(
    launcher: Launcher, cluster_registry: Registry
) -> None:
    image = f"{cluster_registry.host}/app@sha256:{'0' * 64}"
    failed = launcher.outcomes("exits", SEMATIC_CONTAINER_IMAGE=image)["exits"]
    assert failed["kind"] == "image"
    assert re.search(r"image cannot be pulled: .*not found", failed["message"])


def test_an_exception_and_an_exit_code_are_told(launcher: Launcher) -> None:
    failed = launcher.outcomes("raises", "exits")
    assert "steps.py" in failed["raises"]["text"]
    assert failed["raises"]["cause"] == "Odd('no good: 3')"
    assert (failed["exits"]["kind"], failed["exits"]["message"][-11:]) == ("exit", "exit code 7")


def test_a_pod_that_fits_nowhere_says_so_while_it_waits(launcher: Launcher, place: Place) -> None:
    launch = launcher.start("fits_nowhere")
    assert launch.stderr is not None
    line = next(line for line in launch.stderr if "Insufficient memory" in line)
    assert "greedy" in line
    run = place.newest_record()
    launch.send_signal(signal.SIGINT)
    _, err = launch.communicate(timeout=120)
    assert f"RunCanceled: run {run.id}" in err
    assert place.record(run.id).state == "CANCELED"
    place.has_no_pods_of(run.id)


# Registries that want a login


@pytest.fixture
def private_registry(kubernetes: Cluster, tmp_path: Path) -> Iterator[Registry]:
    users = {"me": "right"}
    with start_registry(
        tmp_path / "private", htpasswd=users, address=kubernetes.gateway
    ) as registry:
        kubernetes.trust(registry.host)
        yield registry


def test_a_registry_that_wants_a_login_gets_the_launchers(
    launcher: Launcher, place: Place, private_registry: Registry
) -> None:
    private = {
        "SEMATIC_REPOSITORY": f"{private_registry.host}/app",
        "SEMATIC_REGISTRY_USERNAME": "me",
        "SEMATIC_REGISTRY_PASSWORD": "right",
    }
    login = {"auths": {private_registry.host: {"username": "me", "password": "wrong"}}}
    secret = {
        "metadata": {"name": "wrong"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json.dumps(login)},
    }
    place.core.create_namespaced_secret(place.namespace, secret)
    failed = launcher.outcomes("exits", SEMATIC_IMAGE_PULL_SECRETS="wrong", **private)["exits"]
    assert failed["kind"] == "image"
    assert re.search("401 Unauthorized|authorization failed", failed["message"])
    # Inputs and outcomes lie in the same registry, and every pod reads and writes there.
    outcome = launcher.outcomes(
        "about_itself", "--detach", SEMATIC_SHARE_REGISTRY_LOGIN="true", **private
    )["about_itself"]
    run = place.ended_record(outcome["id"])
    assert (run.state, run.reason) == ("RESOLVED", "")
    assert has_secret(place, f"sematic-pull-{run.id}")
    place.place.records.remove(run.id)
    wait(lambda: not has_secret(place, f"sematic-pull-{run.id}"), "the login is left")


def has_secret(place: Place, name: str) -> bool:
    found = place.core.list_namespaced_secret(place.namespace).items
    return any(one.metadata.name == name for one in found)


# Runs that are ended


def test_a_canceled_run_leaves_no_pod(launcher: Launcher, place: Place, marks: Path) -> None:
    run_id = launcher.outcomes("waits_in_cluster", "--detach", MARKS=str(marks))[
        "waits_in_cluster"
    ]["id"]
    place.step_runs()
    place.place.records.cancel(run_id)
    place.place.stop(run_id)
    place.has_no_pods_of(run_id)
    assert place.record(run_id).state == "CANCELED"


def test_a_run_that_is_canceled_elsewhere_ends_its_driver(
    launcher: Launcher, place: Place, marks: Path
) -> None:
    launch = launcher.start("waits_in_cluster", MARKS=str(marks))
    run = place.step_runs()
    place.place.records.cancel(run.id)
    _, err = launch.communicate(timeout=120)
    assert f"RunCanceled: run {run.id}" in err
    assert place.record(run.id).state == "CANCELED"
    place.has_no_pods_of(run.id)


def test_the_pods_of_a_driver_that_is_deleted_go_with_it(
    launcher: Launcher, place: Place, marks: Path
) -> None:
    launcher.outcomes("waits_in_cluster", "--detach", MARKS=str(marks))
    run = place.step_runs()
    place.core.delete_namespaced_pod(run.driver, place.namespace, grace_period_seconds=0)
    place.has_no_pods_of(run.id)


def test_the_pods_of_a_driver_that_was_killed_end_when_its_lease_expires(
    launcher: Launcher, place: Place, marks: Path
) -> None:
    from kubernetes.client import CoordinationV1Api

    launch = launcher.start("waits_in_cluster", MARKS=str(marks))
    run = place.step_runs()
    launch.send_signal(signal.SIGKILL)
    launch.communicate(timeout=120)
    api: Any = CoordinationV1Api(place.cluster.api())
    # Two minutes otherwise, which is too long to wait for here.
    soon = {"spec": {"leaseDurationSeconds": 1}}
    api.patch_namespaced_lease(f"sematic-run-{run.id}", place.namespace, soon)
    wait(lambda: workers(place.pods(run.id))[0].status.phase == "Failed", "the step still runs")
    (worker,) = workers(place.pods(run.id))
    log = place.core.read_namespaced_pod_log(worker.metadata.name, place.namespace)
    assert "this pod ends itself: its driver is gone" in log
    assert worker.status.container_statuses[0].state.terminated.exit_code == 143


# What fails around a run that goes on


def test_a_pod_that_somebody_deletes_is_made_again(
    launcher: Launcher, place: Place, marks: Path
) -> None:
    launch = launcher.start("waits_in_cluster", MARKS=str(marks))
    run = place.step_runs()
    (worker,) = workers(place.pods(run.id))
    place.core.delete_namespaced_pod(worker.metadata.name, place.namespace, grace_period_seconds=0)
    again = f"{worker.metadata.name}-2"
    wait(lambda: again in place.pods(run.id), "no other pod")
    assert_goes_well(launch, marks, "its pod was deleted by somebody")


def test_a_run_outlasts_an_api_server_that_is_started_again(
    launcher: Launcher, place: Place, marks: Path
) -> None:
    launch = launcher.start("waits_in_cluster", MARKS=str(marks))
    run = place.step_runs()
    place.cluster.restart("kube-apiserver")
    assert_goes_well(launch, marks, "waits | it is ")
    assert place.record(run.id).state == "RESOLVED"


def test_a_step_on_a_node_that_is_lost_runs_again(
    launcher: Launcher, place: Place, marks: Path
) -> None:
    launch = launcher.start("waits_in_cluster", MARKS=str(marks))
    run = place.step_runs()
    with place.cluster.without("kubelet"):
        wait(
            lambda: any(name.endswith("-2") for name in place.pods(run.id)),
            "the node is not given up",
        )
    assert_goes_well(launch, marks, "its node was lost (node)")


def assert_goes_well(launch: subprocess.Popen[str], marks: Path, words: str) -> None:
    (marks / "go").touch()
    out, err = launch.communicate(timeout=120)
    assert launch.returncode == 0, err
    assert json.loads(out)["value"] == 1
    assert words in err


# Permissions


def test_a_launcher_that_may_not_is_told_what(
    launcher: Launcher, kubernetes: Cluster, namespace: str
) -> None:
    make_account(kubernetes, namespace, "narrow", [])
    login = kubernetes.login(namespace, "narrow")
    done = launcher.run("exits", KUBECONFIG=str(login))
    assert done.code == 1
    assert f"PodsError: cannot get configmaps in namespace {namespace}" in done.err.replace(
        "sematic.resolvers.pods.kubernetes.errors.ApiError", "PodsError"
    )
    assert 'cannot get resource "configmaps" in API group ""' in done.err
    assert "`sematic cluster check` says what is missing" in done.err


def test_a_driver_whose_account_may_not_says_so(launcher: Launcher, place: Place) -> None:
    rules = [rule for rule in RULES if rule["resources"] != ["leases"]]
    make_account(place.cluster, place.namespace, "leaseless", rules)
    outcome = launcher.outcomes("exits", "--detach", SEMATIC_SERVICE_ACCOUNT="leaseless")["exits"]
    driver = f"sematic-driver-{outcome['id']}"
    wait(lambda: place.pods()[driver].status.phase == "Failed", "the driver does not end")
    log = place.core.read_namespaced_pod_log(driver, place.namespace)
    assert f"sematic: cannot create leases in namespace {place.namespace}" in log
    run = place.record(outcome["id"])
    assert (run.state, run.is_ended) == ("FAILED", True)
    assert "cannot create leases" in run.reason
