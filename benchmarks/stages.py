"""The stages of a push, told by where in the code a stack is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

STAGES = (
    *("imports", "scan", "plan", "cache", "read", "tar", "hash", "compress"),
    *("network", "waiting", "other"),
)
_HASH = re.compile(r"sha256|blake2b|\bdigest\(|\bhash\w*\.|\.update\(")
_COMPRESS = re.compile(r"compress|\bflush\(")
_READ = re.compile(r"\bread(into)?\(|\bopen\(|fstat\(|preadv?\(")
_WAIT = re.compile(r"/(threading|queue|concurrent/futures/\w+)\.py$")
_NETWORK = re.compile(r"/(socket|ssl|selectors)\.py$|/sematic/oci/registry/")


@dataclass(frozen=True)
class Place:
    """A line of a program.

    :param text: what is written there.
    """

    file: str
    function: str
    line: int
    text: str

    def __str__(self) -> str:
        *_, folder, name = ("", *self.file.split("/"))
        return f"{folder}/{name}:{self.line} {self.function}: {self.text}"


def stage(stack: Sequence[Place]) -> str:
    """:param stack: innermost first."""
    return next((name for name, is_in in _RULES if is_in(stack)), "other")


def _imports(stack: Sequence[Place]) -> bool:
    return any(place.file.startswith("<frozen importlib") for place in stack)


def _within(*parts: str) -> Callable[[Sequence[Place]], bool]:
    return lambda stack: any(part in place.file for place in stack for part in parts)


def _leaf(pattern: re.Pattern[str], *parts: str) -> Callable[[Sequence[Place]], bool]:
    """The innermost line is of such a kind, in code of such files."""
    return lambda stack: (
        bool(pattern.search(stack[0].text)) and any(part in stack[0].file for part in parts)
    )


_RULES: tuple[tuple[str, Callable[[Sequence[Place]], bool]], ...] = (
    ("imports", _imports),
    ("scan", _within("/oci/tree/", "/oci/environment/")),
    ("plan", _within("/oci/plan.py")),
    ("hash", _leaf(_HASH, "/sematic/oci/")),
    ("compress", _leaf(_COMPRESS, "/sematic/oci/")),
    ("read", _leaf(_READ, "/sematic/oci/files.py", "/oci/tar.py", "/oci/layer.py")),
    ("waiting", lambda stack: bool(_WAIT.search(stack[0].file))),
    ("tar", lambda stack: bool(re.search(r"/oci/(tar|layer|files)\.py$", stack[0].file))),
    ("cache", _within("/oci/cache.py", "/oci/memo.py")),
    ("network", lambda stack: any(_NETWORK.search(place.file) for place in stack)),
)
