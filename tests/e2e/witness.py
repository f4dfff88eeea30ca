"""A push that is watched: all that it writes, and what its children are given."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any
from urllib.parse import quote, quote_plus

import zstandard

from tests.e2e.command import Run, end

# CPython tells of all this itself, however short-lived it may be. A file that is removed is
# kept, as far as it can be read.
_WATCH = """
import json, os, sys

notes = open(os.environ.pop("WITNESS"), "a", buffering=1)
cmdline = open("/proc/self/cmdline").read()

def note(kind, *facts):
    notes.write(json.dumps([kind, *facts], default=repr) + "\\n")

def watch(event, facts):
    if event == "subprocess.Popen":
        note("child", [str(word) for word in facts[1]], dict(facts[3] or os.environ))
    elif event == "open" and facts[2] & (os.O_WRONLY | os.O_RDWR):
        if not isinstance(facts[0], int):
            note("written", os.fsdecode(facts[0]))
    elif event == "os.remove" and os.path.isfile(facts[0]):
        note("removed", str(facts[0]), open(facts[0], "rb").read().decode("latin-1"))
    elif event == "socket.connect":
        note("connected", open("/proc/self/cmdline").read())

sys.addaudithook(watch)
from sematic.oci.cli import run
run()
"""


@dataclass(frozen=True)
class Child:
    words: list[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Watched:
    """A command that has ended, and what was noted meanwhile."""

    run: Run
    notes: list[list[Any]]

    @property
    def children(self) -> list[Child]:
        return [Child(*facts) for kind, *facts in self.notes if kind == "child"]

    @property
    def written(self) -> list[Path]:
        """The files that were opened for writing."""
        return [Path(facts[0]) for kind, *facts in self.notes if kind == "written"]

    def said(self) -> dict[str, bytes]:
        """All that can be seen of it from outside, but files that are still there."""
        found = {"stdout": self.run.out.encode(), "stderr": self.run.err.encode()}
        for number, (kind, *facts) in enumerate(self.notes):
            shown = facts[:1] if kind == "child" else facts
            found[f"{kind} {number}"] = json.dumps(shown).encode()
        return found


def watched(folder: Path, *arguments: str | Path, **variables: str) -> Watched:
    """Run `sematic-oci`; notes are kept in the folder."""
    notes = folder / "notes"
    process = Popen(
        [sys.executable, "-c", _WATCH, *map(str, arguments)],
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        text=True,
        env={**os.environ, "WITNESS": str(notes), **variables},
    )
    run = end(process)
    lines = [json.loads(line) for line in notes.read_text().splitlines()]
    notes.unlink()
    return Watched(run, lines)


def files(*folders: Path) -> dict[str, bytes]:
    """All files below folders; layers also as the tars that they are."""
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                data = found[str(path)] = path.read_bytes()
                if tar := _tar(data):
                    found[f"tar in {path}"] = tar
    return found


def _tar(data: bytes) -> bytes:
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
    return b""


def leaks(secrets: Iterable[str], places: Mapping[str, bytes]) -> list[str]:
    """Where a secret is to be seen, in any form."""
    forms = {form for secret in secrets for form in _forms(secret)}
    return [
        f"{form!r} in {name}" for name, data in places.items() for form in forms if form in data
    ]


def _forms(secret: str) -> set[bytes]:
    """A secret as it is, as URLs, JSON and forms write it, and in base 64."""
    assert len(secret) > 7, "what is so short may be there by chance"
    texts = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    texts |= {json.dumps(secret)[1:-1], secret.replace("/", r"\/")}
    return {text.encode() for text in texts} | {b64encode(secret.encode()).rstrip(b"=")}
