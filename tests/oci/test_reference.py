"""Names of images."""

from __future__ import annotations

import pytest

from sematic.oci.errors import InvalidReference
from sematic.oci.reference import (
    ArchiveReference,
    LayoutReference,
    RegistryReference,
    parse_reference,
)

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python", RegistryReference("docker.io", "library/python")),
        ("python:3.11-slim", RegistryReference("docker.io", "library/python", "3.11-slim")),
        ("me/app", RegistryReference("docker.io", "me/app")),
        ("docker.io/app", RegistryReference("docker.io", "library/app")),
        ("index.docker.io/me/app", RegistryReference("docker.io", "me/app")),
        ("localhost/app", RegistryReference("localhost", "app")),
        ("localhost:5000/a/b:v1", RegistryReference("localhost:5000", "a/b", "v1")),
        ("127.0.0.1:5000/app", RegistryReference("127.0.0.1:5000", "app")),
        ("[::1]:5000/app", RegistryReference("[::1]:5000", "app")),
        ("r.example.com/a__b/c-d.e:T_1", RegistryReference("r.example.com", "a__b/c-d.e", "T_1")),
        (f"r.io/app@{DIGEST}", RegistryReference("r.io", "app", "", DIGEST)),
        (f"r.io/app:v@{DIGEST}", RegistryReference("r.io", "app", "v", DIGEST)),
        ("docker://r.io/app", RegistryReference("r.io", "app")),
        ("oci-layout:out", LayoutReference("out")),
        ("oci-layout:/a/b:v1", LayoutReference("/a/b", "v1")),
        ("oci-layout:/a:b/c", LayoutReference("/a:b/c")),
        (f"oci-layout:/a:v1@{DIGEST}", LayoutReference("/a", "v1", DIGEST)),
        ("oci-layout:/a@b", LayoutReference("/a@b")),
        ("archive:app.tar", ArchiveReference("app.tar")),
        ("archive:/x/app.tar:v1", ArchiveReference("/x/app.tar", "v1")),
    ],
)
def test_what_names_what(text: str, expected: object) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "UPPER/case",
        "r.io/",
        "r.io/app:",
        "r.io/app:bad tag",
        "r.io/app@sha256:short",
        "r.io/app@md5:abc",
        "r.io//app",
        "r.io/-app",
        "oci-layout:",
        "archive:",
        "https://r.io/app",
        f"archive:x.tar@{DIGEST}",
        "r.io/" + "a" * 256,
    ],
)
def test_what_names_nothing_is_an_error_that_repeats_it(text: str) -> None:
    with pytest.raises(InvalidReference) as error:
        parse_reference(text)
    assert text[:40] in str(error.value)


def test_a_reference_reads_as_it_was_written() -> None:
    for text in (f"r.io/app:v@{DIGEST}", "oci-layout:/a:v1", "archive:x.tar", "r.io:1/a/b"):
        assert str(parse_reference(text)) == text
