"""In which stage of a push a stack is; the innermost line first."""

from __future__ import annotations

import pytest

from benchmarks.stages import STAGES, Place, stage

OCI = "/somewhere/sematic/oci"


def place(file: str, text: str = "", function: str = "work") -> Place:
    return Place(file, function, 1, text)


@pytest.mark.parametrize(
    ("name", "stack"),
    [
        ("imports", [place("<frozen importlib._bootstrap>"), place(f"{OCI}/project.py")]),
        ("scan", [place("/python/os.py", "stat(path)"), place(f"{OCI}/tree/walk.py")]),
        ("plan", [place(f"{OCI}/plan.py"), place(f"{OCI}/project.py")]),
        ("hash", [place(f"{OCI}/layer.py", "diff_id.update(chunk)")]),
        ("compress", [place(f"{OCI}/layer.py", "data = stream.compress(chunk)")]),
        ("read", [place(f"{OCI}/tar.py", "data = os.read(descriptor, CHUNK)")]),
        ("tar", [place(f"{OCI}/tar.py", 'yield b"".join(parts)')]),
        ("network", [place("/python/socket.py", "recv_into(b)"), place(f"{OCI}/delivery.py")]),
        ("network", [place(f"{OCI}/registry/connections.py", "readline(limit)")]),
        ("waiting", [place("/python/threading.py", "waiter.acquire()"), place(f"{OCI}/tar.py")]),
        ("other", [place(f"{OCI}/project.py")]),
    ],
)
def test_a_stack_is_in_a_stage(name: str, stack: list[Place]) -> None:
    assert stage(stack) == name
    assert name in STAGES
