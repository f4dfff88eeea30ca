"""A namespace of a cluster as a place for runs."""

from __future__ import annotations

import os
from typing import Any

from sematic.config import RunSettings
from sematic.resolvers.pods.kubernetes.client import PATIENT, SURE, Api
from sematic.resolvers.pods.kubernetes.lease import Renewal, lease_name, remove_lease
from sematic.resolvers.pods.kubernetes.login import find_login
from sematic.resolvers.pods.kubernetes.loss import Losses
from sematic.resolvers.pods.kubernetes.manifest import (
    KIND,
    RUN,
    Surroundings,
    owner_reference,
)
from sematic.resolvers.pods.kubernetes.pods import KubernetesPods, delete_pod
from sematic.resolvers.pods.kubernetes.records import KubernetesRecords
from sematic.resolvers.records import RunRecord

_INHERITED = ("SEMATIC_INSECURE_REGISTRIES",)


class KubernetesPlace:
    """The namespace that settings name; in a pod that was started here, the one it is in.

    :raises PodsError: no cluster is configured.
    """

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._is_inside = bool(os.environ.get("ON_SEMATIC_WORKER"))
        namespace = "" if self._is_inside else settings.namespace
        patience = SURE if self._is_inside else PATIENT
        self._api = Api(find_login(settings.context), namespace, patience)
        self._records = KubernetesRecords(self._api)
        self._losses = Losses(self._api)

    @property
    def kind(self) -> str:
        return "kubernetes"

    @property
    def records(self) -> KubernetesRecords:
        return self._records

    def pods(self, run: RunRecord, *, drives: bool = False) -> KubernetesPods:
        record = self._records.owner(run.id)
        around = Surroundings(
            self._owner(record) if drives else record,
            self._settings.service_account,
            self._pull_secrets(run, record),
            f"{Renewal.__module__}:{lease_name(run.id)}",
            {name: os.environ[name] for name in _INHERITED if name in os.environ},
        )
        renewal = Renewal(self._api, run.id, record) if drives else None
        return KubernetesPods(self._api, run.id, around, renewal)

    def driver_loss(self, run: RunRecord) -> str:
        return self._losses.of(run)

    def stop(self, run_id: str) -> None:
        remove_lease(self._api, lease_name(run_id))
        query = {"labelSelector": f"{RUN}={run_id}"}
        deleted: set[str] = set()
        while True:
            pods = self._api.request("list", "pods", query=query).get("items") or []
            # The driver first: it would replace what is taken from it.
            pods.sort(key=lambda pod: str(pod["metadata"]["labels"].get(KIND)))
            names = [pod["metadata"]["name"] for pod in pods]
            if not deleted.symmetric_difference(names) or not names:
                return
            for name in names:
                delete_pod(self._api, name)
            deleted = set(names)

    def _owner(self, record: dict[str, Any]) -> dict[str, Any]:
        """What the driver's pods are removed with: its own pod, if it is in one, which the record
        owns. Not both: what has two owners stays until both are gone."""
        name, uid = (os.environ.get(f"KUBERNETES_POD_{part}") for part in ("NAME", "UID"))
        if self._is_inside and name and uid:
            return owner_reference("Pod", name, uid)
        return record

    def _pull_secrets(self, run: RunRecord, record: dict[str, Any]) -> tuple[str, ...]:
        if not self._settings.share_registry_login:
            return self._settings.image_pull_secrets
        from sematic.resolvers.pods.kubernetes.pull_secret import make_pull_secret, secret_name

        if not self._is_inside:  # the launcher has made it
            make_pull_secret(self._api, run.id, run.image, record)
        return (secret_name(run.id), *self._settings.image_pull_secrets)
