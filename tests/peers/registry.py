"""Real registries on loopback: Debian's docker-registry, crane's and zuul-registry.

Each listens on a port the kernel chose (so that none is ever taken) and dies with the thread that
started it, even if that is killed: start them from the main thread.
"""

from __future__ import annotations

import base64
import ctypes
import ctypes.util
import http.client
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.peers.certificates import Tls
from tests.peers.install import tools_folder, zuul_folder
from tests.peers.tokens import TokenServer

_START_SECONDS = 30
_LISTENING = re.compile(r"(?:listening on [\d.]+:|serving on port )(\d+)")
# docker-registry and zuul-registry: `... "GET /v2/ HTTP/1.1" 200 2 ...`;
# crane: `... GET /v2/x 404 CODE message`.
_REQUEST = re.compile(r'"?\b([A-Z]+) (/\S*)(?: HTTP/[\d.]+")?(?: (\d{3})\b)?')
_MARK = "/v2/?mark="
# zuul-registry without its drivers for clouds; it is told its own address once it has one.
_ZUUL = """
import logging, sys, types, cherrypy

for driver in ("s3", "swift"):
    sys.modules[f"zuul_registry.{driver}"] = types.SimpleNamespace(Driver=None)
from zuul_registry.main import RegistryServer

logging.basicConfig(level=logging.INFO)
server = RegistryServer(sys.argv[1])
server.start()
cherrypy.tools.check_auth.public_url = f"http://127.0.0.1:{server.port}"
print(f"listening on 127.0.0.1:{server.port}", file=sys.stderr, flush=True)
cherrypy.engine.block()
"""


class RegistryError(Exception):
    """A registry did not start or does not answer."""


@dataclass(frozen=True)
class Registry:
    """A running registry. `log` is its access log, `root` holds its storage."""

    host: str
    root: Path
    log: Path
    tls: Tls | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}"

    def requests(self) -> list[tuple[str, str, int]]:
        """What was asked so far: method, path with query, status.

        Everything answered before this call is in it. crane's registry tells the status of errors
        only; other requests have 0.
        """
        found = []
        for line in self._settled_log().splitlines():
            match = _REQUEST.search(line)
            if match and not match[2].startswith(_MARK):
                found.append((match[1], match[2], int(match[3] or 0)))
        return found

    def _settled_log(self) -> str:
        """The log, once it holds a request made now: a line is written after its answer is sent."""
        mark = _MARK + uuid4().hex
        _get(self.host, mark, self.tls)
        deadline = time.monotonic() + _START_SECONDS
        while mark not in (text := self.log.read_text()):
            if time.monotonic() > deadline:
                raise RegistryError(f"{self.log} does not show a request that was answered")
            time.sleep(0.005)
        return text


def _get(host: str, path: str, tls: Tls | None) -> None:
    connection = (
        http.client.HTTPSConnection(
            host, timeout=10, context=ssl.create_default_context(cafile=tls.authority)
        )
        if tls
        else http.client.HTTPConnection(host, timeout=10)
    )
    try:
        connection.request("GET", path)
        connection.getresponse().read()
    finally:
        connection.close()


@contextmanager
def registry(
    root: Path,
    *,
    htpasswd: Mapping[str, str] | None = None,
    tokens: TokenServer | None = None,
    tls: Tls | None = None,
    clients: Path | None = None,
    delete: bool = True,
    readonly: bool = False,
    address: str = "127.0.0.1",
) -> Iterator[Registry]:
    """docker-registry with its storage in `root`/data, which outlives it.

    `htpasswd` maps user names to passwords; `tokens` gives the tokens that are wanted instead.
    `clients` is the authority whose certificates clients must show. Two may share a root, one of
    them read-only.
    """
    run = _run_folder(root)
    storage: dict[str, object] = {
        "filesystem": {"rootdirectory": str(root / "data")},
        "delete": {"enabled": delete},
    }
    if readonly:
        storage["maintenance"] = {"readonly": {"enabled": True}}
    listen: dict[str, object] = {"addr": f"{address}:0", "secret": "tests"}
    if tls:
        authorities = {"clientcas": [str(clients)]} if clients else {}
        listen["tls"] = {
            "certificate": str(tls.certificate),
            "key": str(tls.key),
            **authorities,
        }
    config: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": False}},
        "storage": storage,
        "http": listen,
    }
    if htpasswd is not None:
        file = run / "htpasswd"
        file.write_text("".join(f"{user}:{_bcrypt(word)}\n" for user, word in htpasswd.items()))
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(file)}}
    if tokens is not None:
        config["auth"] = {
            "token": {
                "realm": tokens.realm,
                "service": tokens.service,
                "issuer": tokens.issuer,
                "rootcertbundle": str(tokens.certificate),
            }
        }
    file = run / "config.yml"
    file.write_text(json.dumps(config))
    command = ["docker-registry", "serve", str(file)]
    with _serving(command, out=run / "access.log", err=run / "server.log") as port:
        yield Registry(f"{address}:{port}", root, run / "access.log", tls)


@contextmanager
def crane_registry(root: Path) -> Iterator[Registry]:
    """`crane registry serve`; blobs lie in `root`/data, manifests in its memory only."""
    run = _run_folder(root)
    data = root / "data"
    data.mkdir(exist_ok=True)
    crane = str(tools_folder() / "crane")
    command = [crane, "registry", "serve", "--address", "127.0.0.1:0", "--disk", str(data)]
    with _serving(command, out=run / "stdout.log", err=run / "server.log") as port:
        yield Registry(f"127.0.0.1:{port}", root, run / "server.log")


@contextmanager
def zuul_registry(root: Path, users: Mapping[str, str]) -> Iterator[Registry]:
    """zuul-registry, in which anybody may read and `users`, with these passwords, may write.

    It gives tokens itself, knows neither mounts nor DELETE, takes manifests whose blobs it lacks,
    and lists the digests that were pushed to among the tags.
    """
    run = _run_folder(root)
    config = {
        "address": "127.0.0.1",
        "port": 0,
        "public-url": "",
        "secret": "tests",
        "users": [{"name": user, "pass": users[user], "access": "write"} for user in users],
        "storage": {"driver": "filesystem", "root": str(root / "data")},
    }
    file = run / "config.json"
    file.write_text(json.dumps({"registry": config}))
    command = ["env", f"PYTHONPATH={zuul_folder()}", sys.executable, "-c", _ZUUL, str(file)]
    with _serving(command, out=run / "stdout.log", err=run / "server.log") as port:
        yield Registry(f"127.0.0.1:{port}", root, run / "server.log")


def _run_folder(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="run-", dir=root))


@contextmanager
def _serving(command: Sequence[str], *, out: Path, err: Path) -> Iterator[int]:
    """Run a server for as long as the context lasts; gives its port."""
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        yield _port(process, err)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while not (match := _LISTENING.search(log.read_text())):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RegistryError(f"{process.args!r} did not start:\n{log.read_text()}")
        time.sleep(0.01)
    return int(match[1])


def _bcrypt(word: str) -> str:
    """The only hash that docker-registry takes, made by Debian's C library for passwords."""
    library = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    # 22 characters of bcrypt's own base 64; the last one must leave 4 bits zero.
    salt = base64.b64encode(os.urandom(16), b"./").decode()[:21] + "u"
    hashed: bytes | None = library.crypt(word.encode(), f"$2b$04${salt}".encode())
    if not hashed or not hashed.startswith(b"$2b$"):
        raise RegistryError("this C library has no bcrypt")
    return hashed.decode()
