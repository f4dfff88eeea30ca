from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from sematic.oci.errors import Denied, DigestError, FileChanged, LayerChanged, RegistryError
from sematic.oci.layer import Bytes
from sematic.oci.registry import Repository
from sematic.oci.registry.failures import NoAnswer
from sematic.oci.values import replace
from tests.oci.registry.blobs import DATA, Streamed, known, unheard
from tests.oci.registry.conftest import Opener, Time
from tests.oci.registry.scripted import DROP, Reply, Request, ScriptedRegistry, error

UPLOADS = "/v2/team/app/blobs/uploads/"
DIGEST = known().descriptor.digest

Maker = Callable[[], Bytes | Streamed]
BOTH = pytest.mark.parametrize("make", [known, Streamed])


def methods(registry: ScriptedRegistry) -> list[str]:
    return [request.method for request in registry.asked()]


def test_a_known_blob_goes_in_one_request(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    receipt = repository.put(known(), unheard)
    assert (receipt.fate, receipt.sent) == ("new", len(DATA))
    assert scripted.blobs["team/app", DIGEST] == DATA
    assert methods(scripted) == ["HEAD", "POST", "PUT"]
    put = scripted.asked("PUT")[0]
    assert put.headers["Content-Length"] == str(len(DATA))
    assert put.headers["Content-Type"] == "application/octet-stream"
    assert put.query == {"_state": ["secret"], "digest": [DIGEST]}


def test_a_blob_whose_digest_is_not_known_is_streamed(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    receipt = repository.put(Streamed(), unheard)
    assert (receipt.fate, receipt.sent, receipt.descriptor.digest) == ("new", len(DATA), DIGEST)
    assert scripted.blobs["team/app", DIGEST] == DATA
    assert methods(scripted) == ["POST", "PATCH", "PUT"]
    patch = scripted.asked("PATCH")[0]
    assert patch.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Range" not in patch.headers


@pytest.mark.parametrize("data", [b"", b"x", bytes(700_001)])
def test_blobs_have_any_size(
    data: bytes, scripted: ScriptedRegistry, repository: Repository
) -> None:
    for blob in (known(data), Streamed(data)):
        scripted.blobs.clear()
        receipt = repository.put(blob, unheard)
        assert scripted.blobs["team/app", receipt.descriptor.digest] == data


@BOTH
def test_progress_adds_up_to_the_size(make: Maker, repository: Repository) -> None:
    seen: list[int] = []
    repository.put(make(), seen.append)
    assert sum(seen) == len(DATA) and len(seen) > 2


@BOTH
@pytest.mark.parametrize("location", ["relative", "/absolute?x=1&y=a%2Fb", "//{host}/z", "?only=1"])
def test_a_location_may_be_relative(
    make: Maker, location: str, scripted: ScriptedRegistry, repository: Repository
) -> None:
    opened = {"Location": location.format(host=scripted.host)}
    scripted.script("POST", UPLOADS, Reply(202, opened))
    for method in ("PATCH", "PUT"):
        scripted.script(method, "/", Reply(201, opened))
    repository.put(make(), unheard)
    expected = {
        "relative": f"{UPLOADS}relative?digest=",
        "/absolute?x=1&y=a%2Fb": "/absolute?x=1&y=a%2Fb&digest=",
        "//{host}/z": "/z?digest=",
        "?only=1": f"{UPLOADS}?only=1&digest=",
    }[location]
    assert scripted.asked("PUT")[0].url.startswith(expected)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_patch_may_be_answered_in_several_ways(
    status: int, scripted: ScriptedRegistry, repository: Repository
) -> None:
    blob = Streamed()

    def pass_on(request: Request) -> Reply:
        session = request.path.rpartition("/")[2]
        scripted.uploads[session] = DATA
        return Reply(status)  # without a Location

    scripted.script("PATCH", UPLOADS, pass_on)
    assert repository.put(blob, unheard).fate == "new"
    assert scripted.blobs["team/app", DIGEST] == DATA


@BOTH
@pytest.mark.parametrize("failure", [DROP, Reply(500), Reply(503, unread=True), Reply(408)])
def test_a_failed_upload_begins_anew_in_a_session_of_its_own(
    make: Maker, failure: Reply, scripted: ScriptedRegistry, repository: Repository
) -> None:
    seen: list[int] = []
    scripted.script("PATCH" if make is Streamed else "PUT", UPLOADS, failure)
    receipt = repository.put(make(), seen.append)
    assert receipt.fate == "new" and receipt.sent >= len(DATA)
    assert scripted.blobs["team/app", DIGEST] == DATA
    sessions = [request.path for request in scripted.asked() if request.method in ("PUT", "PATCH")]
    assert len({*sessions}) == 2
    assert sum(seen) == len(DATA)
    assert not scripted.uploads, "the first session was cancelled"


def test_a_success_that_comes_before_the_bytes_is_none(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    blob = known(bytes(32 << 20))
    scripted.script("PUT", UPLOADS, Reply(201, unread=True))
    assert repository.put(blob, unheard).fate == "new"
    assert len(scripted.blobs["team/app", blob.descriptor.digest]) == 32 << 20


def test_an_upload_ends_after_some_tries(
    scripted: ScriptedRegistry, repository: Repository, time: Time
) -> None:
    failure = error(500, "UNKNOWN", "write /var: no space left on device")
    scripted.script("PUT", UPLOADS, failure, times=99)
    with pytest.raises(
        RegistryError, match=r"500 UNKNOWN: .*no space left.*\nFree space"
    ) as caught:
        repository.put(known(), unheard)
    assert caught.value.status == 500 and caught.value.codes == ("UNKNOWN",)
    assert len(scripted.asked("PUT")) == 5
    assert not scripted.uploads


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("write /var: no space left on device", "write /var: no space left on device"),
        ({"Op": "write", "Path": "/var", "Err": 28}, "no space left on device"),
        ({"DriverName": "filesystem", "Enclosed": {"Err": 122}}, "disk quota exceeded"),
    ],
)
def test_a_full_disk_is_told_whatever_way_the_registry_says_it(
    detail: object, said: str, scripted: ScriptedRegistry, repository: Repository
) -> None:
    document = {"errors": [{"code": "UNKNOWN", "message": "unknown error", "detail": detail}]}
    scripted.script("PUT", UPLOADS, Reply(500, {}, json.dumps(document).encode()), times=99)
    with pytest.raises(RegistryError) as caught:
        repository.put(known(), unheard)
    refused, advice = str(caught.value).splitlines()
    assert refused.endswith(f"(team/app): 500 UNKNOWN: unknown error ({said})")
    assert advice == "Free space in the registry, or raise its quota."


@pytest.mark.parametrize("detail", [None, 28, [28], {"Err": [28]}, {"Err": 2}, {"Enclosed": 28}])
def test_any_other_detail_is_no_full_disk(
    detail: object, scripted: ScriptedRegistry, repository: Repository
) -> None:
    document = {"errors": [{"code": "UNKNOWN", "message": "unknown error", "detail": detail}]}
    scripted.script("PUT", UPLOADS, Reply(500, {}, json.dumps(document).encode()), times=99)
    with pytest.raises(RegistryError, match=r"unknown error\nThe registry's own log says more"):
        repository.put(known(), unheard)


@BOTH
@pytest.mark.parametrize("answer", [DROP, Reply(504), error(404, "BLOB_UPLOAD_UNKNOWN")])
def test_a_commit_whose_answer_is_lost_has_happened(
    make: Maker, answer: Reply, scripted: ScriptedRegistry, repository: Repository
) -> None:
    def commit(request: Request) -> Reply:
        scripted.answer(request)
        return answer

    scripted.script("PUT", UPLOADS, commit)
    receipt = repository.put(make(), unheard)
    assert (receipt.fate, receipt.sent) == ("new", len(DATA))
    assert len(scripted.asked("POST")) == 1
    assert not scripted.asked("DELETE")


def test_a_commit_that_is_asked_to_wait_is_repeated(
    scripted: ScriptedRegistry, repository: Repository, time: Time
) -> None:
    scripted.script("PUT", UPLOADS, Reply(429, {"Retry-After": "3"}))
    receipt = repository.put(Streamed(), unheard)
    assert receipt.sent == len(DATA)
    assert time.slept == [3]


def test_a_commit_that_is_out_of_step_begins_anew(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("PUT", UPLOADS, Reply(416))
    assert repository.put(Streamed(), unheard).fate == "new"
    assert scripted.blobs["team/app", DIGEST] == DATA


def test_a_blob_that_did_not_go_in_a_stream_goes_in_one_put(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("PATCH", UPLOADS, Reply(503, unread=True), times=99)
    assert repository.put(Streamed(bytes(32 << 20)), unheard).fate == "new"
    assert methods(scripted)[-2:] == ["POST", "PUT"]


def test_a_session_that_was_lost_is_opened_anew(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("PUT", UPLOADS, error(404, "BLOB_UPLOAD_UNKNOWN"))
    assert repository.put(known(), unheard).fate == "new"
    assert scripted.blobs["team/app", DIGEST] == DATA


@pytest.mark.parametrize("status", [400, 404, 405, 411, 415, 416, 501])
def test_where_one_put_is_refused_a_patch_is_tried_and_kept_to(
    status: int, scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("PUT", UPLOADS, Reply(status))
    assert repository.put(known(), unheard).fate == "new"
    assert scripted.blobs["team/app", DIGEST] == DATA
    assert scripted.asked("PATCH")[0].headers["Content-Length"] == str(len(DATA))
    repository.put(known(b"next"), unheard)
    assert [r.method for r in scripted.asked("", UPLOADS)[-3:]] == ["POST", "PATCH", "PUT"]


def test_where_a_streamed_patch_is_refused_the_digest_is_found_first(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("PATCH", UPLOADS, Reply(411, unread=True), times=99)
    assert repository.put(Streamed(), unheard).fate == "new"
    assert repository.put(Streamed(b"next"), unheard).fate == "new"
    assert len(scripted.asked("PATCH")) == 1
    assert scripted.blobs["team/app", DIGEST] == DATA


def test_where_both_are_refused_it_is_an_error(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    for method in ("PUT", "PATCH"):
        scripted.script(method, UPLOADS, Reply(405), times=99)
    with pytest.raises(RegistryError, match="405"):
        repository.put(known(), unheard)
    assert len(scripted.asked("POST")) == 2


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (error(403, "DENIED", "no"), "sematic-oci login"),
        (Reply(413, {"Content-Type": "text/html"}, b"<html>"), "limits the size"),
        (error(400, "SIZE_INVALID"), "SIZE_INVALID"),
        (error(400, "NAME_INVALID"), "repository name"),
    ],
)
def test_a_refusal_is_not_tried_again(
    refusal: Reply, message: str, scripted: ScriptedRegistry, repository: Repository, time: Time
) -> None:
    scripted.script("PUT", UPLOADS, refusal)
    with pytest.raises(RegistryError, match=message):
        repository.put(known(), unheard)
    assert len(scripted.asked("POST")) == 1
    assert not scripted.uploads and not time.slept


def test_a_repository_that_must_be_created_is_said(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("POST", UPLOADS, error(404, "NAME_UNKNOWN", "no such repository"))
    with pytest.raises(RegistryError, match="create team/app"):
        repository.put(known(), unheard)


@BOTH
def test_bytes_that_went_bad_on_the_way_are_sent_once_more(
    make: Maker, scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("PUT", UPLOADS, error(400, "DIGEST_INVALID"))
    assert repository.put(make(), unheard).fate == "new"
    scripted.blobs.clear()
    scripted.script("PUT", UPLOADS, error(400, "DIGEST_INVALID"), times=99)
    with pytest.raises(RegistryError, match="DIGEST_INVALID"):
        repository.put(make(), unheard)


def test_a_blob_that_is_stored_as_another_is_an_error(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    wrong = "sha256:" + "0" * 64
    scripted.script("PUT", UPLOADS, Reply(201, {"Docker-Content-Digest": wrong}))
    with pytest.raises(DigestError, match=wrong):
        repository.put(known(), unheard)


@BOTH
@pytest.mark.parametrize(
    "failure",
    [
        *(FileChanged("it changed"), DigestError("it is another"), KeyboardInterrupt()),
        *(OSError(5, "unreadable"), BrokenPipeError(), NoAnswer("the base's registry", "is gone")),
    ],
)
def test_what_a_blob_raises_goes_on_and_leaves_nothing(
    make: Maker, failure: BaseException, scripted: ScriptedRegistry, repository: Repository
) -> None:
    blob = Streamed(failure=failure)
    if make is known:
        blob.descriptor = known().descriptor
    with pytest.raises(type(failure)) as caught:
        repository.put(blob, unheard)
    assert caught.value is failure
    assert blob.opened == 1
    assert not scripted.uploads and not scripted.blobs


def test_what_progress_raises_goes_on_and_leaves_nothing(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    class Stopped(Exception):
        pass

    def stop(count: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        repository.put(known(), stop)
    assert not scripted.uploads and not scripted.blobs


def test_a_session_that_cannot_be_cancelled_does_not_matter(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("DELETE", UPLOADS, Reply(500), times=9)
    with pytest.raises(FileChanged):
        repository.put(Streamed(failure=FileChanged("it changed")), unheard)
    assert len(scripted.asked("DELETE")) == 1


@pytest.mark.parametrize(
    ("announced", "message"), [(len(DATA) - 1, "more than"), (len(DATA) + 1, "of the")]
)
def test_a_blob_of_another_size_is_never_committed(
    announced: int, message: str, scripted: ScriptedRegistry, repository: Repository
) -> None:
    blob = known()
    wrong = Bytes("wrong", replace(blob.descriptor, size=announced), DATA)
    with pytest.raises(DigestError, match=f"wrong has .*{message}"):
        repository.put(wrong, unheard)
    assert not scripted.uploads and not scripted.blobs


def test_a_blob_that_outgrows_its_size_may_say_why(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    class Grown(Streamed):
        def open(self):  # type: ignore[no-untyped-def]
            yield DATA[:-1]
            yield b"more"
            raise LayerChanged("it is another")

    blob = Grown()
    blob.descriptor = known().descriptor
    with pytest.raises(LayerChanged):
        repository.put(blob, unheard)
    assert not scripted.uploads and not scripted.blobs


def test_a_mount_is_no_upload(scripted: ScriptedRegistry, opened: Opener) -> None:
    opened("team/base").put(known(), unheard)
    receipt = opened().put(known(origin=opened("team/base")), unheard)
    assert (receipt.fate, receipt.sent) == ("mounted", 0)
    assert scripted.asked("POST")[-1].query == {"mount": [DIGEST], "from": ["team/base"]}
    assert methods(scripted)[-2:] == ["HEAD", "POST"]


def test_a_mount_of_another_blob_is_followed_by_an_upload(
    scripted: ScriptedRegistry, opened: Opener
) -> None:
    wrong = {"Docker-Content-Digest": "sha256:" + "0" * 64}
    scripted.script("POST", "mount=", Reply(201, wrong))
    receipt = opened().put(known(origin=opened("team/base")), unheard)
    assert receipt.fate == "new"


def test_a_mount_may_become_an_upload_session(scripted: ScriptedRegistry, opened: Opener) -> None:
    receipt = opened().put(known(origin=opened("team/base")), unheard)
    assert receipt.fate == "new"
    assert methods(scripted) == ["HEAD", "POST", "PUT"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500])
def test_a_refused_mount_is_followed_by_an_upload(
    status: int, scripted: ScriptedRegistry, opened: Opener
) -> None:
    scripted.script("POST", "mount=", Reply(status), times=9)
    receipt = opened().put(known(origin=opened("team/base")), unheard)
    assert receipt.fate == "new"
    assert scripted.asked("POST")[-1].url == UPLOADS


def test_nothing_is_mounted_from_another_host_or_the_same_repository(
    scripted: ScriptedRegistry, opened: Opener
) -> None:
    from sematic.oci.reference import RegistryReference
    from sematic.oci.registry import open_repository

    elsewhere = open_repository(RegistryReference("registry.example.com", "team/base"))
    opened().put(known(origin=elsewhere), unheard)
    opened().put(known(b"other", opened()), unheard)
    assert not scripted.asked("POST", "mount=")


def test_a_blob_can_come_from_another_repository(
    scripted: ScriptedRegistry, opened: Opener, other: ScriptedRegistry
) -> None:
    class Copied:
        name = "copied"
        origin = opened("team/base")
        descriptor = known().descriptor

        def open(self):  # type: ignore[no-untyped-def]
            return self.origin.blob(self.descriptor)

    scripted.blobs["team/base", DIGEST] = DATA
    scripted.script("POST", "mount=", Reply(404))
    assert opened().put(Copied(), unheard).fate == "new"
    assert scripted.blobs["team/app", DIGEST] == DATA


def test_denied_without_credentials_says_so(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("POST", UPLOADS, error(403, "DENIED"))
    with pytest.raises(Denied, match="sematic-oci login"):
        repository.put(known(), unheard)
