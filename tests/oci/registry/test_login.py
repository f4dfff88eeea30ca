"""What a registry is asked at a login, and what its answers mean."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest

from sematic.oci.errors import Denied, RegistryError
from sematic.oci.registry.client import api_host
from sematic.oci.registry.credentials import Credential
from sematic.oci.registry.login import Login, log_in
from sematic.oci.registry.transport import Transport
from tests.oci.registry.conftest import Time
from tests.oci.registry.scripted import Reply, Request, ScriptedRegistry, error

ME = Credential("me", "secret", source="stdin")
WRONG = Credential("me", "wrong", source="stdin")
SHOWN = "Basic " + base64.b64encode(b"me:secret").decode()

LogIn = Callable[[str, Credential], Login]


@pytest.fixture
def logged_in(time: Time) -> LogIn:
    transport = Transport(patience=time.patience())
    return lambda place, credential: log_in(place, credential, transport)


@pytest.fixture
def bearer(scripted: ScriptedRegistry) -> ScriptedRegistry:
    scripted.auth, scripted.users = "bearer", {"me": "secret"}
    return scripted


def test_basic_credentials_are_checked(scripted: ScriptedRegistry, logged_in: LogIn) -> None:
    scripted.auth, scripted.users = "basic", {"me": "secret"}
    assert logged_in(scripted.host, ME) == Login(ME, is_checked=True)
    shown = [request.headers.get("Authorization") for request in scripted.requests]
    assert shown == [None, None, SHOWN]  # the first to see whether plain http is spoken


def test_a_token_without_scope_is_asked_for(bearer: ScriptedRegistry, logged_in: LogIn) -> None:
    assert logged_in(bearer.host, ME) == Login(ME, is_checked=True)
    (token,) = bearer.asked("", "/token")
    assert token.headers["Authorization"] == SHOWN
    assert token.query == {
        "service": ["scripted"],
        "account": ["me"],
        "client_id": ["sematic"],
        "offline_token": ["true"],
    }
    assert bearer.requests[-1].path == "/v2/"
    assert bearer.requests[-1].headers["Authorization"] == "Bearer token-0"


def test_a_refresh_token_takes_the_place_of_the_password(
    bearer: ScriptedRegistry, logged_in: LogIn
) -> None:
    def give(request: Request) -> Reply:
        bearer.tokens["mine"] = ""
        document = {"token": "mine", "refresh_token": "refresh"}
        return Reply(200, {}, json.dumps(document).encode())

    bearer.script("GET", "/token", give)
    done = logged_in(f"{bearer.host}/team", ME)
    assert done.credential == Credential("me", identity_token="refresh", source="stdin")


def test_a_registry_that_takes_anyone_checks_nothing(
    scripted: ScriptedRegistry, logged_in: LogIn
) -> None:
    assert logged_in(scripted.host, WRONG) == Login(WRONG, is_checked=False)
    assert all("Authorization" not in request.headers for request in scripted.requests)


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_a_wrong_password_is_told_at_once(
    scheme: str, scripted: ScriptedRegistry, logged_in: LogIn, time: Time
) -> None:
    scripted.auth, scripted.users = scheme, {"me": "secret"}
    with pytest.raises(Denied) as caught:
        logged_in(scripted.host, WRONG)
    says = f"{scripted.host} refused the credentials from stdin (user 'me')"
    assert str(caught.value).startswith(says)
    assert "wrong" not in str(caught.value) and "\n" not in str(caught.value)
    assert not time.slept
    assert len([each for each in scripted.requests if "Authorization" in each.headers]) == 1


def test_a_token_server_is_named_with_what_it_says(
    bearer: ScriptedRegistry, other: ScriptedRegistry, logged_in: LogIn
) -> None:
    offer = f'Bearer realm="http://{other.host}/token"'
    bearer.script("GET", "/v2/", Reply(401, {"WWW-Authenticate": offer}), times=2)
    other.script("GET", "/token", error(403, "DENIED", "use an access token"))
    via = rf"{bearer.host} \(token server {other.host}\) refused .*: DENIED: use an access token$"
    with pytest.raises(Denied, match=via):
        logged_in(bearer.host, WRONG)


def test_a_token_that_is_not_taken_is_an_error(bearer: ScriptedRegistry, logged_in: LogIn) -> None:
    bearer.script("GET", "/token", Reply(200, {}, b'{"token": "of another registry"}'))
    with pytest.raises(Denied, match=f"{bearer.host} refused the login: 401 UNAUTHORIZED"):
        logged_in(bearer.host, ME)


@pytest.mark.parametrize(("status", "says"), [(404, "404\nIs it a registry"), (400, "400")])
def test_what_is_no_registry_is_told(
    status: int, says: str, scripted: ScriptedRegistry, logged_in: LogIn
) -> None:
    scripted.script("GET", "/v2/", Reply(status), times=9)
    with pytest.raises(RegistryError, match=f"{scripted.host} refused the login: {says}"):
        logged_in(scripted.host, ME)


def test_nothing_is_shown_to_a_host_that_it_redirects_to(
    scripted: ScriptedRegistry, other: ScriptedRegistry, logged_in: LogIn
) -> None:
    other.auth, other.users = "basic", {"me": "secret"}
    elsewhere = Reply(307, {"Location": f"http://{other.host}/v2/"})
    scripted.script("GET", "/v2/", elsewhere, times=9)
    with pytest.raises(Denied, match="refused the login: 401"):
        logged_in(scripted.host, ME)
    assert other.requests
    for request in (*scripted.requests, *other.requests):
        assert "Authorization" not in request.headers


def test_nothing_is_shown_to_a_realm_that_is_not_https(
    scripted: ScriptedRegistry, logged_in: LogIn
) -> None:
    offer = 'Bearer realm="http://token.example.com/"'
    scripted.script("GET", "/v2/", Reply(401, {"WWW-Authenticate": offer}), times=2)
    with pytest.raises(Denied, match=r"http://token\.example\.com.*not https"):
        logged_in(scripted.host, ME)


def test_docker_hub_answers_elsewhere() -> None:
    assert api_host("docker.io") == "registry-1.docker.io"
    assert api_host("registry.example.com") == "registry.example.com"
