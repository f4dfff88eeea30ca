from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.function import find_function
from sematic.resolvers.documents import Documents, Small
from sematic.resolvers.pickling import Unpicklable
from sematic.resolvers.step import Expanded, Failed, Failure, Returned
from sematic.resolvers.stores import Artifact, open_store
from sematic.resources import KubernetesResourceRequirements, ResourceRequirements

LARGE = "x" * 100_000


@sematic.func
def double(number: int) -> int:
    return 2 * number


@sematic.func
def total(numbers: list[int], text: str = "") -> int:
    return sum(numbers)


@dataclass
class Point:
    x: int


class Broken(Exception):
    """Its pickle cannot be loaded."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    return Documents(open_store(str(tmp_path / "store")))


@pytest.mark.parametrize("value", [None, 1, "text", b"bytes", [1, {"a": (2,)}], Point(3), LARGE])
def test_a_value_comes_back_from_its_handle(value: Any, documents: Documents) -> None:
    handle = documents.keep(value, "it")
    assert isinstance(handle, Artifact if value is LARGE else Small)
    assert documents.load(handle) == value
    assert documents.keep(handle, "it") == handle


def test_equal_values_have_equal_handles(documents: Documents, tmp_path: Path) -> None:
    other = Documents(open_store(str(tmp_path / "other")))
    for value in ({"a": 1}, LARGE):
        assert documents.keep(value, "it") == other.keep(value, "it")


def test_what_a_step_is_to_do_goes_to_its_worker(documents: Documents) -> None:
    large, small = documents.keep([1, 2], ""), documents.keep(3, "")
    documents.write_input("id", total, {"numbers": [small, 4], "text": LARGE})
    assert documents.read_input("id") == (total, {"numbers": [3, 4], "text": LARGE})
    documents.write_input("id", total, {"numbers": large, "text": ""})
    assert documents.read_input("id") == (total, {"numbers": [1, 2], "text": ""})


def test_what_was_returned_goes_to_the_driver_as_a_handle(documents: Documents) -> None:
    assert documents.read_outcome("id", 1) is None
    for attempt, value in enumerate((5, LARGE, Point(1)), 1):
        documents.write_outcome("id", attempt, Returned(value))
        outcome = documents.read_outcome("id", attempt)
        assert isinstance(outcome, Returned) and documents.load(outcome.handle) == value


def test_futures_go_to_the_driver_with_handles_for_arguments(documents: Documents) -> None:
    requirements = ResourceRequirements(KubernetesResourceRequirements(requests={"cpu": "1"}))
    first = double(1).set(name="first", tags=["a"])
    second = double(first).set(inline=False, resource_requirements=requirements)
    last = total([first, second, 3], LARGE)
    documents.write_outcome("id", 1, Expanded({"last": last, "all": [first, last]}))
    outcome = documents.read_outcome("id", 1)
    assert isinstance(outcome, Expanded)
    read = outcome.value["last"]
    assert read is outcome.value["all"][1] and read is not last
    assert (read.id, read.function, read.type) == (last.id, total, int)
    numbers, text = read.arguments["numbers"], read.arguments["text"]
    assert isinstance(text, Artifact) and documents.load(text) == LARGE
    assert [number.id for number in numbers[:2]] == [first.id, second.id] and numbers[2] == 3
    assert numbers[0] is outcome.value["all"][0] is numbers[1].arguments["number"]
    assert (numbers[0].name, numbers[0].tags, numbers[0].arguments) == (
        *("first", ("a",)),
        {"number": 1},
    )
    assert numbers[1].inline is False and numbers[1].resource_requirements == requirements
    assert last.arguments["text"] == LARGE, "what was written stays as it was"


def test_a_chain_of_futures_may_be_long(documents: Documents) -> None:
    future = double(1)
    for _ in range(20_000):
        future = double(future)
    documents.write_run("run", future, {"image": "x"})
    read, facts = documents.read_run("run")
    assert facts == {"image": "x"} and read.id == future.id
    length = 0
    while isinstance(read, sematic.Future):
        read = read.arguments["number"]
        length += 1
    assert length == 20_001


def raised(error: BaseException) -> Failure:
    try:
        raise error
    except BaseException as caught:
        return Failure.of(caught)


def test_a_failure_comes_with_its_exception(documents: Documents) -> None:
    documents.write_outcome("id", 1, Failed(raised(KeyError("missing"))))
    outcome = documents.read_outcome("id", 1)
    assert isinstance(outcome, Failed)
    failure = outcome.failure
    assert isinstance(failure.exception, KeyError) and failure.exception.args == ("missing",)
    assert "test_documents.py" in failure.traceback and failure.message == "KeyError: 'missing'"
    assert "builtins.LookupError" in failure.exception_types


def unpicklable() -> Exception:
    return Exception(threading.Lock())


@pytest.mark.parametrize("make", [lambda: Broken(1, 2), unpicklable])
def test_an_exception_that_cannot_travel_is_told_as_text(
    make: Callable[[], Exception], documents: Documents
) -> None:
    documents.write_outcome("id", 1, Failed(raised(make())))
    outcome = documents.read_outcome("id", 1)
    assert isinstance(outcome, Failed) and outcome.failure.exception is None
    assert outcome.failure.traceback and outcome.failure.exception_types


@pytest.mark.parametrize(
    ("value", "kind"), [(threading.Lock(), "_thread.lock"), (lambda: 1, "function")]
)
def test_what_cannot_be_pickled_is_named(value: Any, kind: str, documents: Documents) -> None:
    with pytest.raises(Unpicklable, match=rf"argument 'x' \({kind}\) cannot be pickled"):
        documents.write_input("id", total, {"x": value})
    documents.write_outcome("id", 1, Returned([value]))
    outcome = documents.read_outcome("id", 1)
    assert isinstance(outcome, Failed) and outcome.failure.kind == "unpicklable"
    assert "its result (list) cannot be pickled" in outcome.failure.message


SCRIPT = """
import sys
from dataclasses import dataclass
import sematic
from sematic.resolvers.documents import Documents
from sematic.resolvers.pickling import call_main
from sematic.resolvers.stores import open_store

@dataclass
class Point:
    x: int

@sematic.func
def shift(point: Point) -> Point:
    return Point(point.x + 1)

if __name__ == "__main__":
    call_main("script")
    documents = Documents(open_store(sys.argv[1]))
    documents.write_input("id", shift, {"point": Point(1)})
    documents.write_run("run", shift(Point(2)), {})
    function, arguments = documents.read_input("id")
    assert function is shift and arguments == {"point": Point(1)}, (function, arguments)
"""


def test_what_the_launch_script_defines_is_found_elsewhere(
    tmp_path: Path, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    subprocess.run([sys.executable, tmp_path / "script.py", tmp_path / "store"], check=True)
    monkeypatch.syspath_prepend(tmp_path)
    shift = find_function("script:shift")
    function, arguments = documents.read_input("id")
    assert function is shift and arguments["point"].x == 1
    future, _ = documents.read_run("run")
    assert future.function is shift
    assert documents.load_all(dict(future.arguments))["point"].x == 2
