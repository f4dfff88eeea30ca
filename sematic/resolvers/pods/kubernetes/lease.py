"""The lease of a run: its driver renews it, and workers end when it has long not been renewed.

Owner references remove the pods of a driver that was deleted; the lease ends those of a driver
that has crashed, or that ran on a machine which is gone (Kubernetes, "Leases").
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from sematic.resolvers.pods.kubernetes.client import HASTY, Api, Object
from sematic.resolvers.pods.kubernetes.errors import ApiError
from sematic.resolvers.pods.kubernetes.login import account_login, is_in_cluster
from sematic.resolvers.pods.kubernetes.manifest import run_labels
from sematic.resolvers.pods.pods import PodsError

_RENEW_SECONDS = 10.0
_EXPIRY_SECONDS = 120
_LOOK_SECONDS = 15.0
_GRACE_SECONDS = 10.0
_log = logging.getLogger("sematic.resolvers")


def lease_name(run_id: str) -> str:
    return f"sematic-run-{run_id}"


class Renewal:
    """The driver's side: renews a run's lease until it is closed, which removes it.

    :raises PodsError: there can be no lease.
    """

    def __init__(self, api: Api, run_id: str, owner: Mapping[str, Any]) -> None:
        self._api = api
        self._name = lease_name(run_id)
        self._closed = threading.Event()
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self._name,
                "labels": run_labels(run_id, "lease"),
                "ownerReferences": [dict(owner)],
            },
            "spec": {
                "holderIdentity": os.environ.get("KUBERNETES_POD_NAME") or f"process {os.getpid()}",
                "leaseDurationSeconds": _EXPIRY_SECONDS,
                "acquireTime": _now(),
                "renewTime": _now(),
            },
        }
        try:
            api.request("create", "leases", body=lease)
        except ApiError as error:
            if not error.is_conflict:
                raise
        threading.Thread(target=self._renew, name="lease", daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        with suppress(PodsError):
            remove_lease(self._api, self._name)

    def _renew(self) -> None:
        while not self._closed.wait(_RENEW_SECONDS):
            spec = {"renewTime": _now()}
            try:
                self._api.request(
                    "patch", "leases", self._name, body={"spec": spec}, patience=HASTY
                )
            except ApiError as error:
                if error.is_missing:  # the run was canceled
                    return
                _log.warning("the lease of the run was not renewed: %s", error)
            except PodsError:
                continue  # it is away, which the client tells


def remove_lease(api: Api, name: str) -> None:
    """Have the workers of a run end soon."""
    with suppress(ApiError):
        api.request("delete", "leases", name, patience=HASTY)


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Vigil:
    """What a worker has seen of a lease. Only its own clock counts, and no time without answers."""

    def __init__(self) -> None:
        self.patience = float(_EXPIRY_SECONDS)
        """Seconds without a renewal after which the lease is expired."""
        self._renewed = ""
        self._since: float | None = None
        self._is_missing = False

    def unanswered(self) -> None:
        """The API server could not be asked: its driver cannot renew the lease either."""
        self._since = None
        self._is_missing = False

    def missing(self) -> bool:
        """There is no lease. Whether the run is over: it is if this was so before."""
        was, self._is_missing = self._is_missing, True
        return was

    def seen(self, lease: Object, now: float) -> bool:
        """A lease was read. Whether it has not been renewed for long."""
        spec = lease["spec"]
        renewed = str(spec.get("renewTime"))
        self.patience = float(spec.get("leaseDurationSeconds") or _EXPIRY_SECONDS)
        self._is_missing = False
        if self._since is None or renewed != self._renewed:
            self._renewed, self._since = renewed, now
        return now - self._since >= self.patience


def hold_on(name: str) -> None:
    """End this process, a pod's, soon after the lease of its run has expired or is gone."""
    if not is_in_cluster():
        _say("has no service account token, and cannot see whether its driver lives")
        return
    threading.Thread(target=_watch, args=(name,), name="lifeline", daemon=True).start()


def _watch(name: str) -> None:
    try:
        api = Api(account_login())
    except PodsError as error:
        _say(f"cannot see whether its driver lives: {error}")
        return
    vigil = Vigil()
    while True:
        try:
            lease = api.request("get", "leases", name, patience=HASTY)
            if vigil.seen(lease, time.monotonic()):
                return _end("its driver is gone: nobody has renewed the run's lease")
        except ApiError as error:
            if error.status in (401, 403):
                _say(f"cannot see whether its driver lives: {error}")
                return
            if not error.is_missing:
                vigil.unanswered()
            elif vigil.missing():
                return _end("its run is over: the run's lease was removed")
        except Exception:  # whatever happens here, the step goes on
            vigil.unanswered()
        time.sleep(min(_LOOK_SECONDS, vigil.patience / 8))


def _end(why: str) -> None:
    _say(f"ends itself: {why}")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(128 + signal.SIGTERM)


def _say(text: str) -> None:
    sys.stderr.write(f"sematic: this pod {text}\n")
    sys.stderr.flush()
