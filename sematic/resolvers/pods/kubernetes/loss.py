"""Whether the driver of a run is still there: by its pod, or by the run's lease."""

from __future__ import annotations

import time
from datetime import datetime, timezone

from sematic.resolvers.pods.kubernetes.client import Api, Object
from sematic.resolvers.pods.kubernetes.errors import ApiError
from sematic.resolvers.pods.kubernetes.events import Pulls, pod_event
from sematic.resolvers.pods.kubernetes.lease import Vigil, lease_name
from sematic.resolvers.records import RunRecord

_START_SECONDS = 60.0  # from a run's record to its driver's pod, or to its lease
_CLOCK_SECONDS = 600.0  # that clocks of two machines may differ by


class Losses:
    """Looks for drivers. One that is followed for long is judged by what was seen meanwhile."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._vigils: dict[str, Vigil] = {}

    def of(self, run: RunRecord) -> str:
        """Why the driver of a run that has not ended is no more; "" if it is there."""
        if run.has_driver_pod:
            return self._of_pod(run)
        return self._of_lease(run)

    def _of_pod(self, run: RunRecord) -> str:
        pod = self._get("pods", run.driver)
        if pod is None:
            return "" if _is_new(run) else "its pod is gone"
        event = pod_event(pod, Pulls())
        if not event.is_end:
            return ""
        return event.message or "its pod ended without a word"

    def _of_lease(self, run: RunRecord) -> str:
        """A driver outside of the cluster: other clocks do not count, nor does a short silence."""
        lease = self._get("leases", lease_name(run.id))
        if lease is None:
            return "" if _is_new(run) else f"{run.driver} has given up the run's lease"
        vigil = self._vigils.setdefault(run.id, Vigil())
        is_expired = vigil.seen(lease, time.monotonic())
        if is_expired or _age(lease) > _CLOCK_SECONDS:
            return f"{run.driver} does not renew the run's lease"
        return ""

    def _get(self, resource: str, name: str) -> Object | None:
        try:
            return self._api.request("get", resource, name)
        except ApiError as error:
            if error.is_missing:
                return None
            raise


def _is_new(run: RunRecord) -> bool:
    return time.time() - run.created < _START_SECONDS


def _age(lease: Object) -> float:
    """How long ago its holder says to have renewed it, in seconds."""
    renewed = str(lease["spec"]["renewTime"]).rstrip("Z")
    moment = datetime.fromisoformat(renewed).replace(tzinfo=timezone.utc)
    return time.time() - moment.timestamp()
