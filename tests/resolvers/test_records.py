from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from sematic.resolvers.file_records import FileRecords
from sematic.resolvers.records import RecordsError, RunRecord, Steered, StepRecord


@pytest.fixture
def records(tmp_path: Path) -> FileRecords:
    return FileRecords(tmp_path / "runs")


def record(run_id: str, state: str = "SCHEDULED", created: float = 1.0) -> RunRecord:
    step = StepRecord(run_id, "main", "app:main", state=state, times={"CREATED": 1.5})
    return RunRecord(
        id=run_id,
        name="main",
        image="example.com/app@sha256:0",
        store="file:///s",
        pods="local",
        state=state,
        created=created,
        tags=("a", "b"),
        steps={run_id: step},
    )


def test_what_is_written_is_read(records: FileRecords) -> None:
    records.write(record("abc"))
    assert records.read("abc") == record("abc")
    assert records.read("nothing") is None


def test_what_a_newer_version_adds_does_not_matter() -> None:
    import gzip
    import json

    document = json.loads(gzip.decompress(record("abc").to_bytes()))
    document["colour"] = "red"
    document["steps"]["abc"]["weight"] = 3
    assert RunRecord.from_bytes(gzip.compress(json.dumps(document).encode())) == record("abc")


@pytest.mark.parametrize("data", [b"", b"x", b"\x1f\x8b", RunRecord.to_bytes(record("a"))[:-9]])
def test_what_is_no_record_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="no record of a run"):
        RunRecord.from_bytes(data)


def test_the_beginning_of_an_id_is_enough(records: FileRecords) -> None:
    for run_id in ("abc1", "abc2", "b*"):
        records.write(record(run_id))
    assert records.read("abc1") == record("abc1")
    assert (records.read("b") or record("")).id == "b*"
    assert records.read("*") is None
    with pytest.raises(RecordsError, match="abc1, abc2"):
        records.read("ab")


def test_the_newest_is_listed_first(records: FileRecords) -> None:
    for created, run_id in enumerate(("a", "b", "c")):
        records.write(record(run_id, created=created))
    assert [each.id for each in records.list()] == ["c", "b", "a"]


def test_who_watches_sees_changes_until_the_end(records: FileRecords) -> None:
    records.write(record("abc", "SCHEDULED"))
    seen: list[str] = []
    states = ["RAN", "RESOLVED"]

    def watch() -> None:
        for each in records.watch("abc"):
            seen.append(each.state)
            if states:
                records.write(record("abc", states.pop(0)))

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join(30)
    assert seen == ["SCHEDULED", "RAN", "RESOLVED"]


def test_a_canceled_run_stays_canceled(records: FileRecords) -> None:
    records.write(record("abc"))
    before = time.time()
    records.cancel("abc")
    canceled = records.read("abc")
    assert canceled and canceled.state == "CANCELED" and canceled.updated >= before
    with pytest.raises(Steered):
        records.write(record("abc", "RAN"))
    records.write(record("abc", "CANCELED"))
    records.remove("abc")
    assert records.list() == []


def test_a_run_that_has_ended_is_not_canceled(records: FileRecords) -> None:
    records.write(record("abc", "RESOLVED"))
    records.cancel("abc")
    assert records.read("abc") == record("abc", "RESOLVED")


def test_a_thousand_steps_are_small() -> None:
    run = record("abc")
    for number in range(1000):
        step_id = f"{number:032x}"
        run.steps[step_id] = StepRecord(step_id, "step", "app.steps:step", "abc", "RESOLVED")
    assert len(run.to_bytes()) < 100_000
