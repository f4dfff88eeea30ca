"""Files that cannot run where they go are found before anything is sent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sematic.oci.check import check_files
from sematic.oci.errors import BaseError
from sematic.oci.files import FileEntry, FileGroup
from sematic.oci.manifest import Platform

AMD64 = Platform("linux", "amd64")


def elf(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + machine.to_bytes(2, "little")


X86, ARM = elf(62), elf(183)
MACH_O = b"\xcf\xfa\xed\xfe" + bytes(20)


def group(**files: bytes) -> FileGroup:
    entries = [FileEntry.from_bytes(f"site/{name}", data) for name, data in files.items()]
    return FileGroup.of("thing 1.0", "distribution", "thing", entries)


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("thing/_core.cpython-311-x86_64-linux-gnu.so", ARM, "is for arm64"),
        ("thing/_core.abi3.so", ARM, "is for arm64"),
        ("thing/lib.so.1.2", elf(243), "is for riscv64"),
        ("thing/lib.so", elf(9999), "ELF number 9999"),
        ("thing/_core.cpython-311-darwin.so", MACH_O, "is for macOS"),
        ("thing/lib.dylib", MACH_O, "is for macOS"),
        ("thing/_core.pyd", b"MZ" + bytes(30), "is for Windows"),
        ("thing/_core.cpython-312-x86_64-linux-gnu.so", X86, "is for Python 3.12"),
        ("thing/_core.cpython-311-x86_64-linux-musl.so", X86, "is for musl"),
    ],
)
def test_a_native_file_for_something_else_is_an_error_that_names_it(
    name: str, data: bytes, why: str
) -> None:
    with pytest.raises(BaseError, match=why) as error:
        check_files([group(**{name: data})], AMD64, "3.11", "glibc")
    assert name in str(error.value) and "thing 1.0" in str(error.value)
    assert "--python" in str(error.value)


@pytest.mark.parametrize(
    "files",
    [
        {"_core.cpython-311-x86_64-linux-gnu.so": X86},
        {"_core.abi3.so": X86},
        {"attach_arm.so": ARM, "attach_x86.so": X86, "attach.dylib": MACH_O},
        {"empty.so": b""},
        {"linker_script.so": b"INPUT(-lm)"},
        {"data.bin": ARM},
    ],
)
def test_what_fits_passes(files: dict[str, bytes]) -> None:
    check_files([group(**files)], AMD64, "3.11", "glibc")


def test_a_c_library_nobody_knows_is_not_held_against_it() -> None:
    check_files([group(**{"_c.cpython-311-x86_64-linux-musl.so": X86})], AMD64, "3.11")


def test_unreadable_files_are_named_all_at_once(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text("x")
    (tmp_path / "a.py").chmod(0)
    (tmp_path / "c.py").chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    script = """
import sys
from sematic.oci.check import check_files
from sematic.oci.files import FileEntry, FileGroup
from sematic.oci.manifest import Platform
import os
entries = [FileEntry.from_file(n, n) for n in sorted(sys.argv[1:])]
os.setgid(12345); os.setuid(12345)
try:
    check_files([FileGroup.of("g", "source", "g", entries)], Platform("linux", "amd64"), "3.11")
except Exception as error:
    print(type(error).__name__, error)
"""
    run = subprocess.run(
        [sys.executable, "-c", script, *map(str, tmp_path.glob("*.py"))],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert run.stdout.startswith("FileError cannot read "), run.stderr
    assert "a.py" in run.stdout and "c.py" in run.stdout and "b.py" not in run.stdout
