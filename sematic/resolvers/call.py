"""Running a func here, and what came of it. Workers and resolvers in process share it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sematic.function import Function
from sematic.future import futures_in
from sematic.resolvers.step import Expanded, Failed, Failure, Outcome, Returned


def call(function: Function[..., Any], arguments: Mapping[str, Any]) -> Outcome:
    """Run a func with values.

    Whatever it raises is a failure, ``SystemExit`` too: a func that leaves the process has no
    result. ``KeyboardInterrupt`` is not the func's and goes on.
    """
    try:
        value = function.run(arguments)
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        message = f"it called sys.exit({error.code!r}), and so has no result: return instead"
        failure = Failure.of(error, "exit")
        return Failed(Failure("exit", message, failure.traceback, error, failure.exception_types))
    except BaseException as error:
        return Failed(Failure.of(error))
    return Returned(value) if next(futures_in(value), None) is None else Expanded(value)


def cast_result(function: Function[..., Any], value: Any) -> Returned | Failed:
    """What a func expanded to, once it holds values: its result."""
    try:
        return Returned(function.cast_result(value))
    except TypeError as error:
        return Failed(Failure.of(error))
