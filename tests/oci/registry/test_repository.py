from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sematic.oci.delivery import deliver
from sematic.oci.errors import BlobsMissing, DigestError, ManifestError, NotFound, RegistryError
from sematic.oci.image import Image
from sematic.oci.index import Index
from sematic.oci.layer import Bytes
from sematic.oci.manifest import (
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Document,
    Platform,
    to_json,
)
from sematic.oci.memo import Forgetful
from sematic.oci.registry import Repository
from sematic.oci.values import replace
from tests.oci.images import AMD64, layer
from tests.oci.registry.blobs import DATA, Streamed, known, manifest, unheard
from tests.oci.registry.conftest import Opener, Time
from tests.oci.registry.scripted import DROP, Reply, Request, ScriptedRegistry, error, sha256

IMAGE = manifest(known().descriptor)
DIGEST = IMAGE.descriptor.digest


@pytest.fixture
def stored(scripted: ScriptedRegistry) -> ScriptedRegistry:
    for reference in ("v1", DIGEST):
        scripted.manifests["team/app", reference] = IMAGE.media_type, IMAGE.data
    return scripted


# Reading


def test_a_tag_stands_for_a_digest(stored: ScriptedRegistry, repository: Repository) -> None:
    assert repository.head("v1") == repository.head(DIGEST) == DIGEST
    assert repository.head("v2") is None
    accepted = stored.asked("HEAD")[0].headers["Accept"]
    assert OCI_MANIFEST in accepted and DOCKER_MANIFEST in accepted and OCI_INDEX in accepted


def test_a_registry_may_not_say_the_digest(
    stored: ScriptedRegistry, repository: Repository
) -> None:
    stored.script("HEAD", "/manifests/", Reply(200, {"Content-Type": OCI_MANIFEST}))
    assert repository.head("v1") == DIGEST


def test_a_manifest_keeps_its_bytes(scripted: ScriptedRegistry, repository: Repository) -> None:
    data = json.dumps(json.loads(IMAGE.data), indent=3).encode()
    scripted.manifests["team/app", "v1"] = IMAGE.media_type, data
    assert repository.manifest("v1") == Document(OCI_MANIFEST, data)


def test_a_missing_manifest_is_not_found(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    with pytest.raises(NotFound, match=rf"{scripted.host}.*v1 \(team/app\): 404 MANIFEST_UNKNOWN"):
        repository.manifest("v1")


@pytest.mark.parametrize("reference", ["v1", DIGEST])
def test_a_manifest_with_other_bytes_is_an_error(
    reference: str, stored: ScriptedRegistry, repository: Repository
) -> None:
    headers = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": DIGEST}
    stored.script("GET", "/manifests/", Reply(200, headers, IMAGE.data + b" "))
    with pytest.raises(DigestError, match=DIGEST):
        repository.manifest(reference)


def test_the_digest_that_was_asked_for_counts(
    stored: ScriptedRegistry, repository: Repository
) -> None:
    other = manifest().data
    headers = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": sha256(other)}
    stored.script("GET", "/manifests/", Reply(200, headers, other))
    with pytest.raises(DigestError):
        repository.manifest(DIGEST)


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/json; charset=utf-8"])
def test_a_manifest_may_say_itself_what_it_is(
    media_type: str, scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.manifests["team/app", "v1"] = media_type, IMAGE.data
    assert repository.manifest("v1") == IMAGE


def test_a_media_type_may_have_parameters(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.manifests["team/app", "v1"] = f"{OCI_MANIFEST}; charset=utf-8", IMAGE.data
    assert repository.manifest("v1") == IMAGE


def test_what_is_no_json_is_an_error(scripted: ScriptedRegistry, repository: Repository) -> None:
    scripted.manifests["team/app", "v1"] = "text/html", b"<html>"
    with pytest.raises(ManifestError):
        repository.manifest("v1")


def test_tags_come_page_by_page(scripted: ScriptedRegistry, repository: Repository) -> None:
    link = {"Link": '</v2/team/app/tags/list?last=b&n=2>; rel="next"'}
    scripted.script("GET", "/tags/list", Reply(200, link, b'{"tags": ["a", "b"]}'))
    scripted.script("GET", "last=b&n=2", Reply(200, {}, b'{"tags": ["c"]}'))
    assert list(repository.tags()) == ["a", "b", "c"]


# Holding


def test_a_tag_that_stands_for_the_manifest_proves_that_it_is_there(
    stored: ScriptedRegistry, repository: Repository
) -> None:
    assert repository.holds(DIGEST, ["v1"])
    assert stored.log() == ["HEAD /v2/team/app/manifests/v1"]


def test_every_tag_must_stand_for_it(stored: ScriptedRegistry, repository: Repository) -> None:
    assert not repository.holds(DIGEST, ["v1", "v2"])
    stored.manifests["team/app", "v2"] = OCI_MANIFEST, manifest().data
    assert not repository.holds(DIGEST, ["v1", "v2"])


def test_without_tags_the_manifest_is_looked_for(
    stored: ScriptedRegistry, repository: Repository
) -> None:
    assert repository.holds(DIGEST, [])
    assert not repository.holds(sha256(b""), [])


def test_a_new_repository_holds_nothing(scripted: ScriptedRegistry, repository: Repository) -> None:
    scripted.script("HEAD", "/manifests/", Reply(404))
    assert not repository.holds(DIGEST, ["v1"])


# Putting


def test_a_blob_that_is_there_is_not_sent(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    repository.put(known(), unheard)
    receipt = repository.put(known(), unheard)
    assert (receipt.fate, receipt.sent) == ("reused", 0)


def test_a_blob_of_another_size_is_not_there(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    blob = known()
    scripted.blobs["team/app", blob.descriptor.digest] = DATA[:-1]
    assert not repository.has(blob.descriptor)
    assert repository.put(blob, unheard).fate == "new"


def test_a_blob_that_the_registry_stumbles_over_is_sent(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("HEAD", "/blobs/", Reply(500), times=99)
    assert repository.put(known(), unheard).fate == "new"


@pytest.mark.parametrize("status", [400, 503])
def test_any_other_refusal_to_look_for_a_blob_is_an_error(
    status: int, scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("HEAD", "/blobs/", Reply(status), times=99)
    with pytest.raises(RegistryError, match=f"to look for the blob .*: {status}"):
        repository.put(known(), unheard)
    assert not scripted.asked("POST")


@pytest.mark.parametrize("status", [403, 405, 416])
def test_a_blob_that_must_not_be_asked_for_is_sent(
    status: int, scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("HEAD", "/blobs/", Reply(status))
    assert repository.put(known(), unheard).fate == "new"


def test_a_blob_that_is_called_another_is_sent(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    headers = {"Docker-Content-Digest": DIGEST, "Content-Length": str(len(DATA))}
    scripted.script("HEAD", "/blobs/", Reply(200, headers))
    assert repository.put(known(), unheard).fate == "new"


def test_a_delivered_blob_is_remembered(scripted: ScriptedRegistry, opened: Opener) -> None:
    memo = Forgetful()
    blob = known()
    first = opened(memo=memo)
    first.put(blob, unheard)
    assert memo.recall(f"blob:{first.reference.name}@{blob.descriptor.digest}") is None
    first.finish(IMAGE, ["v1"], [blob.descriptor])
    before = len(scripted.asked())
    second = opened(memo=memo)
    assert second.has(blob.descriptor)
    assert second.put(blob, unheard).fate == "reused"
    assert scripted.log()[before:] == [f"HEAD /v2/team/app/manifests/{DIGEST}"]
    assert not opened("team/other", memo=memo).has(blob.descriptor)


def test_what_is_remembered_is_not_believed_once_its_manifest_is_gone(
    scripted: ScriptedRegistry, opened: Opener
) -> None:
    memo = Forgetful()
    blob = known(bytes(1000))
    opened(memo=memo).finish(IMAGE, ["v1"], [blob.descriptor])
    del scripted.manifests["team/app", DIGEST]
    repository = opened(memo=memo)
    assert not repository.has(blob.descriptor)
    before = len(scripted.asked())
    assert repository.put(blob, unheard).fate == "new"
    assert scripted.log()[before].startswith("HEAD /v2/team/app/blobs/")


def test_where_a_remembered_manifest_cannot_be_asked_for_its_blobs_are(
    scripted: ScriptedRegistry, opened: Opener
) -> None:
    memo = Forgetful()
    blob = known(bytes(1000))
    first = opened(memo=memo)
    first.put(blob, unheard)
    first.finish(IMAGE, ["v1"], [blob.descriptor])
    scripted.script("HEAD", "/manifests/", Reply(403))
    before = len(scripted.asked())
    assert opened(memo=memo).put(blob, unheard).fate == "reused"
    methods = [line.split("/v2/team/app/")[1].split("/")[0] for line in scripted.log()[before:]]
    assert methods == ["manifests", "blobs"]


def test_a_manifest_that_was_read_is_not_asked_for_again(
    scripted: ScriptedRegistry, opened: Opener
) -> None:
    memo = Forgetful()
    opened(memo=memo).finish(IMAGE, ["v1"], [known().descriptor])
    repository = opened(memo=memo)
    repository.manifest("v1")
    before = len(scripted.asked())
    assert repository.put(known(), unheard).fate == "reused"
    assert scripted.log()[before:] == []


def test_what_is_remembered_can_be_doubted(scripted: ScriptedRegistry, opened: Opener) -> None:
    memo = Forgetful()
    opened(memo=memo).finish(IMAGE, [], [known().descriptor])
    repository = opened(memo=memo)
    repository.doubt()
    assert not repository.has(known().descriptor)
    assert repository.put(known(), unheard).fate == "new"


def test_a_tag_that_is_expected_is_asked_for_once(
    scripted: ScriptedRegistry, opened: Opener
) -> None:
    memo = Forgetful()
    opened(memo=memo).finish(IMAGE, ["v1"], [known().descriptor])
    before = len(scripted.asked())
    repository = opened(memo=memo)
    repository.expect("v1")
    assert repository.has(known().descriptor)  # as it is of the image that the tag stands for
    assert repository.holds(DIGEST, ["v1"])
    assert [str(asked) for asked in scripted.asked()[before:]] == ["HEAD /v2/team/app/manifests/v1"]


def test_a_tag_that_stands_for_another_image_proves_nothing(
    scripted: ScriptedRegistry, opened: Opener
) -> None:
    memo = Forgetful()
    opened(memo=memo).finish(IMAGE, ["v1"], [known().descriptor])
    scripted.manifests["team/app", "v1"] = OCI_MANIFEST, b"{}"
    del scripted.manifests["team/app", DIGEST]
    repository = opened(memo=memo)
    repository.expect("v1")
    assert not repository.has(known().descriptor)
    assert not repository.holds(DIGEST, ["v1"])


def test_a_repository_that_is_new_here_expects_nothing(
    scripted: ScriptedRegistry, opened: Opener
) -> None:
    opened(memo=Forgetful()).expect("v1")
    assert not scripted.requests


def test_a_small_layer_and_the_config_go_at_the_same_time(
    scripted: ScriptedRegistry, opened: Opener
) -> None:
    both = threading.Barrier(2, timeout=30)

    def meet(request: Request) -> None:
        both.wait()  # breaks where one waits for the other

    scripted.script("PUT", "/uploads/", meet, times=2)
    deliver(Image(AMD64).append(layer("one")), opened(), ["v1"])
    assert len(scripted.asked("PUT", "/uploads/")) == 2


def test_a_foreign_layer_stays_where_it_is(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    descriptor = replace(known(media_type=media_type).descriptor, urls=("https://example.com/x",))
    receipt = repository.put(Bytes("foreign", descriptor, DATA), unheard)
    assert receipt.fate == "reused"
    assert not scripted.requests


def test_threads_put_at_once(scripted: ScriptedRegistry, repository: Repository) -> None:
    blobs = [known(bytes([n]) * 100_000) for n in range(8)]
    streams = [Streamed(bytes([n]) * 100_001) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda blob: repository.put(blob, unheard), [*blobs, *streams]))
    assert {receipt.fate for receipt in receipts} == {"new"}
    assert len(scripted.blobs) == 16


# Finishing


@pytest.mark.parametrize("tags", [[], ["v1"], ["v1", "latest"]])
def test_the_manifest_is_stored_once_for_each_tag(
    tags: list[str], scripted: ScriptedRegistry, repository: Repository
) -> None:
    repository.finish(IMAGE, tags, [])
    assert scripted.log() == [
        f"PUT /v2/team/app/manifests/{reference}" for reference in tags or [DIGEST]
    ]
    assert ("team/app", DIGEST) in scripted.manifests
    assert {request.headers["Content-Type"] for request in scripted.asked()} == {OCI_MANIFEST}
    assert {request.body for request in scripted.asked()} == {IMAGE.data}


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("code", ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"])
def test_missing_blobs_are_told_and_nothing_is_tagged_or_remembered(
    status: int, code: str, scripted: ScriptedRegistry, opened: Opener
) -> None:
    memo = Forgetful()
    repository = opened(memo=memo)
    scripted.script("PUT", "/manifests/", error(status, code))
    with pytest.raises(BlobsMissing):
        repository.finish(IMAGE, ["v1"], [known().descriptor])
    assert len(scripted.asked("PUT")) == 1
    assert not [key for key in memo._values if not key.startswith("plain:")]


def test_a_registry_that_does_not_see_blobs_for_a_moment_is_given_time(
    scripted: ScriptedRegistry, opened: Opener, time: Time
) -> None:
    scripted.script("PUT", "/manifests/", error(400, "MANIFEST_BLOB_UNKNOWN"), times=3)
    delivery = deliver(Image(AMD64).append(layer("one")), opened(), ["v1"])
    assert ("team/app", "v1") in scripted.manifests
    assert [report.fate for report in delivery.layers] == ["new"]
    assert len(scripted.asked("PUT", "/uploads/")) == 2
    assert len(time.slept) == 2  # the first time, what was remembered may have been wrong


def test_blobs_of_an_index_that_are_not_seen_for_a_moment_are_sent_again(
    scripted: ScriptedRegistry, opened: Opener
) -> None:
    images = [Image(Platform("linux", cpu)).append(layer(cpu)) for cpu in ("amd64", "arm64")]
    digests = [image.document().descriptor.digest for image in images]
    scripted.script("PUT", f"/manifests/{digests[1]}", error(400, "MANIFEST_BLOB_UNKNOWN"))
    delivery = deliver(Index(images), opened(), ["v1"])
    there = [reference for _, reference in scripted.manifests]
    assert {*digests, delivery.digest, "v1"} == {*there}
    assert [report.fate for report in delivery.layers] == ["new", "new"]


def test_a_registry_that_never_sees_blobs_is_an_error(
    scripted: ScriptedRegistry, opened: Opener
) -> None:
    scripted.script("PUT", "/manifests/", error(400, "MANIFEST_BLOB_UNKNOWN"), times=99)
    with pytest.raises(BlobsMissing):
        deliver(Image(AMD64).append(layer("one")), opened(), ["v1"])
    assert len(scripted.asked("PUT", "/manifests/")) == 5


def test_a_manifest_that_is_stored_as_another_is_an_error(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    headers = {"Docker-Content-Digest": sha256(b"")}
    scripted.script("PUT", "/manifests/", Reply(201, headers))
    with pytest.raises(DigestError, match=sha256(b"")):
        repository.finish(IMAGE, ["v1"], [])
    assert len(scripted.asked("PUT")) == 1


def test_a_registry_that_does_not_say_what_it_stored_is_asked(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    def silent(request: Request) -> Reply:
        scripted.answer(request)
        return Reply(201)

    scripted.script("PUT", "/manifests/", silent)
    repository.finish(IMAGE, ["v1"], [])
    assert scripted.log()[-1] == f"HEAD /v2/team/app/manifests/{DIGEST}"

    scripted.manifests.clear()
    scripted.script("PUT", "/manifests/", Reply(201))
    with pytest.raises(DigestError, match="took the manifest v1"):
        repository.finish(IMAGE, ["v1"], [])


def test_a_manifest_is_put_again_where_that_may_help(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("PUT", "/manifests/", Reply(429), times=2)
    repository.finish(IMAGE, ["v1"], [])
    assert ("team/app", "v1") in scripted.manifests


@pytest.mark.parametrize("answer", [DROP, Reply(504)])
def test_a_manifest_whose_answer_is_lost_is_stored(
    answer: Reply, scripted: ScriptedRegistry, repository: Repository
) -> None:
    def store(request: Request) -> Reply:
        scripted.answer(request)
        return answer

    scripted.script("PUT", "/manifests/", store, times=99)
    repository.finish(IMAGE, ["v1"], [])
    assert repository.head("v1") == DIGEST


def test_a_manifest_that_nobody_answers_for_is_an_error(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("PUT", "/manifests/v1", Reply(504), times=99)
    with pytest.raises(RegistryError, match="504"):
        repository.finish(IMAGE, ["v1"], [])


def test_an_immutable_tag_is_said(scripted: ScriptedRegistry, repository: Repository) -> None:
    scripted.script("PUT", "/manifests/v1", error(400, "TAG_INVALID", "tag v1 is immutable"))
    with pytest.raises(RegistryError, match=r"tag v1 is immutable\n.*use another"):
        repository.finish(IMAGE, ["v1"], [])


def with_subject(subject: Descriptor) -> Document:
    parsed = {
        **json.loads(IMAGE.data),
        "subject": subject.to_dict(),
        "artifactType": "application/x",
        "annotations": {"a": "b"},
    }
    return Document(OCI_MANIFEST, to_json(parsed))


def test_a_referrer_is_listed_where_the_registry_does_not(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    subject = IMAGE.descriptor
    document = with_subject(subject)
    for _ in range(2):
        repository.finish(document, [], [])
    tag = subject.digest.replace(":", "-")
    media_type, data = scripted.manifests["team/app", tag]
    assert media_type == OCI_INDEX
    assert json.loads(data)["manifests"] == [
        {
            **document.descriptor.to_dict(),
            "artifactType": "application/x",
            "annotations": {"a": "b"},
        }
    ]


def test_a_referrer_is_added_to_those_there_are(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    repository.finish(with_subject(IMAGE.descriptor), [], [])
    other = Document(OCI_MANIFEST, with_subject(IMAGE.descriptor).data + b"\n")
    repository.finish(other, [], [])
    _, data = scripted.manifests["team/app", DIGEST.replace(":", "-")]
    assert len(json.loads(data)["manifests"]) == 2


def test_a_registry_that_knows_referrers_is_left_to_it(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.has_referrers = True
    repository.finish(with_subject(IMAGE.descriptor), [], [])
    assert len(scripted.asked()) == 1


# What a registry says


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (error(400, "NAME_INVALID", "bad\n name"), "400 NAME_INVALID: bad name"),
        (Reply(400, {}, b'{"errors": []}'), "400"),
        (Reply(400, {}, b'{"errors": [{"code": "A"}, {"message": "b"}, 3]}'), "400 A; b"),
        (Reply(400, {}, b'{"message": "gateway"}'), "400 gateway"),
        (Reply(400, {}, b'"text"'), "400 text"),
        (Reply(400, {}, b"plain text"), "400 plain text"),
        (Reply(400, {"Content-Type": "text/html"}, b"<html>"), "400"),
        (Reply(400, {}, b"\xff" * 1000), "400 "),
        (Reply(400), "400"),
    ],
)
def test_the_words_of_a_registry_are_repeated(
    reply: Reply, said: str, scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("GET", "/manifests/", reply)
    with pytest.raises(RegistryError) as caught:
        repository.manifest("v1")
    first = str(caught.value).splitlines()[0]
    assert first.startswith(f"{scripted.host} refused to give the manifest v1 (team/app): {said}")
    assert len(first) < 500


def test_a_scheme_is_found_out_once(scripted: ScriptedRegistry, repository: Repository) -> None:
    for _ in range(3):
        repository.head("v1")
    assert [request.url for request in scripted.requests].count("/v2/") == 1


def test_docker_hub_is_asked_under_its_own_name() -> None:
    from sematic.oci.reference import parse_reference
    from sematic.oci.registry import open_repository

    reference = parse_reference("python:3.11")
    repository = open_repository(reference)  # type: ignore[arg-type]
    assert repository._client._manifest_url("3.11") == (
        "https://registry-1.docker.io/v2/library/python/manifests/3.11"
    )


def test_a_location_of_the_registry_itself_is_never_downgraded() -> None:
    from sematic.oci.registry.client import _same_scheme

    base = "https://registry.example.com"
    assert _same_scheme("http://registry.example.com/v2/x?y", base) == f"{base}/v2/x?y"
    assert _same_scheme("http://other.example.com/v2", base) == "http://other.example.com/v2"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_what_is_sent_follows_no_redirect(
    status: int, scripted: ScriptedRegistry, other: ScriptedRegistry, repository: Repository
) -> None:
    target = f"http://{other.host}/v2/team/app/blobs/uploads/?X-Signature=hidden"
    scripted.script("POST", "/uploads/", Reply(status, {"Location": target}))
    with pytest.raises(RegistryError, match=rf"see http://{other.host}\n.*name the reg") as caught:
        repository.put(known(), unheard)
    assert "hidden" not in str(caught.value)
    assert not other.asked()


def test_an_answer_of_the_registry_is_not_followed_when_writing(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    def elsewhere(request: Request) -> Reply:
        return Reply(307, {"Location": "http://registry.example.com/"})

    scripted.script("PUT", "/manifests/", elsewhere)
    with pytest.raises(RegistryError, match="307"):
        repository.finish(IMAGE, [], [])
