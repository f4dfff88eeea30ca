"""A run, as it is seen from outside of its driver."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from sematic.config import RunSettings, find_project
from sematic.errors import PipelineError, RunCanceled, SematicError
from sematic.resolvers.documents import Documents
from sematic.resolvers.pods import PodsError, open_place
from sematic.resolvers.pods.place import Place
from sematic.resolvers.records import ENDED, ON_REQUEST, RecordsError, RunRecord, abandon
from sematic.resolvers.stores import open_store
from sematic.runs.log_reader import DRIVER, LogLine, LogReader

_LOOK_SECONDS = 2.0
_PATIENCE_SECONDS = 10.0  # for a driver that is to end itself
_ID = re.compile(r"[0-9a-f]{1,32}")


class RunError(SematicError):
    """There is no such run, or it has not what is asked for."""


def list_runs(place: Place | None = None) -> list[Run]:
    """All runs there are, newest first.

    :param place: where; None for where the runs of this project are.
    :raises PodsError: the place cannot be reached.
    :raises RecordsError: what is known of the runs cannot be read.
    """
    place = place or find_place()
    return [Run(place, record) for record in place.records.list()]


def find_run(run_id: str, place: Place | None = None) -> Run:
    """A run, by its id or the beginning of it.

    :param place: where; None for where the runs of this project are.
    :raises RunError: there is none, or there are several.
    :raises PodsError: the place cannot be reached.
    """
    place = place or find_place()
    if not _ID.fullmatch(run_id):
        raise RunError(f"{run_id!r} is no id of a run: those are of 0 to 9 and a to f")
    try:
        record = place.records.read(run_id)
    except RecordsError as error:
        raise RunError(str(error)) from error
    if record is None:
        raise RunError(
            f"no run {run_id} is known where the pods are {place.kind}.\n"
            "`sematic run list` shows those that are; --pods and --namespace look elsewhere."
        )
    return Run(place, record)


def find_place(folder: Path | None = None, **arguments: str | None) -> Place:
    """Where the runs of a project are.

    :param folder: of the project; None for that of the script that runs.
    :param arguments: of :class:`sematic.config.RunSettings`, which win where they are not None.
    :raises ConfigurationError: a setting means nothing.
    :raises PodsError: the place cannot be used from here.
    """
    settings = find_project(folder, arguments).whereabouts()
    return open_place(replace(settings, share_registry_login=False))  # nothing is launched


class Run:
    """One run.

    :param record: what is known of it already.
    """

    def __init__(self, place: Place, record: RunRecord) -> None:
        # Runs in podman and those in processes of this machine are in the same list.
        is_other = place.kind != record.pods
        self._place = open_place(RunSettings(pods=record.pods)) if is_other else place
        self._record = record

    @property
    def id(self) -> str:
        return self._record.id

    @property
    def record(self) -> RunRecord:
        """What is known of it now.

        :raises RunError: it was removed.
        """
        if not self._record.is_ended:
            found = self._place.records.read(self.id)
            if found is None:
                raise RunError(f"run {self.id} was removed")
            self._record = _settled(self._place, found)
        return self._record

    def changes(self) -> Iterator[RunRecord]:
        """What is known of it, now and whenever that changes, until it has ended.

        A driver that is gone without a word is noticed within seconds.
        """
        if self.record.is_ended:
            yield self._record
            return
        with self._lookout():
            for record in self._place.records.watch(self.id):
                self._record = record
                yield record

    def wait(self) -> RunRecord:
        """Return when it has ended, however that may be.

        :raises RunError: it was removed.
        """
        for _ in self.changes():
            pass
        return self.record

    def logs(self, step: str = "", *, follow: bool = False) -> Iterator[LogLine]:
        """What its steps have written, step after step; as they write it, if followed.

        :param step: a step's name, or the beginning of its id; ``driver`` for what was written
            there, by inline steps too; "" for all.
        :raises RunError: there is no such step.
        """
        record = self.record
        if step == DRIVER and not record.has_driver_pod:
            raise RunError(f"what the driver of run {self.id} writes is seen at {record.driver}")
        pods = self._place.pods(record)
        reader = LogReader(Documents(open_store(record.store)), pods, step)
        try:
            yield from reader.followed(self.changes()) if follow else reader.written(record)
        finally:
            pods.close()
        if not reader.has_found:
            names = ", ".join(sorted({each.name for each in self.record.steps.values()}))
            raise RunError(f"run {self.id} has no step {step!r}; there are: {names or 'none yet'}")

    def cancel(self) -> RunRecord:
        """End it and all its pods. Does nothing where it has ended already.

        :return: what is known of it in the end.
        """
        record = self.record
        if record.is_ended:
            return record
        self._place.records.cancel(self.id)
        if not record.has_driver_pod:
            self._wait_for_driver()
        self._place.stop(self.id)
        record = self.record
        if record.state == "CANCELED" and not _has_settled(record):
            record.reason = record.reason or ON_REQUEST
            record.end_steps(record.reason, time.time())
            self._place.records.write(record)
        return record

    def result(self) -> Any:
        """Its value.

        :raises RunError: it has not ended.
        :raises PipelineError: it failed.
        :raises RunCanceled: it was canceled.
        :raises StoreError: its store cannot be read.
        """
        self._assert_resolved()
        return self._documents().read_result(self.id)

    def open_result(self) -> IO[bytes]:
        """The pickle of its value; raises as :meth:`result` does. Close it."""
        self._assert_resolved()
        return self._documents().open_result(self.id)

    def _documents(self) -> Documents:
        return Documents(open_store(self._record.store))

    def _assert_resolved(self) -> None:
        record = self.record
        if not record.is_ended:
            raise RunError(
                f"run {self.id} has no result yet: it is {record.state}.\n"
                f"`sematic run wait {self.id[:8]}` returns when it has ended."
            )
        if record.state == "CANCELED":
            raise RunCanceled(record.reason or f"run {self.id} was canceled", run_id=self.id)
        if record.state != "RESOLVED":
            failed = next((s for s in record.steps.values() if s.state == "FAILED"), None)
            raise PipelineError(
                record.reason,
                step=failed.name if failed else "",
                step_id=failed.id if failed else "",
                function=failed.function if failed else "",
                place=f"pod {failed.pod}" if failed and failed.pod else "",
                traceback=record.traceback,
            )

    def _wait_for_driver(self) -> None:
        """Give the process that has launched it time to end all that it has begun."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            record = self._place.records.read(self.id)
            if record is None or _has_settled(record) or self._place.driver_loss(record):
                return
            time.sleep(0.2)

    @contextmanager
    def _lookout(self) -> Iterator[None]:
        """Look now and then whether the driver is there; if not, the record will say so."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(_LOOK_SECONDS):
                with suppress(PodsError, RecordsError):  # the next time, then
                    record = self._place.records.read(self.id)
                    if record is None or _settled(self._place, record).is_ended:
                        return

        thread = threading.Thread(target=look, name="lookout", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()


def _has_settled(record: RunRecord) -> bool:
    return all(step.state in ENDED for step in record.steps.values())


def _settled(place: Place, record: RunRecord) -> RunRecord:
    """A run's record, in which a run does not go on whose driver is gone."""
    if record.is_ended:
        return record
    why = place.driver_loss(record)
    if not why:
        return record
    record = place.records.read(record.id) or record  # its last word may have come just now
    if not record.is_ended:
        place.stop(record.id)
        abandon(place.records, record.id, f"its driver died ({why})")
        record = place.records.read(record.id) or record
    return record
