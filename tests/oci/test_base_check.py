"""What an image has as a base: each requirement, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sematic.oci.base import Base
from sematic.oci.base_check import BaseCheck, check_base, check_text
from sematic.oci.base_python import CUDA_LABEL, LIBC_LABEL, PYTHON_LABEL, find_base_python
from sematic.oci.delivery import deliver
from sematic.oci.errors import BaseError
from sematic.oci.events import Event, ignore
from sematic.oci.files import FileEntry
from sematic.oci.image import Image
from sematic.oci.layer import Layer
from sematic.oci.memo import Forgetful
from tests.oci.images import AMD64, base_of, layout, links

GLIBC = FileEntry.from_bytes("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", b"\x7fELF")
MUSL = FileEntry.from_bytes("lib/ld-musl-x86_64.so.1", b"\x7fELF" + bytes(9) + b"1.2.3\0")
MACHINES = {"x86_64": 62, "aarch64": 183}


def program(machine: str = "x86_64", loader: str = "ld-linux-x86-64.so.2") -> FileEntry:
    """What tells an interpreter's CPU and C library."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + bytes([MACHINES[machine], 0])
    head = head.ljust(792, b"\0") + f"/lib64/{loader}\0".encode()
    return FileEntry.from_bytes("usr/bin/python3.11", head.ljust(9000, b"\0"))


def glibc(version: str, path: str = "usr/lib/x86_64-linux-gnu/libc.so.6") -> FileEntry:
    banner = f"GNU C Library (Debian GLIBC {version}-9) stable release version {version}.\n"
    return FileEntry.from_bytes(path, b"\x7fELF" + bytes(5000) + banner.encode())


GOOD = (GLIBC, *links(usr__bin__python3="python3.11", bin="usr/bin"))


def base(folder: Path, *layers: Iterable[FileEntry], **config: Any) -> Base:
    image = Image(AMD64).append(*(Layer(f"{n}", entries) for n, entries in enumerate(layers)))
    deliver(image.configured(**config), layout(folder / "l"), ["latest"])
    return base_of(folder / "l")


def check(found: Base) -> BaseCheck:
    return check_base(found, Forgetful(), ignore)


def verdicts(found: BaseCheck) -> dict[str, str]:
    return {answer.requirement: answer.verdict for answer in found.answers}


def text(found: BaseCheck, requirement: str) -> str:
    return next(each.text for each in found.answers if each.requirement == requirement)


def test_a_base_has_an_interpreter_and_a_c_library_and_push_does_the_rest(tmp_path: Path) -> None:
    found = check(base(tmp_path, GOOD))
    assert verdicts(found) == {
        "interpreter": "yes",
        "C library": "yes",
        "architecture": "yes",
        "links": "yes",
        "home": "push",
        "entrypoint": "push",
    }
    assert found.is_base
    assert text(found, "interpreter") == "/usr/bin/python3, Python 3.11"
    assert text(found, "links") == "/bin -> usr/bin"


def test_an_image_that_push_made_has_all_of_it(tmp_path: Path) -> None:
    home = FileEntry.folder("sematic/home", 0o1777)
    config = {"env": {"HOME": "/sematic/home"}, "entrypoint": ["/sematic/bin/worker"]}
    found = check(base(tmp_path, GOOD, [home], **config))
    assert set(verdicts(found).values()) == {"yes"}
    assert text(found, "home") == "/sematic/home, writable under any user id"


def test_a_home_that_its_owner_alone_may_write_is_told(tmp_path: Path) -> None:
    home = FileEntry.folder("root", 0o700)
    found = check(base(tmp_path, [*GOOD, home], env={"HOME": "/root"}))
    assert text(found, "home") == "/root is not writable under any user id; push makes one"


@pytest.mark.parametrize(
    ("layers", "labels", "requirement", "said"),
    [
        ([[GLIBC]], {}, "interpreter", "it has no /usr/bin/python3"),
        (
            [[GLIBC, *links(opt__conda__bin__python3="python3.11")]],
            {},
            "interpreter",
            "none in /opt on its PATH (/opt/conda/bin/python3 is not on it)",
        ),
        ([GOOD], {PYTHON_LABEL: "3.12"}, "interpreter", "is Python 3.11, but the label"),
        ([links(usr__bin__python3="python3.11")], {}, "C library", "no loader of glibc or musl"),
        ([[*GOOD, *links(sematic="opt/x")]], {}, "links", "/sematic is a link to opt/x"),
        ([[*GOOD, program("aarch64")]], {}, "architecture", "its Python is for arm64, but"),
        (
            [GOOD, [FileEntry.from_bytes("usr/bin/.wh.python3", b"")]],
            {},
            "interpreter",
            "it has no /usr/bin/python3",
        ),
    ],
)
def test_what_is_lacking_is_said(
    layers: Sequence[Sequence[FileEntry]],
    labels: dict[str, str],
    requirement: str,
    said: str,
    tmp_path: Path,
) -> None:
    found = check(base(tmp_path, *layers, labels=labels))
    assert not found.is_base
    assert verdicts(found)[requirement] == "no"
    assert said in text(found, requirement)


@pytest.mark.parametrize(
    ("layers", "libc", "version"),
    [
        ([[*GOOD, glibc("2.36")]], "glibc", "2.36"),
        ([[*GOOD, glibc("2.31", "lib/x86_64-linux-gnu/libc-2.31.so")]], "glibc", "2.31"),
        ([[*GOOD, glibc("2.17", "usr/lib64/libc.so.6")]], "glibc", "2.17"),
        ([[*GOOD, glibc("2.36")], [glibc("2.39")]], "glibc", "2.39"),
        ([[MUSL, glibc("2.36"), *GOOD, program()]], "glibc", "2.36"),
        ([[*GOOD, MUSL, glibc("2.36"), program(loader="ld-musl-x86_64.so.1")]], "musl", "1.2"),
        ([GOOD], "glibc", ""),
    ],
    ids=["merged", "split", "red hat", "upgraded", "musl beside", "glibc beside", "silent"],
)
def test_the_c_library_is_the_one_that_python_asks_for_and_says_its_version(
    layers: Sequence[Sequence[FileEntry]], libc: str, version: str, tmp_path: Path
) -> None:
    found = check(base(tmp_path, *layers))
    assert found.python is not None
    assert (found.python.libc, found.python.libc_version) == (libc, version)
    assert text(found, "C library").startswith(f"{libc} {version}: " if version else f"{libc}: ")
    assert found.is_base


def test_a_label_says_the_version_of_the_c_library(tmp_path: Path) -> None:
    labels = {PYTHON_LABEL: "3.11", LIBC_LABEL: "glibc 2.36"}
    found = find_base_python(base(tmp_path, [GLIBC], labels=labels), Forgetful(), ignore)
    assert (found.libc, found.libc_version) == ("glibc", "2.36")


def test_what_a_check_found_lacking_is_lacking_for_push_whatever_labels_say(tmp_path: Path) -> None:
    memo = Forgetful()
    found = base(tmp_path, [GLIBC], labels={PYTHON_LABEL: "3.11"})
    assert not check_base(found, memo, ignore).is_base
    with pytest.raises(BaseError, match=r"cannot be a base: it has no /usr/bin/python3"):
        find_base_python(found, memo, ignore)


def test_the_distributions_of_a_base_are_listed(tmp_path: Path) -> None:
    site = "usr/lib/python3/dist-packages"
    lower = [
        FileEntry.from_bytes(f"{site}/numpy-1.24.2.dist-info/METADATA", b""),
        FileEntry.from_bytes(f"{site}/old-1.0.dist-info/METADATA", b""),
        FileEntry.from_bytes(f"{site}/egg-2.0.egg-info", b""),
        FileEntry.from_bytes("srv/data-1.0.dist-info", b""),
    ]
    upper = [FileEntry.from_bytes(f"{site}/.wh.old-1.0.dist-info", b"")]
    found = check(base(tmp_path, [*GOOD, *lower], upper))
    assert found.distributions == ("egg 2.0", "numpy 1.24.2")
    assert "distributions 2\n  egg 2.0\n  numpy 1.24.2" in "\n".join(check_text(found))


def test_cuda_is_known_by_its_label_or_by_its_libraries(tmp_path: Path) -> None:
    library = FileEntry.from_bytes("usr/local/cuda/lib64/libcudart.so.12", b"")
    assert check(base(tmp_path / "a", [*GOOD, library])).cuda == ("libcudart.so.12",)
    labels = {CUDA_LABEL: "nvidia-cublas-cu12==12.9.3.13"}
    assert check(base(tmp_path / "b", GOOD, labels=labels)).cuda == (labels[CUDA_LABEL],)


def test_a_base_is_read_once_for_its_check_and_for_push(tmp_path: Path) -> None:
    memo = Forgetful()
    told: list[Event] = []
    found = base(tmp_path, GOOD)
    first = check_base(found, memo, told.append)
    assert len(told) == 1
    for blob in (tmp_path / "l/blobs/sha256").iterdir():
        if blob.stat().st_size == found.layers[0].descriptor.size:
            blob.unlink()  # so that nobody reads it
    assert check_base(found, memo, told.append) == first
    assert find_base_python(found, memo, told.append).version == "3.11"
    assert len(told) == 1


def test_a_part_of_a_base_is_not_taken_for_all_of_it(tmp_path: Path) -> None:
    memo = Forgetful()
    upper = [FileEntry.from_bytes("usr/lib/python3/dist-packages/a-1.dist-info/METADATA", b"")]
    found = base(tmp_path, GOOD, upper)
    find_base_python(found, memo, ignore)
    assert check_base(found, memo, ignore).distributions == ("a 1",)


def test_labels_spare_push_the_reading_and_a_check_reads_all_the_same(tmp_path: Path) -> None:
    found = base(tmp_path, [GLIBC], labels={PYTHON_LABEL: "3.11", LIBC_LABEL: "glibc"})
    assert find_base_python(found, Forgetful(), ignore).version == "3.11"
    assert not check(found).is_base
