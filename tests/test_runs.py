"""Runs as they are seen from outside, by records and stores that are written by hand."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from io import BytesIO
from pathlib import Path

import pytest

import sematic
from sematic.errors import PipelineError, RunCanceled
from sematic.oci.folders import data_folder
from sematic.resolvers.documents import Documents
from sematic.resolvers.pods.local import LocalPlace
from sematic.resolvers.records import RunRecord, StepRecord
from sematic.resolvers.stores import open_store
from sematic.runs import LogLine, Run, RunError, find_place, find_run, list_runs
from sematic.runs.live import fitting
from sematic.runs.report import TreeLine, duration_text, tree_text

ROOT = "a" * 31 + "0"
HERE = f"{socket.gethostname()}, process {os.getpid()}"


@pytest.fixture
def place() -> LocalPlace:
    return LocalPlace()


@pytest.fixture
def store(tmp_path: Path) -> Documents:
    return Documents(open_store((tmp_path / "store").as_uri()))


@pytest.fixture
def make(place: LocalPlace, tmp_path: Path) -> RunRecord:
    """A run that this process drives, with one step."""
    return RunRecord(
        id=ROOT,
        name="main",
        image="oci-layout:x@sha256:0",
        store=(tmp_path / "store").as_uri(),
        pods="local",
        state="SCHEDULED",
        driver=HERE,
        created=time.time(),
        updated=time.time(),
        steps={ROOT: step(ROOT, "main", state="SCHEDULED")},
    )


def step(
    id: str, name: str, parent: str = "", state: str = "RESOLVED", at: float = 1.0
) -> StepRecord:
    times = {"SCHEDULED": at, **({} if state == "SCHEDULED" else {state: at + 1.5})}
    pod = f"sematic-worker-{id}"
    return StepRecord(id, name, f"app:{name}", parent, state, pod=pod, attempts=1, times=times)


def written(place: LocalPlace, record: RunRecord) -> Run:
    place.records.write(record)
    return find_run(record.id)


def ended_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


# Finding


def test_a_run_is_found_by_the_beginning_of_its_id(place: LocalPlace, make: RunRecord) -> None:
    place.records.write(make)
    assert find_run("aaaa").record == make
    assert [run.id for run in list_runs()] == [ROOT]
    assert sematic.find_run is find_run


@pytest.mark.parametrize(
    ("run_id", "why"),
    [
        ("main", "'main' is no id of a run"),
        ("", "'' is no id of a run"),
        ("bbbb", "no run bbbb is known where the pods are local.\n`sematic run list` shows"),
        ("a", "several runs have ids that begin with a: a"),
    ],
)
def test_what_is_no_run_is_told(run_id: str, why: str, place: LocalPlace, make: RunRecord) -> None:
    place.records.write(make)
    make.id = "a" * 32
    place.records.write(make)
    with pytest.raises(RunError, match=why):
        find_run(run_id)


def test_the_place_is_where_the_project_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    assert find_place(project).kind == "local"
    (project / "pyproject.toml").write_text('[tool.sematic.pipelines]\npods = "podman"\n')
    assert find_place(project).kind == "podman"
    assert find_place(project, pods="local", namespace=None).kind == "local"


def test_a_run_in_podman_is_steered_by_podman(place: LocalPlace, make: RunRecord) -> None:
    make.pods = "podman"
    run = written(place, make)
    assert run._place.kind == "podman"


# Drivers that are gone


def test_a_run_goes_on_as_long_as_its_driver_is_there(place: LocalPlace, make: RunRecord) -> None:
    assert written(place, make).record.state == "SCHEDULED"


def test_nothing_is_known_of_drivers_elsewhere(place: LocalPlace, make: RunRecord) -> None:
    make.driver = f"elsewhere, process {ended_process()}"
    assert written(place, make).record.state == "SCHEDULED"


def test_a_run_whose_driver_is_gone_has_failed(place: LocalPlace, make: RunRecord) -> None:
    gone = ended_process()
    make.driver = f"{socket.gethostname()}, process {gone}"
    record = written(place, make).record
    assert (record.state, record.reason) == ("FAILED", f"its driver died (process {gone})")
    assert record.steps[ROOT].state == "CANCELED"
    assert place.records.read(ROOT) == record


def test_another_process_with_the_id_of_a_driver_is_no_driver(
    place: LocalPlace, make: RunRecord
) -> None:
    make.created = 1.0
    assert written(place, make).record.reason == f"its driver died (process {os.getpid()})"


def test_a_driver_in_a_pod_may_take_a_while_to_be_there(place: LocalPlace, make: RunRecord) -> None:
    make.driver = f"sematic-driver-{ROOT}"
    assert written(place, make).record.state == "SCHEDULED"
    make.created -= 60
    assert written(place, make).record.reason == "its driver died (its process is gone)"


def test_a_driver_that_dies_is_noticed_by_those_who_follow(
    place: LocalPlace, make: RunRecord
) -> None:
    with subprocess.Popen(["sleep", "600"]) as driver:
        make.driver = f"{socket.gethostname()}, process {driver.pid}"
        changes = written(place, make).changes()
        assert next(changes).state == "SCHEDULED"
        driver.kill()
    assert [record.state for record in changes] == ["FAILED"]


# Waiting, results


def test_waiting_ends_with_the_run(place: LocalPlace, make: RunRecord) -> None:
    run = written(place, make)
    make.state = "RESOLVED"
    threading.Timer(0.2, place.records.write, (make,)).start()
    assert run.wait().state == "RESOLVED"


def test_a_run_that_is_removed_is_told(place: LocalPlace, make: RunRecord) -> None:
    run = written(place, make)
    place.records.remove(ROOT)
    with pytest.raises(RunError, match=f"run {ROOT} was removed"):
        run.wait()


def test_the_result_is_the_value(place: LocalPlace, store: Documents, make: RunRecord) -> None:
    store.write_result(ROOT, store.keep({"a": [1, 2]}, "the result"))
    run = written(place, make)
    with pytest.raises(RunError, match="has no result yet: it is SCHEDULED"):
        run.result()
    make.state = "RESOLVED"
    assert written(place, make).result() == {"a": [1, 2]}


def test_a_run_that_failed_raises_what_its_launcher_saw(place: LocalPlace, make: RunRecord) -> None:
    make.state, make.reason, make.traceback = "FAILED", "step 'main' failed: no", "Traceback: no"
    make.steps[ROOT].state = "FAILED"
    with pytest.raises(PipelineError, match="step 'main' failed: no\n\nTraceback: no") as caught:
        written(place, make).result()
    error = caught.value
    assert (error.step, error.step_id, error.function) == ("main", ROOT, "app:main")


def test_a_canceled_run_has_no_result(place: LocalPlace, make: RunRecord) -> None:
    make.state = "CANCELED"
    with pytest.raises(RunCanceled, match=f"run {ROOT} was canceled"):
        written(place, make).result()


def test_what_is_canceled_ends_all_that_was_begun(place: LocalPlace, make: RunRecord) -> None:
    make.driver, make.created = f"sematic-driver-{ROOT}", time.time()
    with subprocess.Popen(["sleep", "600"], env={"SEMATIC_RUN_ID": ROOT}) as process:
        record = written(place, make).cancel()
        assert process.wait(30) == -9
    assert (record.state, record.reason) == ("CANCELED", "on request")
    assert record.steps[ROOT].state == "CANCELED"


# Logs


def test_logs_come_from_the_store_and_from_pods(
    place: LocalPlace, store: Documents, make: RunRecord
) -> None:
    make.driver = f"sematic-driver-{ROOT}"
    first, second, third = "b" * 32, "c" * 32, "d" * 32
    make.steps[ROOT].pod = "the driver"
    make.steps |= {
        second: step(second, "late", ROOT, "SCHEDULED", at=3),
        first: step(first, "early", ROOT, at=2),
        third: StepRecord(third, "never", "app:never", ROOT),
    }
    make.steps[first].attempts = 2
    make.steps[first].pod += "-2"
    store.write_log(first, 1, file_of(b"try\n"))
    store.write_log(first, 2, file_of(b"again\r\nand \xff"))
    pods = data_folder() / "pods" / ROOT
    for pod, text in {make.driver: "hello\n", f"sematic-worker-{second}": "live"}.items():
        (pods / pod).mkdir(parents=True)
        (pods / pod / "log").write_text(text)
    run = written(place, make)
    early = [LogLine("early", first, text) for text in ("try", "again", "and \ufffd")]
    late = LogLine("late", second, "live")
    assert list(run.logs()) == [LogLine("driver", ROOT, "hello"), *early, late]
    assert list(run.logs("early")) == early
    assert list(run.logs(second[:6])) == [late]
    assert list(run.logs("never")) == []
    assert [line.text for line in run.logs("driver")] == ["hello"]
    make.state = "RESOLVED"
    run = written(place, make)
    assert sorted(map(str, run.logs(follow=True))) == sorted(map(str, run.logs()))
    with pytest.raises(RunError, match="has no step 'x'; there are: early, late, main, never"):
        list(run.logs("x", follow=True))


def file_of(data: bytes) -> BytesIO:
    file = BytesIO()
    file.write(data)
    return file


def test_following_can_be_given_up(place: LocalPlace, make: RunRecord) -> None:
    pods = data_folder() / "pods" / ROOT / f"sematic-worker-{ROOT}"
    pods.mkdir(parents=True)
    (pods / "log").write_text("line\n" * 5000)
    lines = written(place, make).logs(follow=True)
    assert next(lines).text == "line"
    lines.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 30
    while "_Told.all" in {thread.name for thread in threading.enumerate()}:
        assert time.monotonic() < deadline
        time.sleep(0.05)


# What is shown


def test_a_tree_has_durations_and_reasons(make: RunRecord) -> None:
    a, b = "b" * 32, "c" * 32
    make.steps |= {a: step(a, "load", ROOT, "FAILED"), b: StepRecord(b, "mean", "app:mean", ROOT)}
    make.steps[a].reason, make.steps[a].attempts = "disk full\nbuy one", 2
    make.steps[ROOT].times["SCHEDULED"] = 100.0
    assert list(tree_text(make, 225.0)) == [
        "SCHEDULED     main     2m 05s  running",
        "FAILED          load    1.5 s  attempt 2, disk full",
        "CREATED         mean",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0 s"), (0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1m 00s"), (7265, "2h 01m")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_what_does_not_fit_on_a_terminal_is_what_went_well() -> None:
    states = ["RAN", *["RESOLVED"] * 10, "SCHEDULED", *["CREATED"] * 10, "FAILED"]
    lines = [TreeLine(state, str(number), "", "") for number, state in enumerate(states)]
    assert fitting(lines, 40) == (lines, 0)
    shown, hidden = fitting(lines, 15)
    assert [line.state for line in shown][:4] == ["RAN", "RESOLVED", "RESOLVED", "SCHEDULED"]
    assert (len(shown), hidden) == (15, 8)
    shown, hidden = fitting(lines, 4)
    assert [line.state for line in shown] == ["RAN", "SCHEDULED", "CREATED", "FAILED"]
