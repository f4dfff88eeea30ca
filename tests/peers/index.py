"""An index of Python packages on loopback: PEP 503 and 691, with a login, and faults on request."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_JSON = "application/vnd.pypi.simple.v1+json"
_RANGE = re.compile(r"bytes=(\d+)-")


@dataclass
class Index:
    """A running index of the files in a folder.

    :param user: the ``NAME:PASSWORD`` that it wants; empty for none.
    :param yanked: names of files, and why.
    :param faults: by the end of a path, what comes of requests for it, one after the other: a
        status, or ``cut``: half of the body and no more.
    :param replaced: names of files, and what they hold in place of what they held when listed.
    """

    folder: Path
    user: str = ""
    port: int = 0
    yanked: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[int | str]] = field(default_factory=dict)
    replaced: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, int, str]] = field(default_factory=list)
    """Path, status and range of each request."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/simple/"

    @property
    def url_with_login(self) -> str:
        return f"http://{self.user}@127.0.0.1:{self.port}/simple/"

    def fetched(self) -> list[str]:
        """Names of the files of which bytes were sent."""
        return [
            path.rpartition("/")[2]
            for path, status, _ in self.asked
            if path.startswith("/files/")
            and status in (200, 206)
            and not path.endswith(".metadata")
        ]

    def answer(self, path: str) -> tuple[int, str, bytes]:
        if path.startswith("/files/"):
            name = path.rpartition("/")[2]
            file = self.folder / name
            if not file.is_file():
                return 404, "text/plain", b"no such file"
            return 200, "application/octet-stream", self.replaced.get(name, file.read_bytes())
        project = path.removeprefix("/simple/").strip("/")
        files = [file for file in sorted(self.folder.iterdir()) if _project(file.name) == project]
        if not files:
            return 404, "text/plain", b"no such project"
        listed = [self._listed(file) for file in files]
        document = {"meta": {"api-version": "1.0"}, "name": project, "files": listed}
        return 200, _JSON, json.dumps(document).encode()

    def _listed(self, file: Path) -> dict[str, Any]:
        data = file.read_bytes()
        return {
            "filename": file.name,
            "url": f"../../files/{file.name}",
            "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
            "yanked": self.yanked.get(file.name, False),
            "size": len(data),
        }


def _project(file: str) -> str:
    stem = file.partition("-")[0]
    return re.sub(r"[-_.]+", "-", stem).lower()


@contextmanager
def index(folder: Path, user: str = "") -> Iterator[Index]:
    """Serve the wheels and source distributions in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Index(folder, user)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    server.daemon_threads = True
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(index: Index) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._give(with_body=True)

        def do_HEAD(self) -> None:
            self._give(with_body=False)

        def _give(self, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            status, kind, body = index.answer(path)
            wanted = f"Basic {base64.b64encode(index.user.encode()).decode()}"
            if index.user and self.headers.get("Authorization") != wanted:
                status, kind, body = 401, "text/plain", b"who are you?"
            fault = self._fault(path)
            if isinstance(fault, int):
                status, kind, body = fault, "text/plain", b"spoiled"
            part = _RANGE.fullmatch(self.headers.get("Range", ""))
            start = int(part[1]) if part and status == 200 else 0
            if part and status == 200:
                status = 206
            index.asked.append((path, status, self.headers.get("Range", "")))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body) - start))
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.end_headers()
            if with_body:
                end = (start + len(body)) // 2 if fault == "cut" else len(body)
                self.wfile.write(body[start:end])
            if fault == "cut":
                self.close_connection = True

        def _fault(self, path: str) -> int | str | None:
            for end, faults in index.faults.items():
                if path.endswith(end) and faults:
                    return faults.pop(0)
            return None

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing: what was asked is kept."""

    return Handler
