"""The command `sematic run` on real runs of this machine, as a user follows and steers them."""

from __future__ import annotations

import os
import pickle
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.command import Run, end
from tests.e2e.launching import Launcher, processes, record, wait

Start = Callable[..., "subprocess.Popen[str]"]
Command = Callable[..., Run]


@pytest.fixture
def start(launcher: Launcher) -> Start:
    """Begin `sematic run` in the project's folder."""

    def begin(*arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sematic.cli", "run", *map(str, arguments)],
            cwd=launcher.project,
            env={**os.environ, "PYTHONPATH": os.getcwd(), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return begin


@pytest.fixture
def sematic(start: Start) -> Command:
    return lambda *arguments, **variables: end(start(*arguments, **variables))


@pytest.fixture(scope="module")
def outcomes(launcher_of_all: Launcher, machine: Path) -> dict[str, str]:
    """The ids of a run that went well and of one that did not."""
    folders = {
        "SEMATIC_DATA_DIR": str(machine / "data"),
        "SEMATIC_CACHE_DIR": str(machine / "cache"),
    }
    told = launcher_of_all.outcomes("everything", "raises", **folders)
    return {name: outcome["id"] for name, outcome in told.items()}


@pytest.fixture
def waiting(launcher: Launcher, marks: Path) -> str:
    """A detached run that goes on until `marks/go` is there."""
    run_id: str = launcher.outcomes("waits", "--detach", MARKS=str(marks))["waits"]["id"]
    wait(lambda: "it is" in written(run_id), "the step writes nothing")
    return run_id


def written(run_id: str) -> str:
    from sematic.runs import find_place, find_run

    return "\n".join(line.text for line in find_run(run_id, find_place(pods="local")).logs())


def command_of(process: str) -> bytes:
    """The words of a process, none if it is gone."""
    with suppress(OSError):
        return Path("/proc", process, "cmdline").read_bytes()
    return b""


# Runs that have ended


def test_runs_are_listed_newest_first(sematic: Command, outcomes: dict[str, str]) -> None:
    listed = sematic("list", "--json").summary
    ids = [run["id"] for run in listed]
    assert ids.index(outcomes["raises"]) < ids.index(outcomes["everything"])
    assert next(run for run in listed if run["id"] == outcomes["everything"])["steps"] == {
        "RESOLVED": 11
    }
    lines = sematic("list").out.splitlines()
    assert lines[0].split() == ["ID", "STATE", "LAUNCHED", "TOOK", "NAME"]
    (line,) = (line for line in lines if outcomes["raises"].startswith(line.split()[0]))
    assert line.split()[1] == "FAILED" and "(step 'raises'" in line


def test_the_steps_of_a_run_are_a_tree(sematic: Command, outcomes: dict[str, str]) -> None:
    run = sematic("show", outcomes["everything"][:12])
    head, *steps, last = run.out.splitlines()
    assert head.startswith(f"run {outcomes['everything']}: everything RESOLVED, ")
    assert last == "RESOLVED"
    names = [step[14:32].rstrip() for step in steps]
    assert names[:3] == ["everything", "  nested", "    pair"]
    assert names.count("    add") == 2 and names.count("  add") == 1
    assert all(step.endswith(" s") for step in steps)
    shown = sematic("show", outcomes["everything"], "--json").summary
    assert [step["name"] for step in shown["steps"][:2]] == ["everything", "nested"]


def test_a_failure_is_shown_where_it_was(sematic: Command, outcomes: dict[str, str]) -> None:
    shown = sematic("show", outcomes["raises"]).out
    assert "\nNESTED_FAILED expands_to_a_failure" in shown
    (line,) = (line for line in shown.splitlines() if line.startswith("FAILED  "))
    assert line.split()[1] == "raises" and line.endswith("steps.Odd: no good: 3")
    assert shown.count("Traceback (most recent call last)") == 1


def test_logs_are_kept_by_step(sematic: Command, outcomes: dict[str, str]) -> None:
    lines = sematic("logs", outcomes["everything"]).out.splitlines()
    assert len(lines) == 3 and all(line.startswith("add | ") for line in lines)
    one = sematic("logs", outcomes["raises"], "raises").out
    assert one.startswith("Traceback") and one.endswith("steps.Odd: no good: 3\n")


def test_steps_without_a_log_say_where_it_is(sematic: Command, outcomes: dict[str, str]) -> None:
    run = sematic("logs", outcomes["everything"], "add_here")
    assert (run.code, run.out) == (0, "")
    assert f"runs within the driver, {socket.gethostname()}, process" in run.err
    run = sematic("logs", outcomes["everything"], "driver")
    assert run.code == 1 and f"is seen at {socket.gethostname()}" in run.err
    run = sematic("logs", outcomes["everything"], "divide")
    assert run.code == 1 and "has no step 'divide'; there are: add, add_here," in run.err


def test_how_a_run_ended_is_the_exit_code(sematic: Command, outcomes: dict[str, str]) -> None:
    assert sematic("wait", outcomes["everything"]) == Run(0, "RESOLVED\n", "")
    failed = sematic("wait", outcomes["raises"])
    assert failed.code == 1
    assert failed.out.startswith("FAILED: step 'raises' (tests.e2e.pipelines.steps:raises) of ")


def test_the_result_is_printed_or_kept(
    sematic: Command, outcomes: dict[str, str], tmp_path: Path
) -> None:
    assert sematic("result", outcomes["everything"]) == Run(0, "44\n", "")
    assert sematic("result", outcomes["everything"], "--pickle", tmp_path / "v") == Run(0, "", "")
    assert pickle.loads((tmp_path / "v").read_bytes()) == 44
    failed = sematic("result", outcomes["raises"])
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.startswith("sematic: step 'raises'") and failed.err.count("\n") == 1


def test_a_terminal_shows_the_same_tree(
    launcher: Launcher, outcomes: dict[str, str], waiting: str, marks: Path
) -> None:
    terminal, side = pty.openpty()
    command = [sys.executable, "-m", "sematic.cli", "run", "show", "-f", waiting]
    env = {**os.environ, "PYTHONPATH": os.getcwd(), "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        command, cwd=launcher.project, env=env, stdout=side, stderr=side
    ) as shown:
        os.close(side)
        seen = b""
        while b"running" not in seen:
            seen += os.read(terminal, 1 << 16)
        (marks / "go").touch()
        while True:
            try:
                seen += os.read(terminal, 1 << 16)
            except OSError:  # how Linux says that the other side is closed
                break
    os.close(terminal)
    assert shown.returncode == 0
    assert b"\x1b[36mSCHEDULED     waits" in seen and b"\x1b[32mRESOLVED      waits" in seen
    assert seen.rstrip().endswith(b"RESOLVED")


# Runs that go on


def test_a_run_is_followed_to_its_end(start: Start, waiting: str, marks: Path) -> None:
    logs, shown, waits = (
        start("logs", "-f", waiting),
        start("show", "-f", waiting),
        start("wait", waiting),
    )
    assert logs.stdout is not None and shown.stdout is not None
    assert logs.stdout.readline().startswith("waits | it is ")
    assert shown.stdout.readline().startswith(f"run {waiting}: waits SCHEDULED, ")
    assert shown.stdout.readline() == "SCHEDULED     waits: running\n"
    assert waits.poll() is None
    (marks / "go").touch()
    assert end(logs) == Run(0, "", "")
    last = end(shown).out.splitlines()
    assert last[0].startswith("RESOLVED      waits, ") and last[1:] == ["RESOLVED"]
    assert end(waits) == Run(0, "RESOLVED\n", "")


def test_ctrl_c_ends_the_following_and_nothing_else(
    start: Start, sematic: Command, waiting: str, marks: Path
) -> None:
    followers = [start("logs", "-f", waiting), start("show", "-f", waiting)]
    for follower in followers:
        assert follower.stdout is not None and follower.stdout.readline()
    followers.append(start("wait", waiting, "--debug"))
    wait(lambda: b"sematic.cli" in command_of(str(followers[-1].pid)), "no command")
    for follower in followers[:2]:
        follower.send_signal(signal.SIGINT)
        ended = end(follower)
        assert (ended.code, ended.err.splitlines()[0]) == (
            130,
            f"sematic: run {waiting} goes on; `sematic run cancel {waiting[:8]}` ends it",
        )
    unfinished = sematic("result", waiting)
    assert unfinished.code == 1 and "has no result yet: it is SCHEDULED" in unfinished.err
    (marks / "go").touch()
    assert end(followers[2]).code == 0


@pytest.mark.parametrize("options", [(), ("--detach",)], ids=["attached", "detached"])
def test_a_canceled_run_leaves_no_process(
    options: tuple[str, ...], launcher: Launcher, sematic: Command, marks: Path
) -> None:
    launch = launcher.start("hangs", *options, MARKS=str(marks))
    wait((marks / "hanging").exists, "the step does not run")
    run_id = sematic("list", "--json").summary[0]["id"]
    canceled = sematic("cancel", run_id)
    assert canceled.code == 0 and canceled.out.startswith("CANCELED")
    assert not processes(run_id)
    assert sematic("wait", run_id).code == 3
    states = {step.state for step in record(run_id).steps.values()}
    assert states == {"CANCELED"}
    assert "was cancel" in sematic("result", run_id).err or "on request" in canceled.out
    again = sematic("cancel", run_id)
    assert again.code == 0 and "has ended already" in again.err
    ended = end(launch)
    assert options or "RunCanceled" in ended.err


def test_a_run_whose_driver_and_its_guard_are_gone_is_told_to_have_failed(
    launcher: Launcher, start: Start, sematic: Command, marks: Path
) -> None:
    run_id = launcher.outcomes("hangs", "--detach", MARKS=str(marks))["hangs"]["id"]
    wait((marks / "hanging").exists, "the step does not run")
    follower = start("wait", run_id)
    for process in [each for each in os.listdir("/proc") if each.isdigit()]:
        words = command_of(process)
        if run_id.encode() in words and (b"--resolve" in words or b"pods.guard" in words):
            os.kill(int(process), signal.SIGKILL)
    wait(lambda: sematic("list", "--json").summary[0]["state"] == "FAILED", "it goes on")
    assert end(follower).code == 1
    failed = sematic("wait", run_id)
    assert failed.out == "FAILED: its driver died (its process is gone)\n"
    assert not processes(run_id)
