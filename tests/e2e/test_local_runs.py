"""Runs on pods of this machine, launched as a user does it."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from sematic.resolvers.pods.local import LocalPlace
from tests.e2e.command import Run
from tests.e2e.launching import (
    Launcher,
    documents,
    driver_of,
    ended_record,
    make_project,
    newest_record,
    processes,
    record,
    wait,
)
from tests.oci.environment.installs import make_venv
from tests.peers.podman import Podman
from tests.projects import small_disk

# Runs that go well


def test_a_nested_pipeline_gives_its_value(launcher: Launcher) -> None:
    done = launcher.run("everything")
    assert done.code == 0, done.err
    outcome = json.loads(done.out)
    assert outcome["value"] == 44
    run = record(outcome["id"])
    assert (run.state, run.pods) == ("RESOLVED", "local")
    assert {step.state for step in run.steps.values()} == {"RESOLVED"}
    (inline,) = (step for step in run.steps.values() if step.name == "everything")
    assert inline.pod == "the driver"
    assert "add | 14 and 30 in process" in done.err
    assert "RESOLVED      total (within nested)" in done.err
    assert documents(run).read_result(run.id) == 44
    (outer,) = (s for s in run.steps.values() if s.name == "add" and s.parent == run.id)
    with documents(run).read_log(outer.id, 1) or pytest.fail("no log") as log:
        assert log.read().startswith(b"14 and 30 in process")


def test_a_detached_run_outlives_its_launcher(launcher: Launcher, marks: Path) -> None:
    launch = launcher.start("waits", "--detach", MARKS=str(marks))
    out, err = launch.communicate(timeout=120)
    assert launch.returncode == 0, err
    outcome = json.loads(out)
    assert outcome["value"] == outcome["id"]
    assert not record(outcome["id"]).is_ended
    wait(lambda: processes(outcome["id"]), "no driver")
    assert launch.pid not in {os.getsid(each) for each in processes(outcome["id"])}
    (marks / "go").touch()
    run = ended_record(outcome["id"])
    assert (run.state, run.driver) == ("RESOLVED", f"sematic-driver-{run.id}")
    assert documents(run).read_result(run.id) == 1
    wait(lambda: not processes(run.id), "the driver is still there")


def test_a_future_that_is_resolved_again_is_another_run(launcher: Launcher) -> None:
    done = launcher.run("same", "same")
    assert done.code == 0, done.err
    assert [json.loads(line)["value"] for line in done.out.splitlines()] == [30, 30]
    runs = [run for run in LocalPlace().records.list() if run.name == "of_the_script"]
    assert [run.state for run in runs] == ["RESOLVED", "RESOLVED"]
    assert [list(run.steps) for run in runs] == [[run.id] for run in runs]


def test_a_pod_sees_its_image_and_nothing_else(launcher: Launcher) -> None:
    outcome = launcher.outcomes("about_itself", "imports", VIRTUAL_ENV="x", PYTHONPATH="")
    seen = outcome["about_itself"]["value"]
    root = seen["folder"].removesuffix("/sematic/src")
    assert seen["prefix"] == seen["VIRTUAL_ENV"] == f"{root}/sematic/venv"
    assert (seen["MODE"], seen["PYTHONPATH"]) == ("test", "")
    assert {root in part for part in seen["path"].split(":") if "site-packages" in part} == {True}
    assert str(launcher.project) not in seen["path"]
    assert not Path(seen["home"]).exists()
    assert outcome["imports"]["cause"] == "ModuleNotFoundError(\"No module named 'pytest'\")"


def test_what_a_step_writes_is_shown_while_it_runs(launcher: Launcher, marks: Path) -> None:
    launch = launcher.start("waits", MARKS=str(marks))
    assert launch.stderr is not None
    line = next(line for line in launch.stderr if line.startswith("waits | it is "))
    assert time.time() - float(line.rpartition(" ")[2]) < 10  # 0.1 s, but for the machine's load
    assert launch.poll() is None
    (marks / "go").touch()
    assert launch.communicate(timeout=120)[0].endswith('"value": 1}\n')


def test_a_cached_step_runs_once(launcher: Launcher, marks: Path) -> None:
    launcher.outcomes("remembered", "remembered", MARKS=str(marks))
    assert len(list(marks.iterdir())) == 1
    assert newest_record().steps[newest_record().id].reason == "cached"


@pytest.mark.parametrize("limit", ["1", ""])
def test_no_more_steps_run_at_a_time_than_asked_for(
    limit: str, launcher: Launcher, marks: Path
) -> None:
    outcome = launcher.outcomes("many", MARKS=str(marks), LIMIT=limit)
    most = outcome["many"]["value"]
    assert most == 1 if limit else 1 < most <= max(2, os.cpu_count() or 1)


# Steps that fail


def test_each_failure_is_told_by_name(launcher: Launcher) -> None:
    told = launcher.outcomes("leaves", "vanishes", "exits", "crashes", "gives_a_lock", "never_ends")
    kinds = {name: each["kind"] for name, each in told.items()}
    assert kinds == {
        "leaves": "exit",
        "vanishes": "no-result",
        "exits": "exit",
        "crashes": "exit",
        "gives_a_lock": "unpicklable",
        "never_ends": "timeout",
    }
    for name, words in {
        "leaves": "it called sys.exit(0)",
        "vanishes": "without a result: was os._exit called?",
        "exits": "exit code 7",
        "crashes": "ended by SIGSEGV",
        "gives_a_lock": ": its result (_thread.lock) cannot be pickled",
    }.items():
        assert words in told[name]["message"]
        assert told[name]["message"].startswith(f"step '{name}' (tests.e2e.pipelines.steps:{name})")


def test_an_exception_comes_with_its_traceback_and_as_the_cause(launcher: Launcher) -> None:
    told = launcher.outcomes("raises")["raises"]
    assert told["cause"] == "Odd('no good: 3')"
    assert "step 'raises' (tests.e2e.pipelines.steps:raises) of " in told["message"]
    assert 'steps.py", line ' in told["text"] and "in raises" in told["text"]
    run = record(told["id"])
    states = {step.name: step.state for step in run.steps.values()}
    assert states == {
        "expands_to_a_failure": "NESTED_FAILED",
        "raises": "FAILED",
        "add": "CANCELED",
    }
    assert run.state == "FAILED" and "in raises" in run.traceback


def test_a_step_is_tried_again_as_it_asks_for(launcher: Launcher, marks: Path) -> None:
    assert launcher.outcomes("fails_twice", MARKS=str(marks))["fails_twice"]["value"] == 3


def test_a_full_disk_fails_the_step_with_the_reason(launcher: Launcher, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "2m") as disk:
        told = launcher.outcomes("large", SEMATIC_STORE=(disk / "store").as_uri())["large"]
    assert told["kind"] == "store"
    assert "No space left on device" in told["message"]


@pytest.mark.parametrize("kind", ["folder", "registry"])
def test_a_store_that_cannot_be_reached_is_an_error_before_anything_is_launched(
    kind: str, launcher: Launcher, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    url = {"folder": (tmp_path / "file" / "s").as_uri(), "registry": "registry://127.0.0.1:1/s"}
    done = launcher.run("about_itself", SEMATIC_STORE=url[kind], SEMATIC_PODS="local")
    assert (done.code, done.out) == (1, ""), done.err
    why = {"folder": "Not a directory", "registry": "127.0.0.1:1 was not reached"}
    assert why[kind] in done.err.rpartition("StoreError: ")[2]
    assert "\nrun " not in done.err


# Runs that are ended


@pytest.mark.parametrize("how", ["Ctrl-C", "canceled elsewhere"])
def test_a_canceled_run_leaves_no_process(how: str, launcher: Launcher, marks: Path) -> None:
    launch = launcher.start("hangs", MARKS=str(marks))
    wait((marks / "hanging").exists, "the step does not run")
    run = newest_record()
    assert len(processes(run.id)) == 2  # the step, and what it has started
    if how == "Ctrl-C":
        launch.send_signal(signal.SIGINT)
    else:
        LocalPlace().records.cancel(run.id)
    _, err = launch.communicate(timeout=120)
    assert launch.returncode != 0
    assert f"RunCanceled: run {run.id}" in err
    assert not processes(run.id)
    canceled = record(run.id)
    assert {canceled.state, *(step.state for step in canceled.steps.values())} == {"CANCELED"}


@pytest.mark.parametrize("options", [(), ("--detach",)], ids=["attached", "detached"])
def test_a_killed_driver_leaves_no_process_and_a_failed_run(
    options: tuple[str, ...], launcher: Launcher, marks: Path
) -> None:
    launch = launcher.start("hangs", *options, MARKS=str(marks))
    wait((marks / "hanging").exists, "the step does not run")
    run = newest_record()
    driver = launch.pid
    if options:
        driver = driver_of(run.id)
    os.kill(driver, signal.SIGKILL)
    launch.communicate(timeout=120)
    ended = ended_record(run.id)
    assert (ended.state, ended.reason) == ("FAILED", f"its driver died (process {driver})")
    wait(lambda: not processes(run.id), "a process is left")


def test_a_driver_that_cannot_begin_ends_its_run(launcher: Launcher, tmp_path: Path) -> None:
    elsewhere = Launcher(launcher.python, make_project(tmp_path / "project"))
    steps = elsewhere.project / "tests" / "e2e" / "pipelines" / "steps.py"
    only_here = 'if "ON_SEMATIC_WORKER" in os.environ:\n    raise OSError("not in pods")\n'
    steps.write_text(f"{steps.read_text()}\n{only_here}")
    run = ended_record(elsewhere.outcomes("exits", "--detach")["exits"]["id"])
    assert (run.state, run.reason) == ("FAILED", "the driver failed: OSError: not in pods")


def test_stopping_a_run_ends_its_driver_too(launcher: Launcher, marks: Path) -> None:
    run_id = launcher.outcomes("hangs", "--detach", MARKS=str(marks))["hangs"]["id"]
    wait((marks / "hanging").exists, "the step does not run")
    LocalPlace().records.cancel(run_id)
    LocalPlace().stop(run_id)
    assert not processes(run_id)
    assert record(run_id).state == "CANCELED"


# What is refused before anything is made


OWN = """
import sematic
from sematic import CloudResolver

@sematic.func
def own(number: int) -> int:
    return number

own(1).resolve(CloudResolver())
"""


def assert_refused(done: Run, why: str, place: Path) -> None:
    assert (done.code, done.out) == (1, ""), done.err
    assert f"ConfigurationError: {why}" in done.err
    assert not place.exists()


def test_a_script_that_pods_would_launch_again_is_refused_before_an_image_is_made(
    launcher: Launcher, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    folder = tmp_path / "unguarded"
    folder.mkdir()
    (folder / "launch.py").write_text(OWN)
    elsewhere = Launcher(launcher.python, folder)
    done = elsewhere.run(SEMATIC_REPOSITORY=f"oci-layout:{made}")
    assert_refused(done, f"{folder}/launch.py, line 9 would launch the run again", made)


def test_funcs_that_pods_cannot_import_are_refused_before_an_image_is_made(
    launcher: Launcher, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    done = launcher.run(OWN, script="-c", SEMATIC_REPOSITORY=f"oci-layout:{made}")
    assert_refused(done, "pods cannot import own: they are defined interactively", made)


def test_an_environment_without_sematic_is_refused_before_an_image_is_made(
    launcher: Launcher, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    bare = make_venv(tmp_path / "bare")
    project = make_project(tmp_path / "project", f'none"\npython = "{bare}')
    elsewhere = Launcher(launcher.python, project)
    done = elsewhere.run("everything", SEMATIC_REPOSITORY=f"oci-layout:{made}")
    assert_refused(done, f"{bare} goes into the image", made)
    assert "has no sematic" in done.err


# In containers


@pytest.fixture
def in_containers(
    launcher: Launcher,
    base_layout: Path,
    podman: Podman,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Launcher:
    """A launcher of the same project on a base, whose pods are containers."""
    monkeypatch.setenv("PATH", f"{podman.program()}:{os.environ['PATH']}")
    monkeypatch.setenv("SEMATIC_PODS", "podman")
    base = f"oci-layout:{base_layout}:worker"
    return Launcher(launcher.python, make_project(tmp_path / "project", base))


def test_the_same_steps_run_in_containers(in_containers: Launcher, podman: Podman) -> None:
    told = in_containers.outcomes("everything", "raises", "exits")
    assert told["everything"]["value"] == 44
    assert told["raises"]["cause"] == "Odd('no good: 3')"
    assert 'File "/sematic/src/tests/e2e/pipelines/steps.py"' in told["raises"]["text"]
    assert "exit code 7" in told["exits"]["message"]
    run = record(told["everything"]["id"])
    assert run.pods == "podman"
    (outer,) = (s for s in run.steps.values() if s.name == "add" and s.parent == run.id)
    with documents(run).read_log(outer.id, 1) or pytest.fail("no log") as log:
        assert log.read() == b"14 and 30 in process 1\n"
    assert podman.command("ps", "--all", "--quiet") == ""


def test_a_killed_driver_leaves_no_container(in_containers: Launcher, podman: Podman) -> None:
    run_id = in_containers.outcomes("sleeps", "--detach")["sleeps"]["id"]
    wait(lambda: podman.command("ps", "--quiet"), "no container runs")
    os.kill(driver_of(run_id), signal.SIGKILL)
    assert ended_record(run_id).state == "FAILED"
    assert podman.command("ps", "--all", "--quiet") == ""
    assert not processes(run_id)


def test_an_image_without_a_base_is_refused_by_name(
    in_containers: Launcher, launcher: Launcher
) -> None:
    told = launcher.outcomes("exits")["exits"]
    assert told["kind"] == "refused" and "has no base, and so no interpreter" in told["message"]
