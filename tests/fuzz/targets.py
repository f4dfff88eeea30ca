"""What is fuzzed: functions of some bytes that must end well, or in an OCIError that can be shown.

Each checks what it can of the result as well, so that an assertion is a finding too.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from sematic.oci.base import find_base
from sematic.oci.base_python import find_base_python
from sematic.oci.errors import OCIError
from sematic.oci.events import ignore
from sematic.oci.image import Image
from sematic.oci.layout import Layout
from sematic.oci.manifest import (
    INDEXES,
    MANIFESTS,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Document,
    Manifest,
    Platform,
    index_entries,
    layer_media_type,
    select_platform,
    to_json,
)
from sematic.oci.memo import Forgetful
from sematic.oci.reference import LayoutReference, parse_reference
from sematic.oci.registry.answer import Answer
from sematic.oci.registry.auth import parse_challenges
from sematic.oci.registry.credentials import Credentials
from sematic.oci.registry.downloads import first_byte
from sematic.oci.registry.failures import refusal
from sematic.oci.registry.pages import next_page, tags_of
from sematic.oci.registry.pointers import pointed
from sematic.oci.registry.routes import Routes
from sematic.oci.registry.tokens import parse_token
from sematic.oci.registry.transport import retry_after
from sematic.oci.report import image_json, image_text
from sematic.oci.tar_names import TarError, tar_names
from sematic.oci.untrusted import parse_json

Target = Callable[[bytes], None]

TARGETS: dict[str, Target] = {}
SEEDS: dict[str, tuple[bytes, ...]] = {}

_AMD64 = Platform("linux", "amd64")
_DIGEST = "sha256:" + 64 * "a"
_SECRET = "hunter2-é"


def target(*seeds: bytes) -> Callable[[Target], Target]:
    """Makes a function a target: what it is given must end well or in an OCIError."""

    def register(function: Target) -> Target:
        def checked(data: bytes) -> None:
            try:
                function(data)
            except OCIError as error:
                check_shown(str(error))

        TARGETS[function.__name__] = checked
        SEEDS[function.__name__] = seeds
        return checked

    return register


def check_shown(text: str) -> None:
    """A message for people is short, and can be printed anywhere."""
    assert len(text) < 3000, len(text)
    assert all(line.isprintable() for line in text.split("\n")), repr(text)


def as_header(data: bytes) -> str:
    """Bytes as http.client gives the value of a header."""
    return data.decode("latin-1").replace("\r", "").replace("\n", "")


@dataclass(frozen=True)
class Blobs:
    """A source that has an image of these blobs, and whatever else they are."""

    reference: LayoutReference
    blobs: dict[str, bytes]

    @classmethod
    def of(cls, manifest: Manifest, *blobs: bytes) -> Blobs:
        document = manifest.document()
        found = {Descriptor.of("", blob).digest: blob for blob in (document.data, *blobs)}
        return cls(LayoutReference("", digest=document.descriptor.digest), found)

    def head(self, reference: str) -> str | None:
        return reference if reference in self.blobs else None

    def manifest(self, reference: str) -> Document:
        return Document(OCI_MANIFEST, self.blobs[reference])

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        yield self.blobs[descriptor.digest]


def _checksummed(data: bytes) -> bytes:
    """A tar all of whose blocks have the checksum that headers have."""
    blocks = [data[at : at + 512] for at in range(0, len(data), 512)]
    return b"".join(map(_with_checksum, blocks))


def _with_checksum(block: bytes) -> bytes:
    if len(block) < 512 or not block.strip(b"\0"):
        return block
    checksum = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    return block[:148] + b"%06o\0 " % checksum + block[156:]


def _tars() -> tuple[bytes, ...]:
    """A tar of each format, with long names, a link and a sparse file's extended headers."""
    found = []
    for format in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=format) as tar:
            member = tarfile.TarInfo("usr/bin/python3")
            member.type, member.linkname = tarfile.SYMTYPE, "python3.11"
            tar.addfile(member)
            member = tarfile.TarInfo("a/" * 60 + "é")
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
        found.append(file.getvalue()[:4096])
    return tuple(found)


# What the user writes


@target(
    b"python:3.11-slim",
    b"registry.example.com:5000/team/app:v1@" + _DIGEST.encode(),
    b"oci-layout:some/folder:v1",
    b"archive:file.tar",
    b"[::1]:5000/a",
)
def reference(data: bytes) -> None:
    found = parse_reference(data.decode(errors="surrogateescape"))
    assert parse_reference(str(found)) == found


@target(b"example.com,.internal,10.0.0.0/8,[::1]:80,*", b"fd00::/8,*.a:5")
def no_proxy(data: bytes) -> None:
    environ = {"https_proxy": "http://proxy:1", "no_proxy": data.decode(errors="surrogateescape")}
    for host in ("r.example.com:5000", "10.1.2.3", "[fd00::1]:5000"):
        assert Routes(environ=environ).proxy("https", host) in ("", "http://proxy:1")


# What a registry stores


@target(
    to_json({"schemaVersion": 2, "a": [1, 2.5, None, True, "\u00e9"], "b": {"c": {}}}),
    b'{"a": 1e999}',
    b'["\\ud800"]',
)
def json(data: bytes) -> None:
    try:
        document = parse_json(data)
    except ValueError as error:
        check_shown(str(error))
        return
    if isinstance(document, dict):
        assert parse_json(to_json(document)) == document


@target(
    to_json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": Descriptor(OCI_CONFIG, _DIGEST, 2).to_dict(),
            "layers": [
                Descriptor(layer_media_type("gzip"), _DIGEST, 3, {"a": "b"}, ("u",)).to_dict()
            ],
            "annotations": {"c": "d"},
        }
    )
)
def manifest(data: bytes) -> None:
    for media_type in MANIFESTS:
        try:
            found = Manifest.from_document(Document(media_type, data))
        except OCIError as error:
            check_shown(str(error))
        else:
            assert Manifest.from_document(found.document()) == found


@target(
    to_json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [
                Descriptor(OCI_MANIFEST, _DIGEST, 2, platform=_AMD64).to_dict(),
                Descriptor(OCI_INDEX, _DIGEST, 2, platform=Platform("a", "b", "c")).to_dict(),
            ],
        }
    )
)
def index(data: bytes) -> None:
    for media_type in INDEXES:
        try:
            entries = index_entries(Document(media_type, data))
            assert select_platform(entries, _AMD64) in entries
        except OCIError as error:
            check_shown(str(error))


@target(
    to_json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["A=b"], "Labels": {"dev.sematic.python": "3.11"}, "Cmd": ["c"]},
            "rootfs": {"type": "layers", "diff_ids": [_DIGEST]},
            "history": [{"created_by": "d"}, {"empty_layer": True}],
            "created": "1980-01-01T00:00:00Z",
        }
    )
)
def config(data: bytes) -> None:
    layer = Descriptor.of(layer_media_type(""), b"")
    found = Manifest(OCI_MANIFEST, Descriptor.of(OCI_CONFIG, data), (layer,))
    base = find_base(Blobs.of(found, data, b""), Forgetful())
    for line in image_text(image_json(base)):
        check_shown(line)
    Image.on(base).configured(env={"A": "b"}).config_blob()
    assert find_base_python(base, Forgetful(), ignore).version.startswith("3.")


@target(
    to_json(
        {
            "schemaVersion": 2,
            "manifests": [
                {
                    **Descriptor(OCI_MANIFEST, _DIGEST, 2).to_dict(),
                    "annotations": {"org.opencontainers.image.ref.name": "v1"},
                }
            ],
        }
    )
)
def layout_index(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name, "index.json").write_bytes(data)
        layout = Layout(LayoutReference(name))
        assert all(layout.tags())
        layout.head("v1")
        layout.holds(_DIGEST, ["v1"])
        layout.manifest("latest")


@target(*_tars())
def tar(data: bytes) -> None:
    data = _checksummed(data)
    with contextlib.suppress(TarError):
        for path, link, _, _ in tar_names(io.BytesIO(data)):
            assert len(path) + len(link) <= len(data)


@target(
    *(gzip.compress(tar) for tar in _tars()),
    *(zstandard.compress(tar) for tar in _tars()),
)
def layer(data: bytes) -> None:
    settings = to_json({**_AMD64.to_dict(), "rootfs": {"diff_ids": [_DIGEST]}})
    for compression in ("", "gzip", "zstd"):
        blob = Descriptor.of(layer_media_type(compression), data)
        found = Manifest(OCI_MANIFEST, Descriptor.of(OCI_CONFIG, settings), (blob,))
        try:
            base = find_base(Blobs.of(found, settings, data), Forgetful())
            assert find_base_python(base, Forgetful(), ignore).version.startswith("3.")
        except OCIError as error:
            check_shown(str(error))


# What a registry says


@target(
    b'Bearer realm="https://a.example/token",service="b",scope="repository:c:pull"',
    b'Basic realm="a, \\"b\\"", Negotiate',
)
def challenges(data: bytes) -> None:
    found = parse_challenges(as_header(data))
    for challenge in found:
        assert challenge.scheme == challenge.scheme.lower()
        values = {k: re.sub(r'(["\\])', r"\\\1", v) for k, v in challenge.parameters.items()}
        written = f"{challenge.scheme} " + ", ".join(f'{k}="{v}"' for k, v in values.items())
        if len(written) < 8000:
            assert parse_challenges(written) == [challenge]


@target(b'{"token": "abc", "expires_in": 300}', b'{"access_token": "abc", "expires_in": "60"}')
def token(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        found = parse_token(data)
        assert found.text.isascii()
        assert found.text.isprintable()
        assert 0 < found.seconds < math.inf


@target(b"7", b"Fri, 31 Dec 9999 23:59:59 GMT", b"Thu, 01 Jan 1970 00:00:00 -0000")
def waiting(data: bytes) -> None:
    seconds = retry_after(Answer("", 503, {"retry-after": as_header(data)}))
    assert seconds is None or seconds >= 0


@target(
    b"/v2/a/blobs/uploads/1?_state=b",
    b"https://user:password@example.com:5000/x?y#z",
    b"//[::1]/",
    b"file:///etc/passwd",
)
def location(data: bytes) -> None:
    proxied = Routes(environ={"all_proxy": "http://proxy:1"})  # which looks names up, so we do not
    for url in ("http://127.0.0.1:5000/v2/", "https://192.0.2.1/v2/", "https://8.8.8.8/v2/"):
        try:
            assert pointed(url, as_header(data), proxied)
        except OCIError as error:
            check_shown(str(error))


@target(b'</v2/a/tags/list?last=b>; rel="next"', b"<a>; rel=first, <b>;rel=next")
def link(data: bytes) -> None:
    text = as_header(data)
    assert next_page(text) in text


@target(b"bytes 5-9/10", b"bytes */10")
def content_range(data: bytes) -> None:
    assert first_byte(Answer("", 206, {"content-range": as_header(data)})) >= 0


@target(b'{"name": "a", "tags": ["v1", "v2"]}', b'{"tags": null}')
def tags(data: bytes) -> None:
    try:
        assert all(tag.isprintable() for tag in tags_of(data))
    except ValueError as error:
        check_shown(str(error))


@target(
    b'{"errors": [{"code": "DENIED", "message": "no", "detail": "no space"}]}',
    b'{"errors": [{"code": ["A"], "message": {"error": {"details": 1}}}]}',
    b'{"details": "\\u001b[31m"}',
    f"you sent {_SECRET}".encode(),
    b"<html>",
)
def error_body(data: bytes) -> None:
    for status in (400, 401, 404, 429, 500):
        answer = Answer("http://127.0.0.1/", status, {}, data)
        error = refusal(answer, "to do", "127.0.0.1", "team/app", "log in {}", (_SECRET,))
        check_shown(str(error))
        assert _SECRET not in str(error)
        assert all(code.isprintable() for code in error.codes)


# What the user's files say


@target(
    b'{"auths": {"r.example": {"auth": "dTpw"}, "https://q.example/v1/": {"username": "u"}}}',
    b'{"auths": {"r.example/team": {"identitytoken": "t"}}, "credHelpers": {"r.example": "x"}}',
)
def credentials(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name, "config.json").write_bytes(data)
        found = Credentials(environ={"DOCKER_CONFIG": name, "HOME": name, "PATH": name})
        for place in ("r.example", "r.example/team/app", "docker.io"):
            try:
                credential = found.find(place)
            except OCIError as error:
                check_shown(str(error))
            else:
                assert credential is None or credential.secrets
