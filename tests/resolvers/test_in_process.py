"""LocalResolver and SilentResolver: everything in this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.resolvers.step import Returned, State
from tests.resolvers.executors import Recorder
from tests.resolvers.pipelines import add, apart, broken, square, sum_of_squares

ROOT = Path(__file__).parents[2]


@sematic.func
def pipeline(number: int) -> list[int]:
    return [apart(number), square(apart(number))]


def test_a_pipeline_resolves_to_its_value() -> None:
    assert pipeline(2).resolve() == [3, 9]
    assert pipeline(2).resolve(sematic.LocalResolver()) == [3, 9]
    assert sematic.SilentResolver().resolve(pipeline(2)) == [3, 9]
    assert sum_of_squares([1, 2, 3]).resolve(sematic.SilentResolver()) == 14


def test_the_root_may_take_futures() -> None:
    assert add(square(2), square(3)).resolve(sematic.SilentResolver()) == 13


def test_everything_runs_in_this_thread_inline_or_not() -> None:
    @sematic.func(inline=False)
    def place() -> tuple[int, int]:
        return os.getpid(), threading.get_ident()

    assert place().resolve(sematic.SilentResolver()) == (os.getpid(), threading.get_ident())


def test_a_silent_resolver_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    pipeline(2).resolve(sematic.SilentResolver())
    with pytest.raises(sematic.PipelineError):
        broken(1).resolve(sematic.SilentResolver())
    assert capfd.readouterr() == ("", "")


def test_a_local_resolver_tells_what_happens_on_stderr(
    capfd: pytest.CaptureFixture[str],
) -> None:
    pipeline(2).set(name="main").resolve(sematic.LocalResolver())
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[:4] == [
        "SCHEDULED     main",
        "RAN           main",
        "SCHEDULED     apart (within main)",
        "RESOLVED      apart (within main)",
    ]
    assert err.splitlines()[-1] == "RESOLVED      main"


def test_a_local_resolver_tells_what_failed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(sematic.PipelineError):
        add(broken(1), 1).resolve(sematic.LocalResolver())
    assert capfd.readouterr().err.splitlines() == [
        "SCHEDULED     broken (within add)",
        "FAILED        broken (within add): ValueError: no good: 1",
        "NESTED_FAILED add: step 'broken' failed",
    ]


def test_listeners_hear_every_change() -> None:
    for kind in (sematic.SilentResolver, sematic.LocalResolver):
        recorder = Recorder()
        pipeline(1).resolve(kind(listener=recorder))
        assert recorder.count() == {State.RESOLVED: 4}


def test_a_failure_has_the_original_as_its_cause() -> None:
    with pytest.raises(sematic.PipelineError, match="step 'broken'") as caught:
        add(broken(1), 1).resolve(sematic.SilentResolver())
    cause = caught.value.__cause__
    assert isinstance(cause, ValueError)
    assert cause.__traceback__ is not None
    assert "Traceback" not in str(caught.value), "Python shows the cause's own"
    assert 'raise ValueError(f"no good' in caught.value.traceback


def test_nothing_runs_after_a_failure() -> None:
    ran = []

    @sematic.func
    def note(number: int) -> int:
        ran.append(number)
        return number

    @sematic.func
    def several() -> list[int]:
        return [note(1), broken(2), note(3), note(4)]

    with pytest.raises(sematic.PipelineError):
        several().resolve(sematic.SilentResolver())
    assert ran == [1]


def test_retries_run_the_func_again() -> None:
    tries = []

    @sematic.func(retry=sematic.RetrySettings((ConnectionError,), 3))
    def flaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionResetError("again")
        return len(tries)

    assert flaky().resolve(sematic.SilentResolver()) == 3


def test_a_func_that_comes_back_too_late_has_failed() -> None:
    @sematic.func(timeout_mins=1e-9)
    def slow() -> int:
        return 1

    with pytest.raises(sematic.PipelineError, match="not done within timeout_mins=1e-09"):
        slow().resolve(sematic.SilentResolver())


def test_a_cache_may_answer() -> None:
    class Always:
        def recall(self, key: str) -> Returned | None:
            return Returned(41)

        def remember(self, key: str, handle: Any) -> None:
            raise AssertionError

    @sematic.func(cache=True)
    def cached(number: int) -> int:
        raise AssertionError

    assert add(cached(1), 1).resolve(sematic.SilentResolver(cache=Always())) == 42


def test_an_interrupted_func_leaves_the_run_cancelled() -> None:
    @sematic.func
    def interrupted(number: int) -> int:
        raise KeyboardInterrupt

    recorder = Recorder()
    with pytest.raises(KeyboardInterrupt):
        add(interrupted(1), 1).resolve(sematic.SilentResolver(listener=recorder))
    assert recorder.final() == {"add": "CANCELED", "interrupted": "CANCELED"}


def test_control_c_cancels_a_run() -> None:
    script = """
import sematic, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)

@sematic.func
def waits() -> None:
    print("ready", flush=True)
    time.sleep(600)

waits().resolve()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "CANCELED      waits: interrupted" in err.splitlines()
    assert "KeyboardInterrupt" in err
    assert process.returncode != 0
