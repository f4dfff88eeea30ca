from __future__ import annotations

import base64
import logging
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import formatdate
from threading import Event as Signal
from time import time as wall_clock

import pytest

from sematic.oci.errors import RegistryError
from sematic.oci.events import Event, Waiting
from sematic.oci.registry.backoff import Patience
from sematic.oci.registry.body import Body
from sematic.oci.registry.failures import NoAnswer
from sematic.oci.registry.routes import Routes
from sematic.oci.registry.transport import CANCEL, READ, SEND, Manner, Transport
from tests.oci.registry.blobs import unheard
from tests.oci.registry.conftest import Time
from tests.oci.registry.scripted import DROP, Reply, Request, ScriptedRegistry


@pytest.fixture
def transport(time: Time, events: list[Event]) -> Iterator[Transport]:
    transport = Transport(patience=time.patience(), listener=events.append)
    yield transport
    transport.close()


@pytest.fixture
def url(scripted: ScriptedRegistry) -> str:
    return f"http://{scripted.host}/v2/thing"


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """A host that gives each connection one answer, and closes it."""

    def serve() -> None:
        for answer in answers:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve)
        yield f"127.0.0.1:{server.getsockname()[1]}"
        served.result(10)


def test_a_host_that_speaks_no_tls_is_named(
    transport: Transport, scripted: ScriptedRegistry, time: Time
) -> None:
    with pytest.raises(NoAnswer, match=r"does not speak TLS.*\n.*SEMATIC_INSECURE_REGISTRIES"):
        transport.request("GET", f"https://{scripted.host}/v2/")
    assert not time.slept


def test_a_host_that_does_not_answer_is_named(
    transport: Transport, scripted: ScriptedRegistry, url: str
) -> None:
    done = Signal()

    def never(request: Request) -> Reply:
        done.wait(10)
        return DROP

    scripted.script("GET", "/thing", never)
    with pytest.raises(NoAnswer, match=f"{scripted.host} did not answer within"):
        transport.request("GET", url, manner=Manner(read=0.02, replay=False))
    done.set()


@pytest.mark.parametrize("location", ["http://[x", "http://a:99999/", "http://a:b/"])
def test_a_location_that_is_no_address_is_named(
    location: str, transport: Transport, scripted: ScriptedRegistry, url: str
) -> None:
    scripted.script("GET", "/thing", Reply(307, {"Location": location}))
    with pytest.raises(RegistryError, match=f"{scripted.host} pointed to"):
        transport.request("GET", url)


def test_one_connection_serves_many_requests(
    transport: Transport, scripted: ScriptedRegistry, url: str
) -> None:
    scripted.script("GET", "/thing", Reply(200, {}, b"x" * 100_000), times=5)
    for _ in range(5):
        transport.request("GET", url)
    assert len({request.client for request in scripted.requests}) == 1


@pytest.mark.parametrize("status", [408, 429, 499, 500, 502, 503, 504, 522])
def test_what_may_pass_is_tried_again(
    status: int, transport: Transport, scripted: ScriptedRegistry, url: str, time: Time
) -> None:
    scripted.script("GET", "/thing", Reply(status), times=2)
    scripted.script("GET", "/thing", Reply(200))
    assert transport.request("GET", url).status == 200
    assert len(time.slept) == 2
    assert time.slept[0] <= 0.5 and time.slept[1] <= 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 416, 501])
def test_what_will_not_pass_is_not_tried_again(
    status: int, transport: Transport, scripted: ScriptedRegistry, url: str, time: Time
) -> None:
    scripted.script("GET", "/thing", Reply(status))
    assert transport.request("GET", url).status == status
    assert len(scripted.asked()) == 1 and not time.slept


def test_the_last_answer_is_given_after_some_tries(
    transport: Transport, scripted: ScriptedRegistry, url: str
) -> None:
    scripted.script("GET", "/thing", Reply(503, {}, b"why"), times=99)
    answer = transport.request("GET", url)
    assert (answer.status, answer.data) == (503, b"why")
    assert len(scripted.asked()) == 6


def test_trying_again_ends_after_some_time(
    transport: Transport, scripted: ScriptedRegistry, url: str, time: Time
) -> None:
    scripted.script("GET", "/thing", Reply(503, {"Retry-After": "100"}), times=99)
    assert transport.request("GET", url).status == 503
    assert sum(time.slept) <= 180


def test_a_broken_connection_is_tried_again(
    transport: Transport, scripted: ScriptedRegistry, url: str
) -> None:
    scripted.script("GET", "/thing", DROP, times=2)
    scripted.script("GET", "/thing", Reply(200))
    assert transport.request("GET", url).status == 200


def test_an_answer_that_breaks_off_is_asked_for_again(
    transport: Transport, scripted: ScriptedRegistry, url: str
) -> None:
    scripted.script("GET", "/thing", Reply(200, {}, b"x" * 100, breaks_at=50))
    scripted.script("GET", "/thing", Reply(200, {}, b"x" * 100))
    assert transport.request("GET", url).data == b"x" * 100


HEAD = b"HTTP/1.1 202 Accepted\r\nLocation: /v2/there\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("end", [1, 13, 23, 36, 45, len(HEAD) - 2])
def test_an_answer_that_breaks_off_within_its_head_is_none(end: int, transport: Transport) -> None:
    with answering(HEAD[:end], HEAD) as host:
        answer = transport.request("POST", f"http://{host}/")
    assert answer.headers["location"] == "/v2/there"


def test_what_a_host_asks_to_wait_is_waited_and_told(
    transport: Transport, scripted: ScriptedRegistry, url: str, time: Time, events: list[Event]
) -> None:
    scripted.script("GET", "/thing", Reply(429, {"Retry-After": "7"}))
    scripted.script("GET", "/thing", Reply(200))
    assert transport.request("GET", url).status == 200
    assert time.slept == [7]
    assert events == [Waiting(f"{scripted.host} asks to wait 7 s")]


def test_waiting_has_a_limit(
    transport: Transport, scripted: ScriptedRegistry, url: str, time: Time
) -> None:
    scripted.script("GET", "/thing", Reply(429, {"Retry-After": "86400"}))
    scripted.script("GET", "/thing", Reply(200))
    transport.request("GET", url)
    assert time.slept == [60]


def test_a_host_may_ask_to_wait_until_a_date(
    transport: Transport, scripted: ScriptedRegistry, url: str, time: Time
) -> None:
    date = formatdate(wall_clock() + 30, usegmt=True)
    scripted.script("GET", "/thing", Reply(503, {"Retry-After": date}))
    scripted.script("GET", "/thing", Reply(200))
    transport.request("GET", url)
    assert 20 < sum(time.slept) <= 30


def test_a_date_that_is_none_is_not_minded(
    transport: Transport, scripted: ScriptedRegistry, url: str
) -> None:
    scripted.script("GET", "/thing", Reply(503, {"Retry-After": "soon"}))
    scripted.script("GET", "/thing", Reply(200))
    assert transport.request("GET", url).status == 200


def test_what_one_thread_is_asked_to_wait_all_wait(
    transport: Transport, scripted: ScriptedRegistry, url: str, time: Time, events: list[Event]
) -> None:
    scripted.script("PUT", "/thing", Reply(429, {"Retry-After": "7"}))
    transport.request("PUT", url, manner=SEND)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(transport.request, "GET", f"http://{scripted.host}/v2/other").result()
    assert time.slept == [7]
    assert len(events) == 1


def test_a_host_that_waits_does_not_keep_others_waiting(
    transport: Transport, scripted: ScriptedRegistry, other: ScriptedRegistry, url: str, time: Time
) -> None:
    scripted.script("PUT", "/thing", Reply(429, {"Retry-After": "7"}))
    transport.request("PUT", url, manner=SEND)
    transport.request("GET", f"http://{other.host}/v2/")
    assert not time.slept


def test_giving_up_does_not_wait(
    transport: Transport, scripted: ScriptedRegistry, url: str, time: Time
) -> None:
    scripted.script("PUT", "/thing", Reply(429, {"Retry-After": "50"}))
    scripted.script("DELETE", "/thing", Reply(503))
    transport.request("PUT", url, manner=SEND)
    assert transport.request("DELETE", url, manner=CANCEL).status == 503
    assert not time.slept


def test_a_host_that_never_answered_is_soon_given_up(transport: Transport, time: Time) -> None:
    with silent_port() as port, pytest.raises(NoAnswer, match=rf"127.0.0.1:{port} was not reached"):
        transport.request("GET", f"http://127.0.0.1:{port}/")
    assert sum(time.slept) <= 1.5


def test_a_name_without_an_address_is_not_tried_again(transport: Transport, time: Time) -> None:
    with pytest.raises(NoAnswer, match=r"registry\.invalid"):
        transport.request("GET", "https://registry.invalid/v2/")


def test_plain_http_is_refused(transport: Transport) -> None:
    with pytest.raises(RegistryError, match="SEMATIC_INSECURE_REGISTRIES"):
        transport.request("GET", "http://registry.example.com/v2/")


def test_a_redirect_to_plain_http_is_refused(
    transport: Transport, scripted: ScriptedRegistry, url: str
) -> None:
    target = "http://registry.example.com/?X-Signature=hidden"
    scripted.script("GET", "/thing", Reply(307, {"Location": target}))
    with pytest.raises(RegistryError, match=r"registry\.example\.com") as caught:
        transport.request("GET", url)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_without_credentials(
    status: int,
    transport: Transport,
    scripted: ScriptedRegistry,
    other: ScriptedRegistry,
    url: str,
) -> None:
    scripted.script("GET", "/thing", Reply(status, {"Location": f"http://{other.host}/x"}))
    other.script("GET", "/x", Reply(200, {}, b"there"))
    headers = {"Authorization": "Bearer secret", "Range": "bytes=5-"}
    answer = transport.request("GET", url, headers)
    assert answer.data == b"there" and answer.url == f"http://{other.host}/x"
    (request,) = other.asked()
    assert "Authorization" not in request.headers and request.headers["Range"] == "bytes=5-"


def test_a_redirect_within_a_host_keeps_credentials(
    transport: Transport, scripted: ScriptedRegistry, url: str
) -> None:
    scripted.script("GET", "/thing", Reply(307, {"Location": "/v2/moved"}))
    transport.request("GET", url, {"Authorization": "Bearer secret"})
    assert scripted.asked("GET", "/moved")[0].headers["Authorization"] == "Bearer secret"


def test_redirects_in_circles_end(
    transport: Transport, scripted: ScriptedRegistry, url: str
) -> None:
    scripted.script("GET", "/thing", Reply(307, {"Location": url}), times=99)
    with pytest.raises(RegistryError, match="circles"):
        transport.request("GET", url)


def test_only_reading_follows_redirects(
    transport: Transport, scripted: ScriptedRegistry, url: str
) -> None:
    scripted.script("POST", "/thing", Reply(307, {"Location": "/v2/moved"}))
    assert transport.request("POST", url).status == 307


def test_a_body_goes_once(transport: Transport, scripted: ScriptedRegistry, url: str) -> None:
    scripted.script("PUT", "/thing", Reply(503))
    body = Body("x", iter([b"x"]), 1, unheard)
    assert transport.request("PUT", url, body=body, manner=SEND).status == 503
    assert len(scripted.asked()) == 1


def test_a_failure_of_the_body_is_no_failure_of_the_host(
    transport: Transport, scripted: ScriptedRegistry, url: str
) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x"
        raise BrokenPipeError("of a file")

    for size in (None, 2):
        with pytest.raises(BrokenPipeError, match="of a file"):
            body = Body("x", chunks(), size, unheard)
            transport.request("PUT", url, body=body, manner=SEND)


def test_an_answer_can_be_read_as_a_stream(
    transport: Transport, scripted: ScriptedRegistry, url: str
) -> None:
    scripted.script("GET", "/thing", Reply(200, {}, b"x" * 1_000_000))
    answer = transport.request("GET", url, manner=READ)
    assert answer.chunks is not None
    sizes = [len(chunk) for chunk in answer.chunks]
    assert sum(sizes) == 1_000_000 and len(sizes) > 1


def test_an_answer_without_end_is_not_taken(
    transport: Transport, scripted: ScriptedRegistry, url: str
) -> None:
    scripted.script("GET", "/thing", Reply(200, {}, bytes(5 << 20)))
    with pytest.raises(RegistryError, match="more than 4 MiB"):
        transport.request("GET", url)


def test_loopback_is_spoken_to_in_plain_http(
    transport: Transport, scripted: ScriptedRegistry
) -> None:
    assert transport.base(scripted.host) == f"http://{scripted.host}"


def test_any_other_host_is_not_even_asked(transport: Transport) -> None:
    assert transport.base("registry.invalid") == "https://registry.invalid"


def test_a_named_host_is_spoken_to_in_plain_http_through_a_proxy(
    scripted: ScriptedRegistry, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://me:s%40cret@{scripted.host}")
    transport = Transport(Routes(["registry.example.com"]), patience=time.patience())
    scripted.script("GET", "http://registry.example.com/v2/", Reply(200))
    assert transport.base("registry.example.com") == "http://registry.example.com"
    assert (
        scripted.requests[0].headers["Proxy-Authorization"]
        == "Basic " + base64.b64encode(b"me:s@cret").decode()
    )


def test_https_goes_through_a_tunnel(
    transport: Transport, scripted: ScriptedRegistry, monkeypatch: pytest.MonkeyPatch, time: Time
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{scripted.host}")
    with pytest.raises(NoAnswer, match="HTTPS_PROXY"):
        transport.request("GET", "https://registry.example.com/v2/")


def test_the_log_hides_secrets(
    transport: Transport, scripted: ScriptedRegistry, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.script("GET", "/thing", Reply(200))
    with caplog.at_level(logging.DEBUG, "sematic.oci.registry"):
        asked = f"{url}?digest=sha256:12&_state=hidden1&X-Amz-Signature=hidden2"
        transport.request("GET", asked, {"Authorization": "Bearer hidden3"})
    lines = [r.getMessage() for r in caplog.records if r.name == "sematic.oci.registry"]
    assert len(lines) == 1
    assert lines[0].startswith(f"GET {url}?digest=sha256:12&_state=...&X-Amz-Signature=...: 200 in")


def test_requests_say_who_asks(transport: Transport, scripted: ScriptedRegistry, url: str) -> None:
    transport.request("GET", url)
    assert scripted.asked()[0].headers["User-Agent"].startswith("sematic/")


def test_importing_costs_nothing_that_a_run_may_not_need() -> None:
    import subprocess

    code = (
        "import sys, sematic.oci.registry\n"
        "heavy = {'urllib3', 'ssl', 'http.client', 'logging', 'random'}\n"
        "print(*heavy & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_user_says_how_long_an_answer_is_waited_for(
    scripted: ScriptedRegistry, url: str
) -> None:
    done = Signal()

    def late(request: Request) -> Reply:
        done.wait(10)
        return Reply(200)

    scripted.script("PUT", "/thing", late)
    transport = Transport(patience=Patience(read=0.02))
    with pytest.raises(NoAnswer, match="did not answer within"):
        transport.request("PUT", url, manner=SEND)
    done.set()
    transport.close()
