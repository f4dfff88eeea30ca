"""Debian's control files: stanzas of fields (Debian Policy, "Control files and their fields")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

Stanza: TypeAlias = "dict[str, str]"
"""Fields by their names; lines that carry one on are kept as they are, with their indent."""


def stanzas(lines: Iterable[str]) -> Iterator[Stanza]:
    """The stanzas of a file, given line by line; comments are passed over."""
    found: Stanza = {}
    name = ""
    for line in (line.rstrip("\n") for line in lines):
        if not line.strip():
            if found:
                yield found
            found, name = {}, ""
        elif line[0] in " \t":
            if name:
                found[name] += f"\n{line}"
        elif not line.startswith("#"):
            name, _, value = line.partition(":")
            found[name] = value.strip()
    if found:
        yield found


def written(stanza: Stanza) -> str:
    """A stanza as it is written, without the empty line behind it."""
    lines = (
        f"{name}:{'' if value.startswith(chr(10)) else ' '}{value}"
        for name, value in stanza.items()
    )
    return "".join(f"{line}\n" for line in lines)
