from __future__ import annotations

from pathlib import Path

import sematic
from sematic.resolvers.file_records import FileRecords
from sematic.resolvers.loop import StateChanged
from sematic.resolvers.recorder import Recorder
from sematic.resolvers.records import RunRecord
from sematic.resolvers.step import State, Step


@sematic.func
def one() -> int:
    return 1


def unexpected() -> None:
    raise AssertionError("nobody has canceled the run")


def state_of(record: RunRecord) -> str:
    """The state of its root step."""
    return record.steps[record.id].state if record.steps else ""


def test_a_run_has_not_ended_before_its_result_is_kept(tmp_path: Path) -> None:
    """Whoever waits for the run's end asks for its result then."""
    future = one()
    run = RunRecord(future.id, "one", "image", "store", "local")
    records = FileRecords(tmp_path)
    records.write(run)
    recorder = Recorder(records, run, unexpected)
    root = Step(future.id, future, None)
    watched = records.watch(run.id)
    for state in (State.SCHEDULED, State.RESOLVED):
        recorder.heard(StateChanged(root, state))
        seen = next(record for record in watched if state_of(record) == state.value)
        assert seen.state == "SCHEDULED"
    recorder.close(State.RESOLVED)
    assert next(watched).state == "RESOLVED"
