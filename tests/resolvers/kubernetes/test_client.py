from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sematic.oci.values import replace
from sematic.resolvers.pods import PodsError
from sematic.resolvers.pods.kubernetes.client import Api
from sematic.resolvers.pods.kubernetes.errors import ApiError
from sematic.resolvers.pods.kubernetes.login import Login
from sematic.resolvers.pods.kubernetes.watch import Changed, Listed, Watch
from tests.oci.registry.scripted import DROP, Reply, ScriptedRegistry
from tests.resolvers.kubernetes.server import (
    QUICK,
    lines,
    listing,
    named,
    reply,
    scripted_api,
    status,
)

Pair = tuple[ScriptedRegistry, Api]
FORBIDDEN = (
    'pods is forbidden: User "system:serviceaccount:space:x" cannot create resource "pods" '
    'in API group "" in the namespace "space"'
)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with scripted_api() as made:
        yield made


def test_a_request_names_its_object(pair: Pair) -> None:
    server, api = pair
    server.script("PATCH", "", reply({"a": 1}))
    assert api.request("patch", "leases", "one", body={"b": 2}, query={"q": "x y"}) == {"a": 1}
    (asked,) = server.requests
    assert asked.path == "/apis/coordination.k8s.io/v1/namespaces/space/leases/one"
    assert asked.query == {"q": ["x y"]}
    assert asked.body == b'{"b": 2}'
    assert asked.headers["Content-Type"] == "application/merge-patch+json"
    assert asked.headers["Authorization"] == "Bearer t"


@pytest.mark.parametrize(
    "trouble",
    [
        DROP,
        status(429, "TooManyRequests", **{"Retry-After": "0"}),
        status(500, "InternalError", "etcdserver: leader changed"),
        Reply(502, {}, b"<html>"),
        status(503, "ServiceUnavailable"),
        status(504, "Timeout"),
    ],
)
def test_a_request_is_made_again_where_that_may_help(pair: Pair, trouble: Reply) -> None:
    server, api = pair
    server.script("GET", "/pods", listing("1"))
    api.request("list", "pods")
    server.script("GET", "/pods", trouble, times=3)
    server.script("GET", "/pods", listing("2"))
    assert api.request("list", "pods")["metadata"] == {"resourceVersion": "2"}
    assert len(server.requests) == 5


def test_a_server_that_stays_away_is_told(pair: Pair) -> None:
    server, api = pair
    server.script("GET", "/pods", status(503, "ServiceUnavailable", "starting"), times=1000)
    with pytest.raises(PodsError, match=r"cannot list pods in namespace space .*503 starting"):
        api.request("list", "pods")
    assert len(server.requests) > 2


def test_a_server_that_was_never_there_is_told_soon_with_where_its_address_is_from() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        api = Api(Login(url, "space", "context c of FILE"), patience=QUICK)
        with pytest.raises(PodsError, match=r"was not reached(.|\n)*is from context c of FILE"):
            api.request("list", "pods")


def test_an_outage_is_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sematic.resolvers.pods.kubernetes.client._NOTICED_SECONDS", 0.0)
    with scripted_api(replace(QUICK, unheard=30.0, total=30.0)) as (server, api):
        server.script("GET", "/pods", status(503, "ServiceUnavailable", "starting"), times=4)
        server.script("GET", "/pods", listing("1"), times=2)
        for _ in range(2):
            api.request("list", "pods")
    away, back = (one.getMessage() for one in caplog.records)
    assert "503 starting; trying again" in away
    assert back.endswith("answers again")


def test_what_is_not_allowed_is_told_by_name(pair: Pair) -> None:
    server, api = pair
    server.script("POST", "/pods", status(403, "Forbidden", FORBIDDEN))
    with pytest.raises(ApiError) as caught:
        api.request("create", "pods", body={})
    message = str(caught.value)
    assert message.startswith("cannot create pods in namespace space (http://")
    assert 'User "system:serviceaccount:space:x" cannot create resource "pods"' in message
    assert "may not create pods in namespace space; `sematic cluster check` says" in message
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        (401, "Unauthorized", "log in again"),
        (403, 'pods "x" is forbidden: exceeded quota: q', "max_parallelism"),
        (403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest"', "restricts"),
        (404, 'namespaces "space" not found', "SEMATIC_NAMESPACE"),
    ],
)
def test_a_refusal_says_what_to_do(pair: Pair, code: int, message: str, advice: str) -> None:
    server, api = pair
    server.script("POST", "/pods", status(code, "Forbidden", message))
    with pytest.raises(ApiError, match=advice):
        api.request("create", "pods", body={})


def test_a_server_that_has_just_come_back_may_not_know_us_for_a_moment(pair: Pair) -> None:
    server, api = pair
    for trouble in (DROP, status(401, "Unauthorized"), status(403, "Forbidden", FORBIDDEN)):
        server.script("POST", "/pods", trouble)
    server.script("POST", "/pods", reply({"made": True}))
    assert api.request("create", "pods", body={}) == {"made": True}


def test_an_object_that_was_made_by_a_lost_answer_is_known(pair: Pair) -> None:
    server, api = pair
    server.script("POST", "/pods", DROP)
    server.script("POST", "/pods", status(409, "AlreadyExists"))
    with pytest.raises(ApiError) as caught:
        api.request("create", "pods", body={})
    assert caught.value.is_conflict
    assert caught.value.is_repeated


# Watches


def followed(api: Api, count: int) -> list[object]:
    """So many things that a watch tells, in words."""
    watch = Watch(api, "pods", {"labelSelector": "a=b"})
    told: list[object] = []
    for seen in watch:
        if isinstance(seen, Listed):
            told.append([pod["metadata"]["name"] for pod in seen.objects])
        elif isinstance(seen, Changed):
            name = seen.object["metadata"]["name"]
            told.append(f"{name} is gone" if seen.is_deleted else name)
        if len(told) == count:
            watch.close()
            return told
    raise AssertionError(told)


def change(kind: str, name: str, version: str) -> dict[str, object]:
    return {"type": kind, "object": named(name, version)}


def test_a_watch_goes_on_where_it_was_when_it_broke_off(pair: Pair) -> None:
    server, api = pair
    server.script("GET", "watch=1&resourceVersion=5", lines(change("ADDED", "two", "6")))
    server.script("GET", "watch=1&resourceVersion=6", DROP)
    half = b'{"type": "MODIFIED", "object": {"metadata": {"name": "three", "resourceVersion"'
    server.script(
        "GET", "watch=1&resourceVersion=6", Reply(200, {"Content-Length": "999"}, half, len(half))
    )
    server.script("GET", "resourceVersion=6", lines(change("DELETED", "two", "7")))
    server.script("GET", "pods?labelSelector=a%3Db", listing("5", named("one", "4")))
    assert followed(api, 3) == [["one"], "two", "two is gone"]
    assert len([one for one in server.requests if "watch" not in one.url]) == 1


def test_bookmarks_are_where_a_watch_goes_on(pair: Pair) -> None:
    server, api = pair
    server.script("GET", "resourceVersion=5", lines(change("BOOKMARK", "", "90")))
    server.script("GET", "resourceVersion=90", lines(change("ADDED", "two", "91")))
    server.script("GET", "pods", listing("5"))
    assert followed(api, 2) == [[], "two"]


@pytest.mark.parametrize(
    "expired",
    [
        status(410, "Expired", "too old resource version"),
        lines({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}),
    ],
)
def test_what_is_too_long_ago_is_listed_afresh(pair: Pair, expired: Reply) -> None:
    server, api = pair
    server.script("GET", "resourceVersion=5", expired)
    server.script("GET", "resourceVersion=9", lines(change("MODIFIED", "two", "10")))
    server.script("GET", "pods", listing("5", named("one", "4")))
    server.script("GET", "pods", listing("9", named("two", "8")))
    assert followed(api, 3) == [["one"], ["two"], "two"]


def test_a_watch_that_is_not_allowed_is_told(pair: Pair) -> None:
    server, api = pair
    server.script("GET", "watch=1", status(403, "Forbidden", 'cannot watch resource "pods"'))
    server.script("GET", "pods", listing("5"))
    with pytest.raises(ApiError, match="may not watch pods in namespace space"):
        followed(api, 2)
