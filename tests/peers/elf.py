"""What a folder's programs and libraries are made for."""

from __future__ import annotations

from pathlib import Path

MACHINES = {"amd64": 62, "arm64": 183}


def machines(root: Path) -> set[int]:
    """The e_machine of every ELF file below a folder."""
    found = set()
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                head = file.read(20)
            if head[:4] == b"\x7fELF":
                found.add(int.from_bytes(head[18:20], "little"))
    return found
