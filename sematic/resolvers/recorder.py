"""Keeps a run's record up to date while its driver runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from sematic.resolvers.loop import StateChanged
from sematic.resolvers.pickling import renamed
from sematic.resolvers.records import Records, RunRecord, Steered, StepRecord
from sematic.resolvers.step import State

_log = logging.getLogger("sematic.resolvers")
_REST_SECONDS = 0.5
_REST_RATIO = 50.0  # large runs cost no more of the driver's time than small ones
_LONGEST_REST_SECONDS = 5.0


class Recorder:
    """Writes a record, but not more often than its place likes; and every few seconds, to see
    whether somebody has canceled the run.

    :param canceled: called once when somebody else has canceled the run.
    """

    def __init__(self, records: Records, record: RunRecord, canceled: Callable[[], None]) -> None:
        self._records = records
        self._record = record
        self._canceled = canceled
        self.is_canceled = False
        """Whether somebody else has canceled the run."""
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._write_often, name="recorder", daemon=True)
        self._thread.start()

    def heard(self, change: StateChanged) -> None:
        """A step has changed (the loop's listener)."""
        step, now = change.step, time.time()
        with self._lock:
            known = self._record.steps.get(step.id)
            if known is None:
                parent = step.parent.id if step.parent else ""
                known = StepRecord(step.id, step.name, renamed(step.function.reference), parent)
                self._record.steps[step.id] = known
            known.state, known.reason = change.state.value, change.reason
            known.attempts = step.attempt if change.state is not State.CREATED else 0
            known.pod = step.place.removeprefix("pod ")
            known.times.setdefault(change.state.value, now)
            if step.parent is None and not change.state.is_terminal:  # else its result comes first
                self._record.state, self._record.reason = change.state.value, change.reason
        self._changed.set()

    def close(self, state: State, reason: str = "", traceback: str = "") -> None:
        """The run has ended: write that, whatever it takes."""
        if state is State.CANCELED:
            reason = self._reason_there() or reason
        with self._lock:
            record = self._record
            record.state, record.reason, record.traceback = state.value, reason, traceback
        self._closed.set()
        self._changed.set()
        self._thread.join()
        self._write()
        if self.is_canceled and record.state != State.CANCELED.value:
            record.state, record.reason = State.CANCELED.value, self._reason_there()
            self._write()

    def _reason_there(self) -> str:
        """Why somebody else has canceled the run, "" if nobody has."""
        with suppress(Exception):  # the place may be away
            there = self._records.read(self._record.id)
            if there is not None and there.state == State.CANCELED.value:
                return there.reason
        return ""

    def _write_often(self) -> None:
        while not self._closed.is_set():
            self._changed.wait(_LONGEST_REST_SECONDS)
            if self._closed.is_set():
                return
            self._changed.clear()
            began = time.thread_time()
            self._write()
            self._closed.wait(max(_REST_SECONDS, _REST_RATIO * (time.thread_time() - began)))

    def _write(self) -> None:
        with self._lock:
            self._record.updated = time.time()
            data = self._record.copy()
        try:
            self._records.write(data)
        except Steered:
            self.is_canceled = True
            self._canceled()
        except Exception as error:  # the run is worth more than what is told of it
            _log.warning("the record of run %s was not written: %s", data.id, error)
