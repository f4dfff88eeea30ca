from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sematic.oci.errors import Denied, RegistryError
from sematic.oci.registry import Repository
from sematic.oci.registry.auth import Challenge, parse_challenges
from tests.oci.registry.blobs import DATA, Streamed, known, manifest, unheard
from tests.oci.registry.conftest import Opener, Time
from tests.oci.registry.scripted import Reply, Request, ScriptedRegistry, error

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ("Basic", [("basic", {})]),
        ('Basic realm="x"', [("basic", {"realm": "x"})]),
        (
            'bearer realm="https://x/t",service="y"',
            [("bearer", {"realm": "https://x/t", "service": "y"})],
        ),
        (
            'Bearer realm="a, b" , scope="r:x:pull,push"',
            [("bearer", {"realm": "a, b", "scope": "r:x:pull,push"})],
        ),
        (
            'Basic realm="x", Bearer realm=y',
            [("basic", {"realm": "x"}), ("bearer", {"realm": "y"})],
        ),
        (
            'Negotiate, Basic realm="say \\"x\\""',
            [("negotiate", {}), ("basic", {"realm": 'say "x"'})],
        ),
        ('Bearer REALM = "x"', [("bearer", {"realm": "x"})]),
        ("", []),
    ],
)
def test_a_header_holds_challenges(
    header: str, challenges: list[tuple[str, dict[str, str]]]
) -> None:
    assert parse_challenges(header) == [Challenge(*each) for each in challenges]


@given(st.text())
def test_any_header_can_be_read(header: str) -> None:
    parse_challenges(header)


WORDS = st.text("abcdefgh-", min_size=1)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126))


@given(st.lists(st.tuples(WORDS, st.dictionaries(WORDS, VALUES))))
def test_what_is_written_as_challenges_is_read(
    challenges: list[tuple[str, dict[str, str]]],
) -> None:
    def quoted(value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    header = ", ".join(
        f"{scheme} {', '.join(f'{name}={quoted(value)}' for name, value in parameters.items())}"
        for scheme, parameters in challenges
    )
    assert parse_challenges(header) == [Challenge(*each) for each in challenges]


def log_in(monkeypatch: pytest.MonkeyPatch, user: str = "me", password: str = "secret") -> None:
    monkeypatch.setenv("SEMATIC_REGISTRY_USERNAME", user)
    monkeypatch.setenv("SEMATIC_REGISTRY_PASSWORD", password)


def write_config(host: str, **entry: str) -> Path:
    path = Path.home() / ".docker/config.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"auths": {host: entry}}))
    return path


@pytest.fixture
def bearer(scripted: ScriptedRegistry) -> ScriptedRegistry:
    scripted.auth = "bearer"
    return scripted


@pytest.fixture
def protected(bearer: ScriptedRegistry) -> ScriptedRegistry:
    bearer.users = {"me": "secret"}
    return bearer


def test_a_token_is_fetched_once_for_many_requests(
    bearer: ScriptedRegistry, repository: Repository
) -> None:
    for _ in range(3):
        assert repository.head("v1") is None
    assert bearer.log() == [
        "HEAD /v2/team/app/manifests/v1",
        "GET /token",
        *["HEAD /v2/team/app/manifests/v1"] * 3,
    ]


def test_pull_and_push_are_asked_for_up_front(
    bearer: ScriptedRegistry, repository: Repository
) -> None:
    repository.head("v1")
    repository.put(known(), unheard)
    (token,) = bearer.asked("GET", "/token")
    assert token.query == {"service": ["scripted"], "scope": ["repository:team/app:pull,push"]}


def test_who_only_reads_asks_for_pull(bearer: ScriptedRegistry, opened: Opener) -> None:
    opened(push=False).head("v1")
    (token,) = bearer.asked("GET", "/token")
    assert token.query["scope"] == ["repository:team/app:pull"]


def test_the_scope_of_the_challenge_leads(bearer: ScriptedRegistry, repository: Repository) -> None:
    offer = f'Bearer realm="http://{bearer.host}/token",scope="repository:cache/team/app:pull"'
    bearer.script("HEAD", "/manifests/", Reply(401, {"WWW-Authenticate": offer}))
    repository.head("v1")
    (token,) = bearer.asked("GET", "/token")
    scopes = ["repository:cache/team/app:pull", "repository:team/app:pull,push"]
    assert token.query == {"scope": scopes}


def test_credentials_are_shown_to_the_token_server(
    protected: ScriptedRegistry, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch)
    repository.head("v1")
    (token,) = protected.asked("GET", "/token")
    assert token.headers["Authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
    assert protected.asked("HEAD")[-1].headers["Authorization"] == "Bearer token-0"


def test_basic_credentials_are_shown_where_they_are_wanted(
    scripted: ScriptedRegistry, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.auth, scripted.users = "basic", {"me": "secret"}
    log_in(monkeypatch)
    repository.head("v1")
    repository.head("v1")
    shown = [request.headers.get("Authorization", "")[:5] for request in scripted.asked()]
    assert shown == ["", "Basic", "Basic"]


def test_repositories_of_one_registry_may_have_users_of_their_own(
    scripted: ScriptedRegistry, opened: Opener, tmp_path: Path
) -> None:
    scripted.auth, scripted.users = "basic", {"one": "1", "two": "2"}
    auths = {
        f"{scripted.host}/{user}": {"username": user, "password": password}
        for user, password in scripted.users.items()
    }
    path = tmp_path / "home/.config/containers/auth.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"auths": auths}))
    for user in scripted.users:
        assert opened(f"{user}/app").put(known(), unheard).fate == "new"
        shown = scripted.asked("PUT", f"/{user}/app/")[-1].headers["Authorization"]
        assert base64.b64decode(shown.removeprefix("Basic ")).decode().startswith(f"{user}:")


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_a_wrong_password_fails_at_once_and_once(
    scheme: str,
    scripted: ScriptedRegistry,
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    time: Time,
) -> None:
    scripted.auth, scripted.users = scheme, {"me": "secret"}
    log_in(monkeypatch, password="wrong")
    for _ in range(3):
        with pytest.raises(Denied) as caught:
            repository.put(known(), unheard)
        assert scripted.host in str(caught.value)
        assert "SEMATIC_REGISTRY_USERNAME (user 'me')" in str(caught.value)
        assert "wrong" not in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not time.slept
    if scheme == "bearer":
        assert len(scripted.asked("GET", "/token")) == 1


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_no_credentials_is_said_with_what_to_do(
    scheme: str, scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.auth, scripted.users = scheme, {"me": "secret"}
    with pytest.raises(Denied, match=f"sematic-oci login {scripted.host}"):
        repository.head("v1")


def test_a_right_that_is_lacking_is_said_with_the_source(
    protected: ScriptedRegistry, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch)
    protected.script("POST", "/uploads/", error(403, "DENIED", "not yours"), times=2)
    with pytest.raises(Denied, match=r"team/app.*403 DENIED: not yours\n.*SEMATIC_REGISTRY_USER"):
        repository.put(known(), unheard)


def test_a_registry_that_offers_no_scheme_is_named(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("HEAD", "/manifests/", Reply(401, {"WWW-Authenticate": "Negotiate"}))
    with pytest.raises(Denied, match=f"{scripted.host}.*negotiate"):
        repository.head("v1")


@pytest.mark.parametrize(("seconds", "lasts"), [(300, 200), (None, 40), (4, 2)])
def test_a_token_is_renewed_before_it_runs_out(
    seconds: int | None, lasts: float, bearer: ScriptedRegistry, repository: Repository, time: Time
) -> None:
    bearer.token_seconds = seconds
    repository.head("v1")
    time.now += lasts
    repository.head("v1")
    assert len(bearer.asked("GET", "/token")) == 1
    time.now += lasts
    repository.head("v1")
    assert len(bearer.asked("GET", "/token")) == 2
    assert len(bearer.asked("HEAD")) == 4  # the first one was challenged, and no other


def test_a_token_that_ran_out_early_is_renewed(
    bearer: ScriptedRegistry, repository: Repository
) -> None:
    repository.head("v1")
    bearer.tokens = {"of-somebody-else": ""}
    assert repository.head("v1") is None
    assert len(bearer.asked("GET", "/token")) == 2


@pytest.mark.parametrize("blob", [known(), Streamed()])
def test_a_token_may_run_out_between_the_requests_of_an_upload(
    blob: Streamed, bearer: ScriptedRegistry, repository: Repository
) -> None:
    def revoke(request: Request) -> None:
        bearer.tokens = {"of-somebody-else": ""}

    method = "PUT" if blob.descriptor else "PATCH"
    bearer.script(method, "/uploads/", revoke)
    receipt = repository.put(blob, unheard)
    assert receipt.fate == "new"
    assert bearer.blobs["team/app", receipt.descriptor.digest] == DATA
    assert not bearer.uploads


def test_a_new_token_that_is_not_taken_is_renewed(
    bearer: ScriptedRegistry, repository: Repository
) -> None:
    def forget(request: Request) -> Reply:
        bearer.tokens.clear()
        return bearer.answer(request)

    bearer.script("HEAD", "/manifests/", forget, times=2)
    assert repository.head("v1") is None
    assert len(bearer.asked("GET", "/token")) == 2


def test_a_token_that_is_never_taken_is_an_error(
    bearer: ScriptedRegistry, repository: Repository, time: Time
) -> None:
    repository.has(known().descriptor)
    bearer.script("PUT", "/uploads/", error(401, "UNAUTHORIZED"), times=9)
    with pytest.raises(Denied):
        repository.put(known(), unheard)
    assert len(bearer.asked("PUT")) == 2
    assert not bearer.uploads


def test_threads_fetch_one_token(bearer: ScriptedRegistry, repository: Repository) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(repository.head, ["v1"] * 16)) == {None}
    assert len(bearer.asked("GET", "/token")) == 1


def test_an_identity_token_is_posted(protected: ScriptedRegistry, repository: Repository) -> None:
    write_config(protected.host, identitytoken="secret")
    repository.head("v1")
    (token,) = protected.asked("", "/token")
    assert token.method == "POST"
    assert "grant_type=refresh_token" in token.body.decode()
    assert "refresh_token=secret" in token.body.decode()


def test_where_nothing_can_be_posted_a_token_is_got(
    protected: ScriptedRegistry, repository: Repository
) -> None:
    auth = base64.b64encode(b"me:").decode()
    write_config(protected.host, auth=auth, identitytoken="secret")
    protected.script("POST", "/token", Reply(404))
    assert repository.head("v1") is None
    assert [request.method for request in protected.asked("", "/token")] == ["POST", "GET"]


def test_a_registry_token_is_shown_as_it_is(
    bearer: ScriptedRegistry, repository: Repository
) -> None:
    write_config(bearer.host, registrytoken="mine")
    bearer.tokens["mine"] = ""
    repository.head("v1")
    assert not bearer.asked("", "/token")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"token": ""}',
        b'{"token": "a\\nb"}',
        b'{"token": "x", "expires_in": "?"}',
    ],
)
def test_a_token_server_without_a_token_is_named(
    data: bytes, bearer: ScriptedRegistry, repository: Repository
) -> None:
    bearer.script("GET", "/token", Reply(200, {}, data))
    with pytest.raises(RegistryError, match=f"{bearer.host} gave no token"):
        repository.head("v1")


@pytest.mark.parametrize("status", [404, 405, 416])
def test_a_token_server_that_is_none_says_nothing_of_the_password(
    status: int,
    protected: ScriptedRegistry,
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_in(monkeypatch)
    protected.script("GET", "/token", Reply(status))
    with pytest.raises(RegistryError, match=f"gave no token.* answered {status}") as caught:
        repository.head("v1")
    assert not isinstance(caught.value, Denied)


def test_a_token_server_elsewhere_gets_no_password(
    protected: ScriptedRegistry,
    other: ScriptedRegistry,
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_in(monkeypatch)
    other.users = {"me": "secret"}
    protected.script("GET", "/token", Reply(307, {"Location": f"http://{other.host}/token"}))
    with pytest.raises(Denied, match=f"redirects to {other.host}, where no credentials are sent"):
        repository.head("v1")
    assert "Authorization" not in other.asked()[0].headers


def test_a_token_server_that_fails_is_asked_again(
    bearer: ScriptedRegistry, repository: Repository, time: Time
) -> None:
    bearer.script("GET", "/token", Reply(503), times=2)
    assert repository.head("v1") is None
    assert len(bearer.asked("GET", "/token")) == 3


def test_no_credentials_go_to_a_realm_that_is_not_https(
    protected: ScriptedRegistry, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch)
    offer = 'Bearer realm="http://token.example.com/"'
    protected.script("HEAD", "/manifests/", Reply(401, {"WWW-Authenticate": offer}))
    with pytest.raises(Denied, match=r"http://token\.example\.com.*not https"):
        repository.head("v1")


def test_a_netrc_file_is_not_read(protected: ScriptedRegistry, repository: Repository) -> None:
    netrc = Path.home() / ".netrc"
    netrc.write_text("default login me password secret\n")
    netrc.chmod(0o600)
    with pytest.raises(Denied, match="sematic-oci login"):
        repository.head("v1")


def test_a_mount_asks_for_both_repositories(bearer: ScriptedRegistry, opened: Opener) -> None:
    blob = known()
    opened("team/base").put(blob, unheard)
    repository = opened()
    receipt = repository.put(known(origin=opened("team/base")), unheard)
    assert receipt.fate == "mounted"
    scopes = bearer.asked("GET", "/token")[-1].query["scope"]
    assert scopes == ["repository:team/app:pull,push", "repository:team/base:pull"]


def test_a_push_goes_on_where_the_second_repository_is_refused(
    bearer: ScriptedRegistry, opened: Opener
) -> None:
    opened("team/base").put(known(), unheard)
    opened("team/base").put(Streamed(b"other"), unheard)
    bearer.refused_scopes = {"repository:team/base:pull"}
    repository = opened()
    assert repository.put(known(origin=opened("team/base")), unheard).fate == "new"
    asked = len(bearer.asked("GET", "/token"))
    assert repository.put(known(b"other", opened("team/base")), unheard).fate == "new"
    assert len(bearer.asked("GET", "/token")) == asked
    repository.finish(manifest(), [], [])


def test_credentials_of_the_target_do_not_go_to_other_hosts(
    protected: ScriptedRegistry,
    other: ScriptedRegistry,
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_in(monkeypatch)
    blob = known()
    repository.put(blob, unheard)
    target = f"http://{other.host}/v2/team/app/blobs/{blob.descriptor.digest}"
    other.blobs["team/app", blob.descriptor.digest] = DATA
    protected.script("GET", "/blobs/", Reply(307, {"Location": target}))
    assert b"".join(repository.blob(blob.descriptor)) == DATA
    (request,) = other.asked()
    assert "Authorization" not in request.headers


def test_a_challenge_of_another_host_is_not_answered(
    protected: ScriptedRegistry,
    other: ScriptedRegistry,
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_in(monkeypatch)
    other.auth, other.users = "basic", {"me": "secret"}
    target = f"http://{other.host}/v2/team/app/blobs/{DIGEST}"
    protected.script("GET", "/blobs/", Reply(307, {"Location": target}), times=9)
    with pytest.raises(Denied):
        list(repository.blob(known().descriptor))
    assert all("Authorization" not in request.headers for request in other.asked())


def test_an_upload_to_another_host_goes_without_credentials(
    protected: ScriptedRegistry,
    other: ScriptedRegistry,
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_in(monkeypatch)
    repository.head("v1")
    other.uploads["1"] = b""
    location = f"http://{other.host}/v2/team/app/blobs/uploads/1"
    protected.script("POST", "/uploads/", Reply(202, {"Location": location}))
    assert repository.put(known(), unheard).fate == "new"
    (request,) = other.asked()
    assert "Authorization" not in request.headers


def test_a_push_goes_on_where_cancelling_is_refused(
    bearer: ScriptedRegistry, repository: Repository
) -> None:
    bearer.refused_scopes.add("repository:team/app:delete")
    bearer.script("PUT", "/uploads/", Reply(503))
    assert repository.put(known(), unheard).fate == "new"
    assert not bearer.asked("DELETE")
