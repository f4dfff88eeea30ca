from __future__ import annotations

from collections.abc import Iterator

import pytest

from sematic.resolvers.pods import PodEvent, PodSpec
from sematic.resolvers.pods.kubernetes.client import Api
from sematic.resolvers.pods.kubernetes.errors import ApiError
from sematic.resolvers.pods.kubernetes.logs import read_log
from sematic.resolvers.pods.kubernetes.manifest import Surroundings
from sematic.resolvers.pods.kubernetes.pods import KubernetesPods
from tests.oci.registry.scripted import DROP, Reply, Request, ScriptedRegistry
from tests.resolvers.kubernetes.server import lines, listing, named, reply, scripted_api, status

Pair = tuple[ScriptedRegistry, Api]
SECONDS = 30.0


@pytest.fixture
def pair() -> Iterator[Pair]:
    with scripted_api() as made:
        yield made


@pytest.fixture
def pods(pair: Pair) -> Iterator[KubernetesPods]:
    made = KubernetesPods(pair[1], "run", Surroundings({}))
    yield made
    made.close()


def spec(name: str) -> PodSpec:
    return PodSpec(name, "run", "step", "image", ())


def test_a_pod_is_told_of_once_for_each_change(pair: Pair, pods: KubernetesPods) -> None:
    server, _ = pair
    server.script("POST", "/pods", reply({}))
    pods.submit(spec("one"))
    ended = named("one", "7")
    ended["status"] = {"phase": "Succeeded"}
    other = {"type": "ADDED", "object": named("another's", "6")}
    pending, end = ({"type": "MODIFIED", "object": one} for one in (named("one", "6"), ended))
    server.script("GET", "watch=1", lines(pending, other, pending, end, end))
    server.script("GET", "watch=1", lambda _: reply({}, 500), times=1000)
    server.script("GET", "pods", listing("5", named("one", "4")))
    assert pods.next(SECONDS) == PodEvent("one", "pending")
    assert pods.next(SECONDS) == PodEvent("one", "succeeded", exit_code=0)
    assert pods.next(0) is None


def test_a_pod_that_went_while_nobody_looked_was_deleted(pair: Pair, pods: KubernetesPods) -> None:
    server, _ = pair
    server.script("POST", "/pods", reply({}), times=2)
    pods.submit(spec("one"))
    submitted = []

    def late(_: Request) -> Reply:
        """A pod that is submitted while the list is made is not missing from it."""
        pods.submit(spec("two"))
        submitted.append("two")
        return listing("5")

    server.script("GET", "watch=1", lines({"type": "MODIFIED", "object": named("two", "6")}))
    server.script("GET", "watch=1", status(503, ""), times=1000)
    server.script("GET", "pods", late)
    first = pods.next(SECONDS)
    assert first is not None
    assert (first.name, first.phase, first.cause) == ("one", "failed", "deleted")
    assert pods.next(SECONDS) == PodEvent("two", "pending")


def test_a_pod_that_is_refused_is_not_followed(pair: Pair, pods: KubernetesPods) -> None:
    server, _ = pair
    server.script("POST", "/pods", status(422, "Invalid", "spec.nodeSelector: Invalid value"))
    with pytest.raises(ApiError, match=r"spec.nodeSelector: Invalid value"):
        pods.submit(spec("one"))
    server.script("GET", "watch=1", status(503, ""), times=1000)
    server.script("GET", "pods", listing("5"))
    assert pods.next(0.2) is None


def test_a_pod_whose_creation_was_not_answered_is_there(pair: Pair, pods: KubernetesPods) -> None:
    server, _ = pair
    server.script("POST", "/pods", DROP)
    server.script("POST", "/pods", status(409, "AlreadyExists"))
    pods.submit(spec("one"))
    server.script("POST", "/pods", status(409, "AlreadyExists"))
    with pytest.raises(ApiError, match="AlreadyExists"):
        pods.submit(spec("two"))


def test_pods_are_deleted_at_once_and_need_not_be_there(pair: Pair, pods: KubernetesPods) -> None:
    server, _ = pair
    server.script("DELETE", "/pods/one", reply({}))
    server.script("DELETE", "/pods/two", status(404, "NotFound"))
    pods.delete(["one", "two"])
    assert {one.query["gracePeriodSeconds"][0] for one in server.requests} == {"0"}


# Logs


def test_a_log_that_broke_off_goes_on_where_it_was(pair: Pair) -> None:
    server, api = pair
    running, ended = ({"status": {"phase": phase}} for phase in ("Running", "Succeeded"))
    server.script("GET", "/log", Reply(200, {}, b"one\ntw", breaks_at=None))
    server.script(
        "GET", "/log", Reply(200, {"Content-Length": "99"}, b"one\ntwo\nthr", breaks_at=11)
    )
    server.script("GET", "/log", Reply(200, {}, b"one\ntwo\nthree\n"))
    server.script("GET", "/pods/p", reply(running), times=2)
    server.script("GET", "/pods/p", reply(ended))
    assert b"".join(read_log(api, "p", follow=True)) == b"one\ntwo\nthree\n"


def test_a_pod_that_is_not_there_has_no_log(pair: Pair) -> None:
    server, api = pair
    server.script("GET", "/log", status(404, "NotFound"), times=2)
    assert list(read_log(api, "p")) == list(read_log(api, "p", follow=True)) == []


def test_a_pod_that_waits_has_no_log_yet(pair: Pair) -> None:
    server, api = pair
    waits = status(400, "BadRequest", 'container "main" is waiting to start: ContainerCreating')
    server.script("GET", "/log", waits)
    assert list(read_log(api, "p")) == []
    server.script("GET", "/log", waits)
    server.script("GET", "/log", Reply(200, {}, b"now\n"))
    server.script("GET", "/pods/p", reply({"status": {"phase": "Pending"}}))
    server.script("GET", "/pods/p", reply({"status": {"phase": "Failed"}}))
    assert list(read_log(api, "p", follow=True)) == [b"now\n"]


# Why pods wait


def test_a_pod_that_waits_without_a_word_is_asked_about(
    pair: Pair, pods: KubernetesPods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sematic.resolvers.pods.kubernetes.pods._SILENT_SECONDS", 0.0)
    server, _ = pair
    server.script("POST", "/pods", reply({}))
    pods.submit(spec("one"))
    server.script("GET", "watch=1", status(503, ""), times=1000)
    warning = {"type": "Warning", "reason": "FailedMount", "message": "no secret"}
    server.script("GET", "/events", reply({"items": [warning]}))
    server.script("GET", "/events", status(400, "BadRequest"))
    server.script("GET", "/pods", listing("5", named("one", "4")))
    assert pods.next(SECONDS) == PodEvent("one", "pending")
    assert pods.next(0) == PodEvent("one", "pending", None, "FailedMount: no secret")
    assert pods.next(0) is None
    assert pods.next(0) is None
    assert len(server.asked("GET", "/events")) == 2
