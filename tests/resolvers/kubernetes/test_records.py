from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from sematic.resolvers.pods.kubernetes.client import Api
from sematic.resolvers.pods.kubernetes.records import KubernetesRecords, fitting
from sematic.resolvers.records import RunRecord, Steered, StepRecord
from tests.oci.registry.scripted import Reply, Request, ScriptedRegistry
from tests.resolvers.kubernetes.server import reply, scripted_api, status

RUN = "a" * 32
Pair = tuple[ScriptedRegistry, Api]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with scripted_api() as made:
        yield made


class ConfigMaps:
    """ConfigMaps with versions, as an API server keeps them."""

    def __init__(self, server: ScriptedRegistry) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self._version = 0
        for method in ("GET", "POST", "PUT", "DELETE"):
            server.script(method, "configmaps", self.answer, times=1000)
        server.script("DELETE", "leases", reply({}), times=1000)

    def answer(self, request: Request) -> Reply:
        document = json.loads(request.body or b"null")
        name = request.path.rpartition("/")[2]
        kept = self.kept.get(name)
        if request.method == "POST":
            return self._keep(document, 201)
        if kept is None:
            return status(404, "NotFound")
        if request.method == "DELETE":
            return reply(self.kept.pop(name))
        if request.method == "PUT":
            if document["metadata"]["resourceVersion"] != kept["metadata"]["resourceVersion"]:
                return status(409, "Conflict", "the object has been modified")
            return self._keep(document, 200)
        return reply(kept)

    def _keep(self, document: dict[str, Any], code: int) -> Reply:
        self._version += 1
        document["metadata"] |= {"resourceVersion": str(self._version), "uid": "uid-1"}
        self.kept[document["metadata"]["name"]] = document
        return reply(document, code)


def record(state: str = "SCHEDULED", **more: Any) -> RunRecord:
    return RunRecord(RUN, "main", "image", "store", "kubernetes", state=state, **more)


def test_what_is_written_is_read(pair: Pair) -> None:
    ConfigMaps(pair[0])
    records = KubernetesRecords(pair[1])
    assert records.read(RUN) is None
    records.write(record())
    assert records.read(RUN) == record()
    records.write(record("RESOLVED"))
    assert KubernetesRecords(pair[1]).read(RUN) == record("RESOLVED")
    records.remove(RUN)
    assert records.read(RUN) is None


def test_a_record_owns_what_belongs_to_its_run(pair: Pair) -> None:
    ConfigMaps(pair[0])
    records = KubernetesRecords(pair[1])
    records.write(record())
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": f"sematic-run-{RUN}", "uid": "uid-1"}
    assert records.owner(RUN) == KubernetesRecords(pair[1]).owner(RUN) == owner


def test_a_cancellation_is_not_undone_by_the_driver(pair: Pair) -> None:
    ConfigMaps(pair[0])
    driver, other = (KubernetesRecords(pair[1]) for _ in range(2))
    driver.write(record())
    other.cancel(RUN)
    with pytest.raises(Steered, match="was canceled"):
        driver.write(record("RESOLVED"))
    found = other.read(RUN)
    assert found is not None
    assert found.state == "CANCELED"
    driver.write(record("CANCELED", reason="by somebody else"))
    with pytest.raises(Steered):
        driver.write(record("RESOLVED"))
    assert len(pair[0].asked("DELETE", f"leases/sematic-run-{RUN}")) == 1


def test_a_run_that_has_ended_is_not_canceled(pair: Pair) -> None:
    ConfigMaps(pair[0])
    records = KubernetesRecords(pair[1])
    records.write(record("RESOLVED"))
    records.cancel(RUN)
    assert records.read(RUN) == record("RESOLVED")


def test_a_cancellation_is_seen_where_nothing_is_to_be_written(pair: Pair) -> None:
    ConfigMaps(pair[0])
    driver, other = (KubernetesRecords(pair[1]) for _ in range(2))
    driver.write(record(updated=1.0))
    driver.write(record(updated=2.0))
    assert not pair[0].asked("PUT")
    other.cancel(RUN)
    with pytest.raises(Steered):
        driver.write(record(updated=3.0))


def test_a_driver_whose_run_was_removed_is_told(pair: Pair) -> None:
    ConfigMaps(pair[0])
    driver, other = (KubernetesRecords(pair[1]) for _ in range(2))
    driver.write(record())
    other.remove(RUN)
    for state in ("SCHEDULED", "RESOLVED"):
        with pytest.raises(Steered, match="was removed"):
            driver.write(record(state))


def test_a_record_that_is_too_large_keeps_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sematic.resolvers.pods.kubernetes.records.MOST_BYTES", 20_000)

    def step(number: int, state: str) -> StepRecord:
        noise = hashlib.sha512(bytes([number])).hexdigest() * 2
        return StepRecord(f"{number:032x}", "step", "app:step", RUN, state, noise)

    root = StepRecord(RUN, "main", "app:main", state="RAN")
    steps = [step(number, "FAILED" if number == 200 else "RESOLVED") for number in range(250)]
    many = record(steps={one.id: one for one in (root, *steps)})
    assert len(many.to_bytes()) > 20_000
    data = fitting(many)
    assert 10_000 < len(data) <= 20_000
    kept = RunRecord.from_bytes(data).steps
    assert kept[RUN] == root
    assert kept[f"{200:032x}"].state == "FAILED"
    assert fitting(record()) == record().to_bytes()
