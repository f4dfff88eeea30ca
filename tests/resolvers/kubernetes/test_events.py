from __future__ import annotations

from typing import Any

import pytest

from sematic.resolvers.pods import Cause, PodEvent
from sematic.resolvers.pods.kubernetes.events import Pulls, pod_event, warning
from tests.resolvers.kubernetes.statuses import (
    NAME,
    READY,
    REFUSED,
    RUNNING,
    UNREACHABLE,
    UNREADY,
    pod,
    terminated,
    waiting,
)


def event(document: dict[str, Any], *, is_deleted: bool = False) -> PodEvent:
    return pod_event(document, Pulls(), is_deleted=is_deleted)


def test_a_new_pod_waits() -> None:
    assert event(pod("Pending")) == PodEvent(NAME, "pending")
    assert event({"metadata": {"name": NAME}}) == PodEvent(NAME, "pending")
    assert event(waiting("ContainerCreating")) == PodEvent(NAME, "pending")


def test_a_pod_that_fits_nowhere_waits_with_the_schedulers_words() -> None:
    words = "0/3 nodes are available: 3 Insufficient memory."
    seen = event(pod("Pending", conditions={"PodScheduled": ("False", "Unschedulable", words)}))
    assert seen == PodEvent(NAME, "pending", "unschedulable", words)


def test_a_pod_runs() -> None:
    assert event(pod("Running", RUNNING, conditions=READY)) == PodEvent(NAME, "running")


def test_a_pod_whose_process_has_just_ended_still_counts_as_running() -> None:
    assert event(pod("Running", terminated(0, "Completed"))) == PodEvent(NAME, "running")


def test_exit_code_0_is_success() -> None:
    seen = event(pod("Succeeded", terminated(0, "Completed")))
    assert seen == PodEvent(NAME, "succeeded", exit_code=0)


@pytest.mark.parametrize(
    ("document", "cause", "words", "code"),
    [
        (pod("Failed", terminated(3)), "exit", "exit code 3", 3),
        (pod("Failed", terminated(137)), "exit", "exit code 137 (killed)", 137),
        (
            pod("Failed", terminated(128, "StartError", 'exec: "/x": no such file')),
            "exit",
            'StartError: exec: "/x": no such file',
            128,
        ),
        (pod("Failed", terminated(137, "OOMKilled"), memory="1Gi"), "oom", "limit of 1Gi", 137),
        (pod("Failed", terminated(137, "OOMKilled")), "oom", "its node ran out of memory", 137),
        (
            pod("Failed", reason="Evicted", message="The node was low on resource: memory."),
            "evicted",
            "low on resource: memory",
            None,
        ),
        (
            pod("Failed", terminated(137), reason="Evicted", message="Pod exceeded storage"),
            "evicted",
            "evicted from its node (node-1): Pod exceeded storage",
            137,
        ),
        (
            pod("Failed", reason="Preempting", message="Preempted in order to admit critical pod"),
            "preempted",
            "in order to admit critical pod",
            None,
        ),
        (
            pod("Failed", reason="OutOfcpu", message="Node didn't have enough resource: cpu"),
            "evicted",
            "enough resource: cpu",
            None,
        ),
        (
            pod(
                "Failed",
                terminated(143),
                deleted=True,
                conditions={
                    "DisruptionTarget": ("True", "PreemptionByScheduler", "preempting for pod x")
                },
            ),
            "preempted",
            "preempting for pod x",
            143,
        ),
        (
            pod(
                "Failed",
                terminated(143),
                conditions={"DisruptionTarget": ("True", "EvictionByEvictionAPI", "evicting")},
            ),
            "evicted",
            "evicting",
            143,
        ),
        (
            pod("Failed", reason="Terminated", message="imminent node shutdown"),
            "node-lost",
            "imminent node shutdown",
            None,
        ),
        (
            pod("Failed", terminated(137, "ContainerStatusUnknown", "could not be located")),
            "node-lost",
            "could not be located",
            137,
        ),
        (
            pod("Failed", reason="DeadlineExceeded", message="Pod was active on the node longer"),
            "timeout",
            "longer",
            None,
        ),
        (pod("Failed", terminated(143), deleted=True), "deleted", "deleted by somebody", 143),
        (pod("Failed", message="never"), "evicted", "never", None),
    ],
)
def test_a_failure_has_a_cause(
    document: dict[str, Any], cause: Cause, words: str, code: int | None
) -> None:
    seen = event(document)
    assert (seen.phase, seen.cause, seen.exit_code) == ("failed", cause, code)
    assert words in seen.message


def test_a_pod_that_was_deleted_while_it_ran() -> None:
    seen = event(pod("Running", RUNNING, conditions=READY, deleted=True), is_deleted=True)
    assert (seen.phase, seen.cause) == ("failed", "deleted")


def test_a_pod_that_is_being_deleted_still_runs() -> None:
    assert event(pod("Running", RUNNING, conditions=READY, deleted=True)).phase == "running"


@pytest.mark.parametrize(
    "more",
    [
        {"conditions": UNREADY},
        {"conditions": READY, "reason": "NodeLost", "message": "Node node-1 is unresponsive"},
        {"conditions": {"DisruptionTarget": ("True", "DeletionByTaintManager", "unreachable")}},
    ],
)
def test_a_pod_of_a_lost_node_is_given_up(more: dict[str, Any]) -> None:
    seen = event(pod("Running", RUNNING, deleted=True, **more))
    assert (seen.phase, seen.cause) == ("failed", "node-lost")
    assert "its node was lost (node-1)" in seen.message


def test_a_node_that_does_not_answer_for_a_moment_is_not_lost() -> None:
    assert event(pod("Running", RUNNING, conditions=UNREADY)).phase == "running"


# Images


def test_an_image_that_the_registry_refuses_fails_at_once_with_its_reason() -> None:
    seen = event(waiting("ErrImagePull", REFUSED))
    assert (seen.phase, seen.cause) == ("failed", "image")
    assert "401 Unauthorized" in seen.message


def test_a_name_that_is_none_fails_at_once() -> None:
    message = 'Failed to apply default image tag "A": couldn\'t parse image reference'
    assert event(waiting("InvalidImageName", message)).phase == "failed"


def test_a_registry_that_is_away_is_tried_once_more() -> None:
    pulls = Pulls()
    back_off = waiting("ImagePullBackOff", 'Back-off pulling image "r:1/p"')
    for document in (waiting("ErrImagePull", UNREACHABLE), back_off):
        seen = pod_event(document, pulls)
        assert (seen.phase, seen.cause) == ("pending", "image")
        assert "connection refused" in seen.message
    seen = pod_event(waiting("ErrImagePull", UNREACHABLE), pulls)
    assert (seen.phase, seen.cause) == ("failed", "image")
    assert "connection refused" in seen.message


def test_a_status_that_is_told_twice_is_one_failure() -> None:
    pulls = Pulls()
    for _ in range(2):
        assert pod_event(waiting("ErrImagePull", UNREACHABLE), pulls).phase == "pending"


def test_a_back_off_that_names_the_reason_is_enough() -> None:
    message = 'Back-off pulling image "p": ErrImagePull: manifest unknown'
    assert event(waiting("ImagePullBackOff", message)).phase == "failed"


# Containers


def test_a_container_that_cannot_be_made_fails() -> None:
    seen = event(waiting("CreateContainerConfigError", 'secret "sematic-func-secrets" not found'))
    assert (seen.phase, seen.cause) == ("failed", "exit")
    assert 'secret "sematic-func-secrets" not found' in seen.message


def test_a_container_whose_secret_is_late_waits() -> None:
    message = "failed to sync secret cache: timed out waiting for the condition"
    seen = event(waiting("CreateContainerConfigError", message))
    assert seen.phase == "pending"
    assert "failed to sync secret cache" in seen.message


def test_the_latest_warning_says_why_a_pod_waits() -> None:
    def told(kind: str, when: str, reason: str) -> dict[str, Any]:
        return {"type": kind, "lastTimestamp": when, "reason": reason, "message": "a\nb"}

    events = [
        told("Warning", "2026-01-01T00:00:02Z", "FailedMount"),
        told("Warning", "2026-01-01T00:00:01Z", "Earlier"),
        told("Normal", "2026-01-01T00:00:03Z", "Pulling"),
    ]
    assert warning(events) == "FailedMount: a b"
    assert warning(events[2:]) == ""
