"""Whether the driver of a run is there, by what an API server says of its pod or its lease."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from sematic.resolvers.pods.kubernetes.client import Api
from sematic.resolvers.pods.kubernetes.loss import Losses
from sematic.resolvers.records import RunRecord
from tests.oci.registry.scripted import ScriptedRegistry
from tests.resolvers.kubernetes.server import reply, scripted_api, status

Pair = tuple[ScriptedRegistry, Api]
OUTSIDE = "laptop, process 7"
INSIDE = "sematic-driver-abc"


@pytest.fixture
def pair() -> Iterator[Pair]:
    with scripted_api() as made:
        yield made


def run(driver: str, age: float = 3600.0) -> RunRecord:
    created = time.time() - age
    return RunRecord("abc", "main", "i", "s", "kubernetes", driver=driver, created=created)


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": INSIDE}, "spec": {}, "status": status}


def lease(age: float, lasts: int = 120) -> dict[str, Any]:
    renewed = datetime.now(timezone.utc) - timedelta(seconds=age)
    text = renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"spec": {"renewTime": text, "leaseDurationSeconds": lasts}}


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (pod(phase="Pending"), ""),
        (pod(phase="Succeeded"), "its pod ended without a word"),
        (pod(phase="Failed", reason="Evicted", message="disk"), "it was evicted from its node"),
    ],
)
def test_a_driver_in_a_pod_is_there_as_long_as_that(
    seen: dict[str, Any], why: str, pair: Pair
) -> None:
    server, api = pair
    server.script("GET", f"/pods/{INSIDE}", reply(seen))
    told = Losses(api).of(run(INSIDE))
    assert told.startswith(why) and bool(told) == bool(why)


@pytest.mark.parametrize(
    ("driver", "why"),
    [(INSIDE, "its pod is gone"), (OUTSIDE, f"{OUTSIDE} has given up the run's lease")],
)
def test_what_is_not_there_may_come_yet(driver: str, why: str, pair: Pair) -> None:
    server, api = pair
    server.script("GET", "", status(404, "NotFound"))
    assert Losses(api).of(run(driver, age=5)) == ""
    assert Losses(api).of(run(driver)) == why


def test_a_driver_outside_is_there_as_long_as_it_renews_its_lease(pair: Pair) -> None:
    server, api = pair
    server.script("GET", "/leases/sematic-run-abc", reply(lease(300)))  # clocks may differ
    assert Losses(api).of(run(OUTSIDE)) == ""
    server.script("GET", "/leases/sematic-run-abc", reply(lease(900)))
    assert Losses(api).of(run(OUTSIDE)) == f"{OUTSIDE} does not renew the run's lease"


def test_silence_that_was_watched_is_enough(pair: Pair) -> None:
    server, api = pair
    server.script("GET", "/leases/sematic-run-abc", reply(lease(300, lasts=1)), times=1000)
    losses, deadline = Losses(api), time.monotonic() + 60
    assert losses.of(run(OUTSIDE)) == ""
    while not losses.of(run(OUTSIDE)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
