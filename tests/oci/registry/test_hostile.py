"""A registry that wants to do harm: what it answers is refused soon, with an error to be shown."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from sematic.oci.base import Base, find_base
from sematic.oci.base_python import find_base_python
from sematic.oci.errors import BaseError, Denied, DigestError, OCIError, RegistryError
from sematic.oci.events import ignore
from sematic.oci.manifest import (
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Platform,
    digest_of,
    to_json,
)
from sematic.oci.memo import Forgetful
from sematic.oci.registry import Repository
from tests.fuzz.targets import check_shown
from tests.oci.registry.blobs import LAYER, known, unheard
from tests.oci.registry.conftest import Opener, Time
from tests.oci.registry.scripted import Reply, Request, ScriptedRegistry, error

AMD64 = Platform("linux", "amd64")
DIGEST = digest_of(b"nothing")
CONFIG = to_json({**AMD64.to_dict(), "rootfs": {"type": "layers", "diff_ids": []}})
WORD = "hunter2"
PASSWORD = f"{WORD} é"

Finder = Callable[..., Base]


@pytest.fixture
def find(scripted: ScriptedRegistry, opened: Opener) -> Finder:
    """Stores something as the image and looks it up, as push and inspect do."""

    def find_image(data: Any, media_type: str = OCI_MANIFEST, config: bytes = CONFIG) -> Base:
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        store(scripted, data, media_type)
        scripted.blobs["team/app", digest_of(config)] = config
        return find_base(opened(push=False), Forgetful())

    return find_image


def store(scripted: ScriptedRegistry, data: bytes, media_type: str, tag: str = "latest") -> str:
    for name in (tag, digest_of(data)):
        scripted.manifests["team/app", name] = media_type, data
    return digest_of(data)


def manifest(config: Any = None, layers: Any = (), **more: Any) -> dict[str, Any]:
    own = Descriptor.of(OCI_CONFIG, CONFIG).to_dict() if config is None else config
    return {"schemaVersion": 2, "config": own, "layers": list(layers), **more}


def blob(**more: Any) -> dict[str, Any]:
    return {"mediaType": LAYER, "digest": DIGEST, "size": 1, **more}


def refused(caught: pytest.ExceptionInfo[OCIError]) -> str:
    check_shown(str(caught.value))
    return str(caught.value)


# Manifests


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"[" * 100_000, "too deep"),
        (b"\xff\xfe{}", "utf-8"),
        (b'{"schemaVersion": 2, "layers": [], "layers": []}', "twice"),
        (b'{"schemaVersion": NaN}', "no number"),
        (b'{"schemaVersion": 1e999}', "no number"),
        (b'{"schemaVersion": ' + b"9" * 5000 + b"}", "64 bits"),
        (b'{"a": "\\ud800"}', "surrogates"),
        (b"[[]" + b",[]" * 200_000 + b"]", "too large"),
        (b"[]", "not a JSON object"),
        (manifest(layers=[blob(size=-1)]), "not a descriptor"),
        (manifest(layers=[blob(size=1.0)]), "not a descriptor"),
        (manifest(layers=[blob(size=True)]), "not a descriptor"),
        (manifest(layers=[blob(size=2**63)]), "not a descriptor"),
        (manifest(layers=[blob(size="1")]), "not a descriptor"),
        (manifest(layers=[blob(digest="sha256:../../../../etc/passwd")]), "not a descriptor"),
        (manifest(layers=[blob(digest="md5:" + 32 * "0")]), "not a descriptor"),
        (manifest(layers=[blob(digest=DIGEST.upper())]), "not a descriptor"),
        (manifest(layers=[blob(digest=DIGEST + "\n")]), "not a descriptor"),
        (manifest(layers=[blob(mediaType="a\x1b[31m")]), "not a descriptor"),
        (manifest(layers=[blob(urls="x")]), "not a descriptor"),
        (manifest(layers=[blob(annotations={"a": 1})]), "annotations that are none"),
        (manifest(layers=[["x" * 100_000] * 10]), "not a descriptor"),
        ({**manifest(), "layers": {}}, "without a list of layers"),
        (manifest(annotations=["\x1b[31m" * 1000]), "annotations that are none"),
        (manifest(manifests=[]), "an index at once"),
        (manifest(mediaType=DOCKER_MANIFEST), "served as"),
        (manifest(mediaType=["\x1b[31m"] * 1000), "served as"),
        (manifest(blob(mediaType="text/plain")), "it is no image"),
        (manifest(blob(mediaType=OCI_CONFIG, size=1 << 40)), "has 1099511627776 bytes"),
    ],
)
def test_a_manifest_that_is_none_is_refused(document: Any, why: str, find: Finder) -> None:
    with pytest.raises(BaseError, match=why) as caught:
        find(document)
    refused(caught)


def test_a_manifest_that_is_too_large_is_not_read(find: Finder) -> None:
    with pytest.raises(RegistryError, match="more than 4 MiB") as caught:
        find(b'"' + bytes(5 << 20) + b'"')
    refused(caught)


def test_a_manifest_with_other_bytes_is_refused(find: Finder, scripted: ScriptedRegistry) -> None:
    scripted.script("GET", DIGEST, Reply(200, {"Content-Type": OCI_MANIFEST}, b"{}"))
    scripted.script("HEAD", "/manifests/", Reply(200, {"Docker-Content-Digest": DIGEST}))
    with pytest.raises(DigestError, match="but its bytes are"):
        find(manifest())


@pytest.mark.parametrize("announced", ["md5:00", "sha256:../../x", "sha256:" + 64 * "G", "\x1b[0m"])
def test_a_digest_that_is_none_is_no_digest(
    announced: str, find: Finder, scripted: ScriptedRegistry
) -> None:
    scripted.script("HEAD", "/manifests/", Reply(200, {"Docker-Content-Digest": announced}))
    assert find(manifest()).digest == digest_of(json.dumps(manifest()).encode())


def test_an_index_that_lists_indexes_is_refused(find: Finder, scripted: ScriptedRegistry) -> None:
    inner = to_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
    store(scripted, inner, OCI_INDEX, "inner")
    entry = {**Descriptor.of(OCI_INDEX, inner).to_dict(), "platform": Platform.of_host().to_dict()}
    with pytest.raises(BaseError, match="not an image manifest but"):
        find({"schemaVersion": 2, "manifests": [entry]}, OCI_INDEX)


def test_an_index_that_lists_what_is_not_there_is_refused(find: Finder) -> None:
    entry = blob(platform=Platform.of_host().to_dict())
    with pytest.raises(BaseError, match=f"refused to give the manifest {DIGEST}"):
        find({"schemaVersion": 2, "manifests": [entry]}, OCI_INDEX)


def test_the_platforms_of_an_index_are_shown_in_short(find: Finder) -> None:
    entries = [blob(platform={"os": "\x1b[2J" * 99, "architecture": ["x"] * 99})] * 500
    with pytest.raises(BaseError, match="it has no linux/") as caught:
        find({"schemaVersion": 2, "manifests": entries}, OCI_INDEX)
    refused(caught)


def test_an_image_of_thousands_of_layers_is_no_base(
    find: Finder, scripted: ScriptedRegistry
) -> None:
    diff_ids = [DIGEST] * 10_000
    config = to_json({**AMD64.to_dict(), "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    own = Descriptor.of(OCI_CONFIG, config).to_dict()
    base = find(manifest(own, [blob()] * 10_000), config=config)
    with pytest.raises(BaseError, match="has 10000 layers"):
        find_base_python(base, Forgetful(), ignore)
    assert not scripted.asked("GET", f"/blobs/{DIGEST}")


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (b"[" * 100_000, "its config is not JSON: it is too deep"),
        (b"\xff", "utf-8"),
        (b"[]", "its config is no"),
        ({"rootfs": {"diff_ids": ["../" * 100]}}, "its config is no"),
        ({"rootfs": {"diff_ids": []}, "config": {"Labels": {"a": 1}}}, "its config is no"),
        ({"rootfs": {"diff_ids": []}, "config": {"Env": [1]}}, "its config is no"),
        ({"rootfs": {"diff_ids": []}, "history": [1]}, "its config is no"),
        ({"rootfs": {"diff_ids": [DIGEST]}}, "do not name as many layers"),
    ],
)
def test_a_config_that_is_none_is_refused(config: Any, why: str, find: Finder) -> None:
    data = config if isinstance(config, bytes) else to_json(config)
    with pytest.raises(BaseError, match=why) as caught:
        find(manifest(Descriptor.of(OCI_CONFIG, data).to_dict()), config=data)
    refused(caught)


def test_a_config_that_goes_on_behind_its_end_is_refused(
    find: Finder, scripted: ScriptedRegistry
) -> None:
    scripted.script("GET", "/blobs/", Reply(0, raw=forever(b"", b"x" * 65536)))
    with pytest.raises(DigestError, match="more than the"):
        find(manifest())


# Answers


def forever(head: bytes, data: bytes, status: bytes = b"200 OK") -> Iterable[bytes]:
    """An answer that begins with some headers and has no end."""
    return itertools.chain((b"HTTP/1.1 " + status + b"\r\n" + head + b"\r\n",), cycle(data))


def cycle(data: bytes) -> Iterable[bytes]:
    return itertools.repeat(data, 100_000)


CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (lambda: forever(b"", b"x" * 65536), "more than 4 MiB"),
        (lambda: forever(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"), "more than 4 MiB"),
        (lambda: forever(CHUNKED, b"f" * 1000), "broke the connection|too large"),
        (lambda: forever(b"Content-Length: " + b"9" * 5000 + b"\r\n", b"x" * 65536), "4 MiB"),
        (lambda: forever(b"Content-Length: 9\r\nContent-Length: 8\r\n", b"x"), "unmatching"),
        (lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"], "broke the connection"),
        (lambda: forever(CHUNKED, b"\x1b[31mzz\r\n"), "broke the connection"),
        (lambda: cycle(b"\x1b[31m"), "head that is too large|not HTTP"),
        (lambda: [b"\x1b[31mHTTP\r\n\r\n"], "what it sent is not HTTP"),
        (lambda: (b"HTTP/1.1 200 OK\r\n", *cycle(b"X-Flood: 1\r\n" * 100)), "too large"),
        (lambda: (b"HTTP/1.1 200 OK\r\nX-Flood: ", *cycle(b"x" * 1000)), "too large"),
        (lambda: cycle(b"HTTP/1.1 100 Continue\r\n\r\n"), "too large"),
        (lambda: (b"HTTP/1.1 200 OK\r\n", CHUNKED, b"\r\n0\r\n", *cycle(b"X: 1\r\n")), "too large"),
        (lambda: (b"HTTP/1.1 200 ", *cycle(b"x" * 1000)), "too large"),
    ],
)
def test_an_answer_without_measure_is_refused(
    raw: Callable[[], Iterable[bytes]],
    why: str,
    scripted: ScriptedRegistry,
    repository: Repository,
) -> None:
    repository.head("v1")  # it has answered: what it is asked in is settled
    scripted.script("GET", "/manifests/", lambda request: Reply(0, raw=raw()), times=99)
    with pytest.raises(RegistryError, match=why) as caught:
        repository.manifest("v1")
    refused(caught)


def test_a_message_that_drips_is_not_waited_for(
    scripted: ScriptedRegistry, repository: Repository, time: Time
) -> None:
    def drip() -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            time.now += 50
            yield b"x"

    repository.head("v1")
    scripted.script("GET", "/manifests/", Reply(0, raw=drip()))
    with pytest.raises(RegistryError, match="for more than 300 s"):
        repository.manifest("v1")


@pytest.mark.parametrize("digits", ["9" * 5000, "-1", "1e3", "", "\u00b2"])
def test_a_length_that_is_none_is_no_hindrance(
    digits: str, scripted: ScriptedRegistry, repository: Repository
) -> None:
    data = b"a blob"
    scripted.blobs["team/app", digest_of(data)] = data
    scripted.script("HEAD", "/blobs/", Reply(200, {"Content-Length": digits}))
    assert repository.has(Descriptor.of(LAYER, data)) is not digits.startswith("9")
    span = {"Content-Range": f"bytes {digits}-{digits}/{digits}"}
    scripted.script("GET", "/blobs/", Reply(200, {"Content-Length": "6"}, data, breaks_at=3))
    scripted.script("GET", "/blobs/", Reply(206, span, data))
    assert b"".join(repository.blob(Descriptor.of(LAYER, data))) == data


# Pointers


@pytest.mark.parametrize(
    "target",
    [
        *("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "http:///x", "http://["),
        *("http://127.0.0.1:99999/", "data:application/json,{}", "http://a b/", "\x1b[31m://x"),
    ],
)
def test_a_redirect_to_what_is_no_registry_is_not_followed(
    target: str, scripted: ScriptedRegistry, repository: Repository
) -> None:
    repository.head("v1")
    scripted.script("GET", "/manifests/", Reply(307, {"Location": target}), times=99)
    with pytest.raises(RegistryError) as caught:
        repository.manifest("v1")
    refused(caught)


def test_a_chain_of_redirects_has_an_end(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    def onwards(request: Request) -> Reply:
        return Reply(302, {"Location": request.url + "x"})

    scripted.script("GET", "/manifests/", onwards, times=1000)
    with pytest.raises(RegistryError, match="in circles"):
        repository.manifest("v1")
    assert len(scripted.asked("GET")) < 10


def test_no_name_and_password_of_a_redirect_is_shown_or_used(
    scripted: ScriptedRegistry, repository: Repository, other: ScriptedRegistry
) -> None:
    target = f"http://user:{WORD}@{other.host}/v2/team/app/manifests/v1"
    scripted.script("GET", "/manifests/", Reply(307, {"Location": target}))
    with pytest.raises(RegistryError) as caught:
        repository.manifest("v1")
    assert WORD not in refused(caught)
    assert all("Authorization" not in request.headers for request in other.requests)


@pytest.mark.parametrize("target", ["../../../../x", "..//..", "?digest=sha256:../..", "%2e%2e/"])
def test_an_upload_is_not_led_astray(
    target: str, scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("POST", "/uploads/", Reply(202, {"Location": target}), times=99)
    with pytest.raises(RegistryError) as caught:
        repository.put(known(), unheard)
    refused(caught)
    assert not scripted.blobs


# Tags


@pytest.mark.parametrize(
    "data",
    [
        *(b'{"tags": "v1"}', b'{"tags": [1]}', b'{"tags": {"a": 1}}', b'{"tags": true}', b"[]"),
        *(b'{"tags": ["../../x"]}', b'{"tags": ["\\u001b[31m"]}', b'{"tags": ["' + b"a" * 200),
        *(b"[" * 100_000, b"\xff", b'{"tags": [""]}'),
    ],
)
def test_a_list_of_tags_that_is_none_is_refused(
    data: bytes, scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("GET", "/tags/list", Reply(200, {}, data))
    with pytest.raises(RegistryError, match="no list of tags") as caught:
        list(repository.tags())
    refused(caught)


def test_lists_of_tags_that_go_in_circles_have_an_end(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    pages = itertools.cycle(["</v2/team/app/tags/list?a>", "</v2/team/app/tags/list?b>"])

    def page(request: Request) -> Reply:
        return Reply(200, {"Link": f'{next(pages)}; rel="next"'}, b'{"tags": ["v1"]}')

    scripted.script("GET", "/tags/list", page, times=99)
    with pytest.raises(RegistryError, match="without an end"):
        list(repository.tags())
    assert len(scripted.asked("GET")) < 5


def test_lists_of_tags_without_end_have_one(
    scripted: ScriptedRegistry, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sematic.oci.registry.client.MOST_PAGES", 50)
    count = itertools.count()

    def page(request: Request) -> Reply:
        return Reply(200, {"Link": f"<list?{next(count)}>; rel=next"}, b'{"tags": []}')

    scripted.script("GET", "/tags/", page, times=999)
    with pytest.raises(RegistryError, match="without an end"):
        list(repository.tags())
    assert len(scripted.asked("GET")) == 50


# Challenges and tokens


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch, scripted: ScriptedRegistry) -> None:
    """Credentials for the scripted registry, who takes them."""
    monkeypatch.setenv("SEMATIC_REGISTRY_USERNAME", "{me}")
    monkeypatch.setenv("SEMATIC_REGISTRY_PASSWORD", PASSWORD)
    scripted.users = {"{me}": PASSWORD}


@pytest.mark.parametrize(
    "challenge",
    [
        *("", "Bearer", "Bearer realm", 'Bearer realm="', "Negotiate", "=,=,=", "\x1b[31m"),
        *(", " * 15_000, 'a="\\' * 8_000, "Bearer x=y, " * 2_000, "Unknown-Scheme " * 4_000),
    ],
)
def test_a_challenge_that_is_none_is_refused_at_once(
    challenge: str, scripted: ScriptedRegistry, repository: Repository, user: None
) -> None:
    scripted.script("HEAD", "", Reply(401, {"WWW-Authenticate": challenge}), times=9)
    with pytest.raises(
        RegistryError, match=r"no way|pointed to|gave no token|refused the cred"
    ) as caught:
        repository.head("v1")
    refused(caught)


@pytest.mark.parametrize("has_credentials", [True, False])
@pytest.mark.parametrize("realm", ["http://realm.invalid/token", "file:///etc/passwd", "ftp://x/"])
def test_a_realm_without_encryption_is_not_asked(
    realm: str, has_credentials: bool, scripted: ScriptedRegistry, request: pytest.FixtureRequest
) -> None:
    if has_credentials:
        request.getfixturevalue("user")
    repository: Repository = request.getfixturevalue("repository")
    offer = {"WWW-Authenticate": f'Bearer realm="{realm}"'}
    scripted.script("HEAD", "", Reply(401, offer), times=9)
    with pytest.raises(RegistryError, match="because it is not https") as caught:
        repository.head("v1")
    refused(caught)


@pytest.mark.parametrize(
    "data",
    [
        *(b"[" * 100_000, b"\xff", b"", b"[]", b'{"token": ["a"]}', b'{"token": {"a": 1}}'),
        *(b'{"token": "a\\r\\nX-Injected: 1"}', b'{"token": " a"}', '{"token": "é"}'.encode()),
        *(b'{"token": "' + b"a" * 100_000 + b'"}', b'{"token": "a", "token": "b"}'),
        *(b'{"token": "a", "expires_in": NaN}', b'{"token": "a", "expires_in": [1]}'),
        b'{"token": "a", "expires_in": 1' + b"0" * 400 + b"}",
    ],
)
def test_a_token_that_is_none_is_not_sent(
    data: bytes, scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.auth = "bearer"
    scripted.script("GET", "/token", Reply(200, {}, data))
    with pytest.raises(RegistryError, match="gave no token") as caught:
        repository.head("v1")
    refused(caught)
    assert all("Authorization" not in request.headers for request in scripted.requests)


def test_a_token_without_end_is_not_read(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.auth = "bearer"
    scripted.script("GET", "/token", Reply(0, raw=forever(b"", b" " * 65536)))
    with pytest.raises(RegistryError, match="more than 4 MiB"):
        repository.head("v1")


@pytest.mark.parametrize("seconds", ["-1", "0", '"nan"', '"-inf"', '"inf"', "null"])
def test_a_token_of_no_time_holds_for_a_minute(
    seconds: str, scripted: ScriptedRegistry, repository: Repository, time: Time
) -> None:
    scripted.auth = "bearer"
    scripted.tokens["t"] = ""
    answer = b'{"token": "t", "expires_in": %s}' % seconds.encode()
    scripted.script("GET", "/token", Reply(200, {}, answer), times=9)
    for _ in range(3):
        assert repository.head("v1") is None
    assert len(scripted.asked("GET", "/token")) == 1
    time.now += 60
    assert repository.head("v1") is None
    assert len(scripted.asked("GET", "/token")) == 2


# Waiting


@pytest.mark.parametrize(
    "seconds",
    [
        *("-1", "9" * 400, "9" * 5000, "nan", "inf", "1e9", "\u00b2", "", "x" * 9000),
        *("Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 99 Foo 99999 99:99:99 +9999", "1 Jan 1 0:0 +2359"),
    ],
)
def test_no_registry_makes_one_wait_without_end(
    seconds: str, scripted: ScriptedRegistry, repository: Repository, time: Time
) -> None:
    repository.head("v1")
    scripted.script("HEAD", "", Reply(429, {"Retry-After": seconds}), times=999)
    with pytest.raises(RegistryError):
        repository.head("v1")
    assert sum(time.slept) <= time.patience().total + time.patience().longest
    assert all(0 <= slept <= time.patience().longest for slept in time.slept)


# What is shown


@pytest.mark.parametrize(
    "data",
    [
        *(b"\x1b[2J\x1b]0;owned\x07" * 10, b"a\nb\r\nc" * 1000, "\u202e\x9b31m".encode() * 99),
        *(b"x" * (3 << 20), b"[" * 60_000, b"\xff" * 1000),
        json.dumps({"errors": [{"code": "\x1b" * 999, "message": "\n\x1b[31m" * 99}] * 999}),
        json.dumps({"errors": [{"code": {"a": ["b"] * 999}, "message": ["\x1b"] * 999}]}),
        json.dumps({"message": {"message": {"message": "\x1b[31m" * 999}}}),
    ],
)
def test_what_a_registry_says_cannot_speak_to_the_terminal(
    data: str | bytes, scripted: ScriptedRegistry, repository: Repository
) -> None:
    said = data if isinstance(data, bytes) else data.encode()
    scripted.script("GET", "/manifests/", Reply(400, {"Content-Type": "a\x1b[31m"}, said))
    with pytest.raises(RegistryError, match=" 400") as caught:
        repository.manifest("v1")
    assert len(refused(caught)) < 600


@pytest.mark.parametrize("auth", ["basic", "bearer"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_secrets_that_a_registry_repeats_are_not_shown(
    status: int, auth: str, scripted: ScriptedRegistry, repository: Repository, user: None
) -> None:
    basic = base64.b64encode(f"{{me}}:{PASSWORD}".encode()).decode()

    def repeat(request: Request) -> Reply:
        shown = request.headers.get("Authorization", "")
        if not shown:
            return scripted.answer(request)
        message = f"{shown}: {PASSWORD}, {PASSWORD!r} and {basic} are refused"
        return error(status, shown, message, **{"Content-Type": shown})

    scripted.auth = auth
    scripted.script("GET", "/manifests/", repeat, times=9)
    with pytest.raises(RegistryError) as caught:
        repository.manifest("v1")
    said = refused(caught)
    secrets = {PASSWORD, basic, basic.upper(), *scripted.tokens, *map(str.upper, scripted.tokens)}
    assert not [secret for secret in secrets if secret in said]
    assert isinstance(caught.value, Denied) == (status in (401, 403))


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_secrets_that_a_token_server_repeats_are_not_shown(
    status: int, scripted: ScriptedRegistry, repository: Repository, user: None
) -> None:
    def repeat(request: Request) -> Reply:
        return Reply(status, {}, request.headers["Authorization"].encode())

    scripted.auth = "bearer"
    scripted.script("GET", "/token", repeat, times=99)
    with pytest.raises(RegistryError) as caught:
        repository.manifest("v1")
    assert base64.b64encode(f"{{me}}:{PASSWORD}".encode()).decode() not in refused(caught)
