"""A floor under the pushes: what the standard library of Python does, checking nothing.

    python -I benchmarks/peers/append.py BASE TARGET FOLDER INTO

puts a gzip layer of a folder on top of an image in a registry. As with crane, it must be told what
has changed.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import os
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from typing import IO, Any, cast

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Hashed:
    """A file that is written to, and the digest of that."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._sha256.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def digest(self) -> str:
        return f"sha256:{self._sha256.hexdigest()}"


class Repository:
    """In a registry that asks for no password, by one connection."""

    def __init__(self, name: str, connection: http.client.HTTPConnection) -> None:
        self.name = name
        self._connection = connection

    def manifest(self, reference: str) -> dict[str, Any]:
        """:param reference: a tag, or a digest."""
        _, body = self._ask("GET", f"manifests/{reference}", Accept=_MANIFEST)
        return dict(json.loads(body))

    def put_manifest(self, tag: str, manifest: dict[str, Any]) -> None:
        data = json.dumps(manifest).encode()
        self._ask("PUT", f"manifests/{tag}", data, **{"Content-Type": _MANIFEST})

    def blob(self, digest: str) -> bytes:
        return self._ask("GET", f"blobs/{digest}")[1]

    def mount(self, digest: str, source: str) -> None:
        self._ask("POST", f"blobs/uploads/?mount={digest}&from={source}")

    def put_blob(self, digest: str, body: IO[bytes] | bytes, size: int) -> None:
        """What it has is not sent again."""
        if self._exchange("HEAD", f"blobs/{digest}", None, {})[0].status == 200:
            return
        answer, _ = self._ask("POST", "blobs/uploads/")
        location = answer.headers["Location"]
        _, _, path = location.partition("/v2/" + self.name + "/")
        query = f"{'&' if '?' in path else '?'}digest={digest}"
        self._ask("PUT", path + query, body, **{"Content-Length": str(size)})

    def _ask(
        self, method: str, path: str, body: IO[bytes] | bytes | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        answer, data = self._exchange(method, path, body, headers)
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status}: {data.decode(errors='replace')}")
        return answer, data

    def _exchange(
        self, method: str, path: str, body: IO[bytes] | bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        self._connection.request(method, f"/v2/{self.name}/{path}", body, headers)
        answer = self._connection.getresponse()
        return answer, answer.read()


def append(base: str, target: str, folder: str, into: str) -> None:
    """:param base, target: HOST:PORT/NAME:TAG, of one registry; a base may have @DIGEST."""
    host, _, path = base.partition("/")
    connection = http.client.HTTPConnection(host)
    source_name, _, reference = path.rpartition("@" if "@" in path else ":")
    target_name, _, target_tag = target.partition("/")[2].rpartition(":")
    source, repository = (Repository(n, connection) for n in (source_name, target_name))
    manifest = source.manifest(reference)
    config = json.loads(source.blob(manifest["config"]["digest"]))
    if source_name != target_name:
        for layer in manifest["layers"]:
            repository.mount(layer["digest"], source_name)
    with tempfile.TemporaryFile() as file:
        diff_id, made = _write_layer(file, folder, into)
        file.seek(0)
        repository.put_blob(made.digest, file, made.size)
    manifest["layers"].append({"mediaType": _LAYER, "digest": made.digest, "size": made.size})
    config["rootfs"]["diff_ids"].append(diff_id)
    config.setdefault("history", []).append({"created_by": "floor"})
    data = json.dumps(config).encode()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    repository.put_blob(digest, data, len(data))
    manifest["config"] |= {"digest": digest, "size": len(data)}
    repository.put_manifest(target_tag, manifest)


def _write_layer(file: IO[bytes], folder: str, into: str) -> tuple[str, Hashed]:
    """The diff_id, and what was written."""
    outer = Hashed(file)
    with gzip.GzipFile("", "wb", 1, outer, mtime=0) as compressed:
        inner = Hashed(compressed)
        with tarfile.open(fileobj=cast("IO[bytes]", inner), mode="w|") as tar:
            tar.add(folder, into, filter=_plain)
    return inner.digest, outer


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if os.path.basename(entry.name) == "__pycache__":
        return None
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    append(*sys.argv[1:])
