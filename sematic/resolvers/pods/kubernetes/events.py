"""What the status of a pod means (Kubernetes, "Pod Lifecycle"). Nothing is asked here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sematic.resolvers.pods.pods import Cause, PodEvent

_OOM_CODE = 137
_LONGEST = 600

# Why a kubelet does not start a container.
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "ImageInspectError")
_IMAGE_FOR_EVER = ("InvalidImageName", "ErrImageNeverPull")
_CONTAINER = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_BACK_OFF = "ImagePullBackOff"
# A pull that will fail again, however often it is tried.
_REFUSED = re.compile(
    r"not found|manifest unknown|name unknown|unauthorized|authorization failed|denied|forbidden|"
    r"authentication required|no basic auth|invalid reference|no match for platform|"
    r"server gave HTTP response to HTTPS",
    re.I,
)
_PASSING = re.compile(r"failed to sync|timed out|deadline exceeded|failed to reserve", re.I)

# Why somebody else ended a pod: `status.reason`, and the reason of the condition DisruptionTarget.
_ENDED: Mapping[str, Cause] = {
    "Evicted": "evicted",
    "EvictionByEvictionAPI": "evicted",
    "TerminationByKubelet": "evicted",
    "UnexpectedAdmissionError": "evicted",
    "NodeAffinity": "evicted",
    "Preempting": "preempted",
    "Preempted": "preempted",
    "PreemptionByScheduler": "preempted",
    "NodeLost": "node-lost",
    "NodeShutdown": "node-lost",
    "Shutdown": "node-lost",
    "Terminated": "node-lost",
    "DeletionByTaintManager": "node-lost",
    "DeletionByPodGC": "node-lost",
    "DeadlineExceeded": "timeout",
}
_WORDS: Mapping[Cause, str] = {
    "evicted": "it was evicted from its node",
    "preempted": "it had to make room for a more important pod",
    "node-lost": "its node was lost",
    "timeout": "its time was over",
    "deleted": "its pod was deleted by somebody",
}


@dataclass(slots=True)
class Pulls:
    """How often the pull of a pod's image has failed by now, and why it did last."""

    times: int = 0
    reason: str = ""
    message: str = ""

    def count(self, reason: str, message: str) -> None:
        """Take note of why a container waits: failing again after waiting is another try."""
        if reason == _BACK_OFF:
            self.times = max(self.times, 1)
            self.message = self.message or message
        else:
            self.times += reason != self.reason
            self.message = message
        self.reason = reason


def pod_event(pod: Mapping[str, Any], pulls: Pulls, *, is_deleted: bool = False) -> PodEvent:
    """The event that a pod's document is.

    :param pulls: what was seen of the same pod before.
    :param is_deleted: it is what the pod was when it was deleted.
    """
    name = pod["metadata"]["name"]
    status = pod.get("status") or {}
    phase = status.get("phase")
    if phase == "Succeeded":
        return PodEvent(name, "succeeded", exit_code=0)
    if phase == "Failed":
        return _failed(name, pod, status)
    if is_deleted or _is_given_up(pod, status):
        return _ended(name, pod, status)
    if phase == "Running" and any("running" in state for state in _states(status)):
        return PodEvent(name, "running")
    if any("terminated" in state for state in _states(status)):
        return PodEvent(name, "running")  # its end is about to be known
    return _pending(name, status, pulls)


def _pending(name: str, status: Mapping[str, Any], pulls: Pulls) -> PodEvent:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            cause: Cause | None = (
                "unschedulable" if condition.get("reason") == "Unschedulable" else None
            )
            return PodEvent(name, "pending", cause, _line(condition.get("message")))
    for state in _states(status):
        waiting = state.get("waiting") or {}
        reason, message = waiting.get("reason") or "", _line(waiting.get("message"))
        if reason in _IMAGE or reason in _IMAGE_FOR_EVER:
            return _no_image(name, reason, message, pulls)
        if reason in _CONTAINER:
            return _no_container(name, reason, message)
    return PodEvent(name, "pending")


def _no_image(name: str, reason: str, message: str, pulls: Pulls) -> PodEvent:
    pulls.count(reason, message)
    text = f"its image cannot be pulled: {pulls.message or reason}"
    is_hopeless = reason in _IMAGE_FOR_EVER or _REFUSED.search(pulls.message)
    if is_hopeless or pulls.times > 1:
        return PodEvent(name, "failed", "image", text)
    return PodEvent(name, "pending", "image", text)


def _no_container(name: str, reason: str, message: str) -> PodEvent:
    text = f"its container cannot be made ({reason}): {message}"
    if _PASSING.search(message):
        return PodEvent(name, "pending", None, text)
    return PodEvent(name, "failed", "exit", text)


def _failed(name: str, pod: Mapping[str, Any], status: Mapping[str, Any]) -> PodEvent:
    """A pod that has ended, and not well."""
    ends = [state["terminated"] for state in _states(status) if "terminated" in state]
    end = next((end for end in ends if end.get("exitCode")), ends[0] if ends else {})
    code, reason = end.get("exitCode"), end.get("reason") or ""
    cause = _cause(status)
    if cause is not None:
        return PodEvent(name, "failed", cause, _message(cause, pod, status), code)
    if reason == "OOMKilled":
        return PodEvent(name, "failed", "oom", _too_much_memory(pod), code)
    if reason == "ContainerStatusUnknown":
        text = f"{_WORDS['node-lost']}: {_line(end.get('message'))}"
        return PodEvent(name, "failed", "node-lost", text, code)
    if (pod["metadata"].get("deletionTimestamp")) and code:
        return PodEvent(name, "failed", "deleted", _WORDS["deleted"], code)
    if code is None:  # it never ran
        words = [status.get("reason"), _line(status.get("message"))]
        text = ": ".join(filter(None, words)) or "it failed before it ran"
        return PodEvent(name, "failed", "evicted", text)
    text = f"its process ended with exit code {code}"
    if code == _OOM_CODE:
        text += " (killed)"
    if reason not in ("Error", "") or end.get("message"):
        text += f": {': '.join(filter(None, [reason, _line(end.get('message'))]))}"
    return PodEvent(name, "failed", "exit", text, code)


def _ended(name: str, pod: Mapping[str, Any], status: Mapping[str, Any]) -> PodEvent:
    """A pod that somebody ended while it ran or waited."""
    cause = _cause(status) or ("node-lost" if _is_unready(status) else "deleted")
    return PodEvent(name, "failed", cause, _message(cause, pod, status))


def _cause(status: Mapping[str, Any]) -> Cause | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return _ENDED.get(condition.get("reason") or "", "evicted")
    reason = status.get("reason") or ""
    if reason.lower().startswith("outof"):  # OutOfcpu: another pod was faster
        return "evicted"
    return _ENDED.get(reason)


def _message(cause: Cause, pod: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    said = status.get("message") or next(
        (
            condition.get("message")
            for condition in status.get("conditions") or ()
            if condition.get("type") == "DisruptionTarget"
        ),
        "",
    )
    node = (pod.get("spec") or {}).get("nodeName")
    where = f" ({node})" if node and cause in ("node-lost", "evicted") else ""
    return f"{_WORDS[cause]}{where}" + (f": {_line(said)}" if said else "")


def _is_given_up(pod: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Whether a pod is to be deleted from a node that does not answer: it would never end."""
    return bool(pod["metadata"].get("deletionTimestamp")) and (
        status.get("reason") == "NodeLost"
        or _cause(status) == "node-lost"
        or (_is_unready(status) and any("running" in state for state in _states(status)))
    )


def _is_unready(status: Mapping[str, Any]) -> bool:
    """Whether a pod without probes is not ready though it has been running: nobody knows of it."""
    conditions = {c.get("type"): c.get("status") for c in status.get("conditions") or ()}
    is_running = any("running" in state for state in _states(status))
    return is_running and conditions.get("Ready") in ("False", "Unknown")


def _states(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for container in status.get("containerStatuses") or ():
        yield container.get("state") or {}


def _too_much_memory(pod: Mapping[str, Any]) -> str:
    (container, *_) = pod["spec"]["containers"]
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    if limit:
        return f"it used more memory than its limit of {limit}: OOMKilled\nGive it more: requests."
    return "its node ran out of memory: OOMKilled\nSay how much it needs: requests."


def _line(text: str | None) -> str:
    return " ".join((text or "").split())[:_LONGEST]


def warning(events: Sequence[Mapping[str, Any]]) -> str:
    """What the latest warning among a pod's events says, "" if there is none."""
    warnings = [event for event in events if event.get("type") == "Warning"]
    if not warnings:
        return ""
    latest = max(warnings, key=lambda event: event.get("lastTimestamp") or "")
    return f"{latest.get('reason')}: {_line(latest.get('message'))}"
