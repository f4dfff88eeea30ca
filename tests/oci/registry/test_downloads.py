from __future__ import annotations

from dataclasses import replace

import pytest

from sematic.oci.errors import DigestError, NotFound, RegistryError
from sematic.oci.manifest import Descriptor
from sematic.oci.registry import Repository
from sematic.oci.registry.failures import NoAnswer
from tests.oci.registry.blobs import DATA, LAYER, known
from tests.oci.registry.scripted import DROP, Reply, Request, ScriptedRegistry

BLOB = known().descriptor


@pytest.fixture(autouse=True)
def stored(scripted: ScriptedRegistry) -> None:
    scripted.blobs["team/app", BLOB.digest] = DATA


def test_a_blob_comes_in_chunks(repository: Repository) -> None:
    chunks = list(repository.blob(BLOB))
    assert b"".join(chunks) == DATA and len(chunks) > 1


@pytest.mark.parametrize("data", [b"", b"x", bytes(262_144), bytes(262_145)])
def test_blobs_have_any_size(
    data: bytes, scripted: ScriptedRegistry, repository: Repository
) -> None:
    blob = Descriptor.of(LAYER, data)
    scripted.blobs["team/app", blob.digest] = data
    assert b"".join(repository.blob(blob)) == data


def test_a_missing_blob_is_not_found(repository: Repository) -> None:
    with pytest.raises(NotFound, match="team/app"):
        list(repository.blob(known(b"other").descriptor))


def test_a_download_is_carried_on_where_it_broke(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("GET", "/blobs/", Reply(200, {}, DATA, breaks_at=600_000))
    assert b"".join(repository.blob(BLOB)) == DATA
    first, second = scripted.asked("GET", "/blobs/")
    assert "Range" not in first.headers
    assert 0 < int(second.headers["Range"].removeprefix("bytes=").removesuffix("-")) <= 600_000


def test_a_registry_may_know_no_ranges(scripted: ScriptedRegistry, repository: Repository) -> None:
    scripted.script("GET", "/blobs/", Reply(200, {}, DATA, breaks_at=600_000))
    scripted.script("GET", "/blobs/", Reply(200, {}, DATA))
    assert b"".join(repository.blob(BLOB)) == DATA


def test_a_registry_may_refuse_ranges(scripted: ScriptedRegistry, repository: Repository) -> None:
    scripted.script("GET", "/blobs/", Reply(200, {}, DATA, breaks_at=600_000))
    scripted.script("GET", "/blobs/", Reply(416))
    assert b"".join(repository.blob(BLOB)) == DATA
    assert [("Range" in each.headers) for each in scripted.asked("GET", "/blobs/")] == [
        *(False, True, False)
    ]


def test_a_download_that_is_cut_short_is_carried_on(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("GET", "/blobs/", Reply(200, {}, DATA[:600_000]))
    assert b"".join(repository.blob(BLOB)) == DATA
    assert scripted.asked("GET", "/blobs/")[1].headers["Range"] == "bytes=600000-"


def test_a_registry_that_is_gone_is_not_asked_over_and_over(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("GET", "/blobs/", DROP, times=99)
    with pytest.raises(NoAnswer, match="broke the connection off"):
        list(repository.blob(BLOB))
    assert len(scripted.asked("GET", "/blobs/")) == 6


def test_a_download_that_gets_on_never_gives_up(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    def a_bit(request: Request) -> Reply:
        return replace(scripted.answer(request), breaks_at=300_000)

    scripted.script("GET", "/blobs/", a_bit, times=99)
    blob = known(bytes(3_000_000)).descriptor
    scripted.blobs["team/app", blob.digest] = bytes(3_000_000)
    assert b"".join(repository.blob(blob)) == bytes(3_000_000)


def test_a_download_that_does_not_get_on_gives_up(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("GET", "/blobs/", Reply(200, {}, DATA, breaks_at=1), times=99)
    with pytest.raises(NoAnswer, match="broke the connection off"):
        list(repository.blob(BLOB))
    assert len(scripted.asked("GET", "/blobs/")) <= 6


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (DATA + b"x", "more than the"),
        (DATA[:-1], "should have"),
        (b"x" + DATA[1:], "by its bytes"),
    ],
)
def test_wrong_bytes_are_found_before_the_last_chunk(
    data: bytes, message: str, scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.blobs["team/app", BLOB.digest] = data
    given = 0
    with pytest.raises(DigestError, match=message):
        for chunk in repository.blob(BLOB):
            given += len(chunk)
    assert given < len(DATA)


def test_a_range_that_leaves_bytes_out_is_an_error(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    scripted.script("GET", "/blobs/", Reply(200, {}, DATA, breaks_at=600_000))
    beyond = {"Content-Range": f"bytes 900000-{len(DATA) - 1}/{len(DATA)}"}
    scripted.script("GET", "/blobs/", Reply(206, beyond, DATA[900_000:]))
    with pytest.raises(DigestError, match="left out"):
        list(repository.blob(BLOB))


def test_a_redirected_download_carries_on_at_the_new_place(
    scripted: ScriptedRegistry, other: ScriptedRegistry, repository: Repository
) -> None:
    target = f"http://{other.host}/v2/team/app/blobs/{BLOB.digest}"
    other.blobs["team/app", BLOB.digest] = DATA
    scripted.script("GET", "/blobs/", Reply(307, {"Location": target}), times=2)
    other.script("GET", "/blobs/", Reply(200, {}, DATA, breaks_at=600_000))
    assert b"".join(repository.blob(BLOB)) == DATA
    assert "Range" in other.asked()[1].headers


def test_a_download_that_is_not_finished_can_be_dropped(repository: Repository) -> None:
    chunks = repository.blob(BLOB)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert b"".join(repository.blob(BLOB)) == DATA


def test_a_blob_with_another_algorithm_is_checked(
    scripted: ScriptedRegistry, repository: Repository
) -> None:
    import hashlib

    digest = "sha512:" + hashlib.sha512(DATA).hexdigest()
    scripted.blobs["team/app", digest] = DATA
    assert b"".join(repository.blob(Descriptor(LAYER, digest, len(DATA)))) == DATA


def test_a_registry_that_fails_is_named(scripted: ScriptedRegistry, repository: Repository) -> None:
    scripted.script("GET", "/blobs/", Reply(500, {}, b"oh"), times=99)
    with pytest.raises(RegistryError, match=f"{scripted.host} refused to give the blob.*500 oh"):
        list(repository.blob(BLOB))
