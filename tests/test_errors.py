"""Errors: what they carry, and what they show."""

from __future__ import annotations

import pickle

import pytest

import sematic
from sematic.resolvers.step import Failure


def failed(traceback: str = "Traceback:\n  there\n") -> sematic.PipelineError:
    return sematic.PipelineError(
        "step 'add' failed",
        step="add",
        step_id="a1",
        function="shop:add",
        place="pod x",
        kind="exception",
        traceback=traceback,
    )


def test_every_error_is_a_sematic_error() -> None:
    for kind in (sematic.ConfigurationError, sematic.PipelineError, sematic.RunCanceled):
        assert issubclass(kind, sematic.SematicError)


def test_a_pipeline_error_shows_the_remote_traceback() -> None:
    assert str(failed()) == "step 'add' failed\n\nTraceback:\n  there"
    assert str(failed("")) == "step 'add' failed"


def test_a_traceback_that_python_shows_is_not_shown_twice() -> None:
    with pytest.raises(sematic.PipelineError) as caught:
        try:
            raise ValueError
        except ValueError as error:
            raise failed() from error
    assert str(caught.value) == "step 'add' failed"


def test_errors_survive_pickling() -> None:
    copy: sematic.PipelineError = pickle.loads(pickle.dumps(failed()))
    assert str(copy) == str(failed())
    assert vars(copy) == vars(failed())
    canceled = sematic.RunCanceled("run a1 was cancelled", run_id="a1")
    assert pickle.loads(pickle.dumps(canceled)).run_id == "a1"


@pytest.mark.parametrize(
    ("message", "brief"),
    [
        ("a\nb", "ValueError: a\nb"),
        ("a\nb\nc\nd", "ValueError: a\nb\nc ..."),
        ("x" * 5000, "ValueError: " + "x" * 988 + " ..."),
    ],
)
def test_a_long_message_is_cut_and_its_traceback_is_not(message: str, brief: str) -> None:
    failure = Failure.of(ValueError(message))
    assert failure.message == brief
    assert message in failure.traceback
