"""What runs in pods: ``python3 -m sematic.resolvers.worker --run_id ID [--resolve]``.

A worker runs one step and writes what came of it; the driver (``--resolve``) resolves a run. Exit
code 0 says that there is a result, 1 that there is none.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from sematic.errors import SematicError
from sematic.oci.errors import OCIError
from sematic.resolvers.call import call
from sematic.resolvers.documents import Documents
from sematic.resolvers.pods import PodsError
from sematic.resolvers.records import RecordsError
from sematic.resolvers.step import Failed, Failure, Outcome
from sematic.resolvers.stores import StoreError, open_store

_TERMINATED = 128 + signal.SIGTERM


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    os.environ.setdefault("ON_SEMATIC_WORKER", "1")
    signal.signal(signal.SIGTERM, _end)
    store = os.environ.get("SEMATIC_STORE")
    if not store:
        return _say("SEMATIC_STORE is not set: only drivers and launchers start workers")
    try:
        documents = Documents(open_store(store))
        if options.resolve:
            return _drive(options.run_id, documents, options.max_parallelism)
        if options.check:
            documents.check()
            return 0
        return _run(options.run_id, documents)
    except (SematicError, StoreError, OCIError, PodsError, RecordsError) as error:
        return _say(str(error))
    except KeyboardInterrupt:
        return _TERMINATED


def _run(step_id: str, documents: Documents) -> int:
    """Run one step."""
    from sematic.resolvers.lifeline import hold_on

    hold_on()
    outcome = _outcome(step_id, documents)
    if isinstance(outcome, Failed):
        sys.stderr.write(outcome.failure.traceback or f"{outcome.failure.message}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    attempt = int(os.environ.get("SEMATIC_ATTEMPT") or 1)
    try:
        return 0 if documents.write_outcome(step_id, attempt, outcome) else 1
    except StoreError as error:  # the store may have room for this at least
        failure = Failure("store", str(error), infrastructure=error.is_passing)
        documents.write_outcome(step_id, attempt, Failed(failure))
        return _say(str(error))


def _outcome(step_id: str, documents: Documents) -> Outcome:
    try:
        function, arguments = documents.read_input(step_id)
    except (StoreError, KeyboardInterrupt):
        raise
    except BaseException as error:  # whatever the user's modules do when they are imported
        return Failed(Failure.of(error))
    return call(function, arguments)


def _drive(run_id: str, documents: Documents, max_parallelism: int | None) -> int:
    """Resolve a run."""
    from sematic.config import RunSettings
    from sematic.resolvers.driver import Drive, abandoning
    from sematic.resolvers.pods import open_place

    settings = {**documents.read_facts(run_id)["settings"]}
    settings["image_pull_secrets"] = tuple(settings["image_pull_secrets"])
    place = open_place(RunSettings(**settings))
    run = place.records.read(run_id)
    if run is None:
        return _say(f"run {run_id} has no record; was it removed?")
    if run.is_ended:
        return _say(f"run {run_id} is {run.state} already")
    with abandoning(run, place):
        future, _ = documents.read_run(run_id)
        Drive(run, place, max_parallelism).resolve(future)
    return 0


def _say(message: str) -> int:
    sys.stderr.write(f"sematic: {message}\n")
    return 1


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sematic-worker")
    parser.add_argument("--run_id", required=True, help="the step, or the run if it is resolved")
    parser.add_argument("--resolve", action="store_true", help="drive the run")
    parser.add_argument("--check", action="store_true", help="try the store, and run nothing")
    parser.add_argument("--max-parallelism", type=int, default=None)
    return parser


if __name__ == "__main__":
    sys.exit(main())
