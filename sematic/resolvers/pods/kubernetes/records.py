"""Records of runs in a cluster: a ConfigMap each, which owns all else of the run."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sematic.resolvers.pods.kubernetes.client import Api, Object
from sematic.resolvers.pods.kubernetes.errors import ApiError
from sematic.resolvers.pods.kubernetes.lease import lease_name, remove_lease
from sematic.resolvers.pods.kubernetes.manifest import (
    KIND,
    LABEL,
    RUN,
    owner_reference,
    run_labels,
)
from sematic.resolvers.pods.kubernetes.watch import Listed, Watch
from sematic.resolvers.records import (
    ON_REQUEST,
    RecordsError,
    RunRecord,
    Steered,
    StepRecord,
)

MOST_BYTES = 1_000_000  # a ConfigMap takes 1 MiB
_CANCELED = f"{LABEL}/canceled"
_DATA = "record"
_ALL = {"labelSelector": f"{KIND}=record"}
_PAGE = "50"
_ID_LENGTH = 32
# What is left out last where a record is too large.
_WORTH = {"FAILED": 0, "NESTED_FAILED": 0, "RAN": 1, "SCHEDULED": 1, "RETRYING": 1, "RESOLVED": 2}


@dataclass(slots=True)
class _Known:
    """What a ConfigMap was when it was last seen here."""

    uid: str = ""
    version: str = ""
    is_canceled: bool = False
    written: bytes = b""


class KubernetesRecords:
    """The runs of one namespace. Threads may share it."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def write(self, record: RunRecord) -> None:
        with self._lock:
            content = fitting(replace(record, updated=0.0))
            known = self._known.get(record.id)
            if known is None:
                self._create(record)
            elif known.written == content:
                self._look(record)
            else:
                self._replace(record)
            self._known[record.id].written = content

    def read(self, run_id: str) -> RunRecord | None:
        found = self._find(run_id)
        return None if found is None else _record(found)

    def watch(self, run_id: str) -> Iterator[RunRecord]:
        found = self._find(run_id)
        if found is None:
            return
        name = found["metadata"]["name"]
        watch = Watch(self._api, "configmaps", {"fieldSelector": f"metadata.name={name}"})
        try:
            for seen in watch:
                if seen is None:
                    continue
                objects = seen.objects if isinstance(seen, Listed) else [seen.object]
                if not objects or (not isinstance(seen, Listed) and seen.is_deleted):
                    return
                record = _record(objects[0])
                yield record
                if record.is_ended:
                    return
        finally:
            watch.close()

    def list(self) -> list[RunRecord]:
        records = [_record(found) for found in self._all()]
        return sorted(records, key=lambda record: record.created, reverse=True)

    def cancel(self, run_id: str) -> None:
        while (found := self._find(run_id)) is not None:
            record = _record(found)
            if record.is_ended:
                return
            record.state, record.reason = "CANCELED", ON_REQUEST
            record.updated = time.time()
            try:
                self._put(record, found["metadata"]["resourceVersion"])
            except ApiError as error:
                if not error.is_conflict:
                    raise
                continue  # its driver was faster
            remove_lease(self._api, lease_name(record.id))
            return

    def remove(self, run_id: str) -> None:
        self._known.pop(run_id, None)
        query = {"propagationPolicy": "Background"}
        try:
            self._api.request("delete", "configmaps", _name(run_id), query=query)
        except ApiError as error:
            if not error.is_missing:
                raise

    def owner(self, run_id: str) -> dict[str, Any]:
        """The reference with which objects are removed together with a record.

        :raises RecordsError: there is no such record.
        """
        with self._lock:
            if run_id not in self._known and self._get(run_id) is None:
                raise RecordsError(f"run {run_id} has no record in {self._api.namespace}")
            return owner_reference("ConfigMap", _name(run_id), self._known[run_id].uid)

    # Writing

    def _create(self, record: RunRecord) -> None:
        try:
            self._remember(record.id, self._api.request("create", "configmaps", body=_map(record)))
        except ApiError as error:
            if not error.is_conflict:
                raise
            self._look(record)
            self._replace(record)

    def _replace(self, record: RunRecord) -> None:
        """:raises Steered: the run was canceled or removed."""
        while True:
            known = self._known[record.id]
            _check(record, known)
            try:
                self._remember(record.id, self._put(record, known.version))
                return
            except ApiError as error:
                if not (error.is_missing or error.is_conflict):
                    raise
            self._look(record)

    def _look(self, record: RunRecord) -> None:
        """What the record is now. :raises Steered: the run was canceled or removed."""
        if self._get(record.id, metadata_only=True) is None:
            raise Steered(f"run {record.id} was removed")
        _check(record, self._known[record.id])

    def _put(self, record: RunRecord, version: str) -> Object:
        return self._api.request(
            "update", "configmaps", _name(record.id), body=_map(record, version)
        )

    # Reading

    def _find(self, run_id: str) -> Object | None:
        """The ConfigMap of a run, by its id or the beginning of it."""
        if len(run_id) < _ID_LENGTH:
            ids = [
                found["metadata"]["labels"][RUN]
                for found in self._all(metadata_only=True)
                if found["metadata"]["labels"][RUN].startswith(run_id)
            ]
            if len(ids) > 1:
                some = ", ".join(sorted(ids)[:5])
                raise RecordsError(f"several runs have ids that begin with {run_id}: {some}")
            if not ids:
                return None
            run_id = ids[0]
        return self._get(run_id)

    def _get(self, run_id: str, *, metadata_only: bool = False) -> Object | None:
        try:
            found = self._api.request(
                "get", "configmaps", _name(run_id), metadata_only=metadata_only
            )
        except ApiError as error:
            if error.is_missing:
                return None
            raise
        self._remember(run_id, found)
        return found

    def _all(self, *, metadata_only: bool = False) -> Iterator[Object]:
        query = {**_ALL, "limit": _PAGE}
        while True:
            page = self._api.request("list", "configmaps", query=query, metadata_only=metadata_only)
            yield from page.get("items") or ()
            if not (token := page["metadata"].get("continue")):
                return
            query["continue"] = token

    def _remember(self, run_id: str, found: Object) -> None:
        metadata = found["metadata"]
        known = self._known.setdefault(run_id, _Known())
        known.uid, known.version = metadata["uid"], metadata["resourceVersion"]
        known.is_canceled = _CANCELED in (metadata.get("annotations") or {})


def fitting(record: RunRecord) -> bytes:
    """A record in bytes, without what there is no room for: steps that went well go first."""
    data = record.to_bytes()
    steps = sorted(record.steps.values(), key=lambda step: _WORTH.get(step.state, 3))
    while len(data) > MOST_BYTES:
        steps = steps[: int(len(steps) * 0.9 * MOST_BYTES / len(data))]
        data = replace(record, steps=_with_parents(record, steps)).to_bytes()
    return data


def _with_parents(record: RunRecord, steps: list[StepRecord]) -> dict[str, StepRecord]:
    kept: dict[str, StepRecord] = {}
    for step in steps:
        above: StepRecord | None = step
        while above is not None and above.id not in kept:
            kept[above.id] = above
            above = record.steps.get(above.parent)
    return {id: step for id, step in record.steps.items() if id in kept}


def _name(run_id: str) -> str:
    return f"sematic-run-{run_id}"


def _map(record: RunRecord, version: str = "") -> Object:
    metadata: Object = {
        "name": _name(record.id),
        "labels": run_labels(record.id, "record"),
        "annotations": {f"{LABEL}/name": record.name, f"{LABEL}/state": record.state},
    }
    if record.state == "CANCELED":
        metadata["annotations"][_CANCELED] = "true"
    if version:
        metadata["resourceVersion"] = version
    data = base64.b64encode(fitting(record)).decode()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "binaryData": {_DATA: data},
    }


def _check(record: RunRecord, known: _Known) -> None:
    if known.is_canceled and record.state != "CANCELED":
        raise Steered(f"run {record.id} was canceled")


def _record(found: Object) -> RunRecord:
    try:
        return RunRecord.from_bytes(base64.b64decode(found["binaryData"][_DATA]))
    except (KeyError, TypeError, ValueError) as error:
        name = found["metadata"]["name"]
        raise RecordsError(f"ConfigMap {name} cannot be read: {error}") from None
