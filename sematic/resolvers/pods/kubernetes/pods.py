"""The pods of one run, in a namespace of a cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, Queue

from sematic.resolvers.pods.kubernetes.client import HASTY, Api, Object, Patience
from sematic.resolvers.pods.kubernetes.errors import ApiError
from sematic.resolvers.pods.kubernetes.events import Pulls, pod_event, warning
from sematic.resolvers.pods.kubernetes.lease import Renewal
from sematic.resolvers.pods.kubernetes.logs import read_log
from sematic.resolvers.pods.kubernetes.manifest import RUN, Surroundings, pod_manifest
from sematic.resolvers.pods.kubernetes.watch import Changed, Listed, Watch
from sematic.resolvers.pods.pods import PodEvent, PodsError, PodSpec

_AT_ONCE = 8
_DELETING = Patience(total=60.0)  # what is left then ends by the lease
_SILENT_SECONDS = 10.0


@dataclass(slots=True)
class _Followed:
    """A pod that has not ended.

    :param is_accepted: it was there for certain, so that it is gone if it is not listed.
    :param asked: when it was last asked why the pod waits.
    """

    pulls: Pulls = field(default_factory=Pulls)
    last: PodEvent | None = None
    is_accepted: bool = False
    asked: float = field(default_factory=time.monotonic)


class KubernetesPods:
    """Pods of one run, followed by one watch that begins with the first :meth:`next`.

    :param renewal: of the run's lease, if this process drives the run.
    """

    def __init__(
        self, api: Api, run_id: str, around: Surroundings, renewal: Renewal | None = None
    ) -> None:
        self._api = api
        self._around = around
        self._renewal = renewal
        self._watch = Watch(api, "pods", {"labelSelector": f"{RUN}={run_id}"})
        self._lock = threading.Lock()
        self._pods: dict[str, _Followed] = {}
        self._events: Queue[PodEvent | Exception] = Queue()
        self._follower: threading.Thread | None = None
        self._may_read_events = True

    def submit(self, pod: PodSpec) -> None:
        with self._lock:
            followed = self._pods[pod.name] = _Followed()
        try:
            self._api.request("create", "pods", body=pod_manifest(pod, self._around))
        except BaseException as error:
            is_there = isinstance(error, ApiError) and error.is_conflict and error.is_repeated
            if not is_there:
                with self._lock:
                    self._pods.pop(pod.name, None)
                raise
        followed.is_accepted = True

    def next(self, timeout: float | None = None) -> PodEvent | None:
        self._begin()
        try:
            event = self._events.get(timeout=timeout)
        except Empty:
            return self._explained()
        if isinstance(event, Exception):
            raise event
        return event

    def delete(self, names: Sequence[str]) -> None:
        with self._lock:
            for name in names:
                self._pods.pop(name, None)
        if len(names) < 2:
            for name in names:
                delete_pod(self._api, name)
        else:
            with ThreadPoolExecutor(_AT_ONCE) as threads:
                for done in [threads.submit(delete_pod, self._api, name) for name in names]:
                    done.result()

    def logs(self, name: str, *, follow: bool = False) -> Iterator[bytes]:
        return read_log(self._api, name, follow=follow)

    def close(self) -> None:
        self._watch.close()
        if self._renewal is not None:
            self._renewal.close()

    # Following

    def _begin(self) -> None:
        with self._lock:
            if self._follower is None:
                self._follower = threading.Thread(target=self._follow, name="pods", daemon=True)
                self._follower.start()

    def _follow(self) -> None:
        before: set[str] = set()
        try:
            for seen in self._watch:
                if seen is None:
                    before = self._accepted()
                else:
                    self._take(seen, before)
        except Exception as error:
            self._events.put(error)

    def _take(self, seen: Listed | Changed, before: set[str]) -> None:
        if isinstance(seen, Changed):
            self._tell(seen.object, seen.is_deleted)
            return
        for pod in seen.objects:
            before.discard(pod["metadata"]["name"])
            self._tell(pod)
        for name in before:
            self._put(PodEvent(name, "failed", "deleted", "its pod is not there any more"))

    def _accepted(self) -> set[str]:
        with self._lock:
            return {name for name, followed in self._pods.items() if followed.is_accepted}

    def _tell(self, pod: Object, is_deleted: bool = False) -> None:
        followed = self._pods.get(pod["metadata"]["name"])
        if followed is not None:
            self._put(pod_event(pod, followed.pulls, is_deleted=is_deleted))

    def _put(self, event: PodEvent) -> None:
        with self._lock:
            followed = self._pods.get(event.name)
            if followed is None or event == followed.last:
                return
            followed.last = event
            if event.is_end:
                del self._pods[event.name]
        self._events.put(event)

    # Pods that wait and do not say why

    def _explained(self) -> PodEvent | None:
        """Why a pod waits whose status does not tell: volumes, networks."""
        name = self._silent() if self._may_read_events else None
        if name is None:
            return None
        query = {"fieldSelector": f"involvedObject.kind=Pod,involvedObject.name={name}"}
        try:
            found = self._api.request("list", "events", query=query, patience=HASTY)
        except PodsError as error:  # it is not worth a permission that is missing
            self._may_read_events = not isinstance(error, ApiError)
            return None
        text = warning(found.get("items") or [])
        return PodEvent(name, "pending", None, text) if text else None

    def _silent(self) -> str | None:
        now = time.monotonic()
        with self._lock:
            for name, followed in self._pods.items():
                last = followed.last
                waits = last is not None and last.phase == "pending" and not last.message
                if waits and now - followed.asked > _SILENT_SECONDS:
                    followed.asked = now
                    return name
        return None


def delete_pod(api: Api, name: str) -> None:
    """End a pod at once."""
    try:
        api.request("delete", "pods", name, query={"gracePeriodSeconds": "0"}, patience=_DELETING)
    except ApiError as error:
        if not error.is_missing:
            raise
