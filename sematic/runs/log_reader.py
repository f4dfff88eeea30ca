"""What the steps of a run have written: kept in its store, or still at their pods."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import Full, Queue

from sematic.resolvers.documents import Documents
from sematic.resolvers.pod_logs import lines
from sematic.resolvers.pods import Pods, worker_name
from sematic.resolvers.records import RunRecord, StepRecord

DRIVER = "driver"
_AFTER_POD = frozenset({"RAN", "RESOLVED", "FAILED", "NESTED_FAILED"})
_CHUNK = 64 << 10
_AHEAD = 1000  # lines that are read before somebody wants them


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a step has written.

    :param step: its name; ``driver`` for what the driver has written, inline steps included.
    :param step_id: its id; the run's for the driver.
    :param text: without its end.
    """

    step: str
    step_id: str
    text: str


@dataclass(frozen=True, slots=True)
class _Source:
    """A pod that has written something: it has run a step once, or is the driver."""

    step: str
    step_id: str
    pod: str
    attempt: int = 0


class LogReader:
    """Reads the logs of one run.

    :param wanted: the name of a step, the beginning of its id, or ``driver``; "" for all.
    """

    def __init__(self, documents: Documents, pods: Pods, wanted: str = "") -> None:
        self._documents = documents
        self._pods = pods
        self._wanted = wanted
        self.has_found = not wanted
        """Whether there was such a step."""

    def written(self, record: RunRecord) -> Iterator[LogLine]:
        """What has been written so far, step by step."""
        for source in self._sources(record):
            yield from self._read(source, follow=False)

    def followed(self, changes: Iterable[RunRecord]) -> Iterator[LogLine]:
        """What is written by all steps at once, until the run has ended."""
        told = _Told()
        _started(self._follow, changes, told)
        try:
            while (line := told.queue.get()) is not None:
                if isinstance(line, BaseException):
                    raise line
                yield line
        finally:
            told.closed.set()

    def _follow(self, changes: Iterable[RunRecord], told: _Told) -> None:
        """Have a thread for each pod, as long as it writes."""
        threads: dict[_Source, threading.Thread] = {}
        try:
            for record in changes:
                for source in self._sources(record):
                    if source not in threads:
                        lines = self._read(source, follow=True)
                        threads[source] = _started(told.all, lines)
                if told.closed.is_set():
                    return
            for thread in threads.values():
                thread.join()
            told.put(None)
        except Exception as error:
            told.put(error)

    def _sources(self, record: RunRecord) -> Iterator[_Source]:
        """Pods that have begun to run, in the order in which their steps were."""
        has_begun = bool(record.steps) or record.is_ended
        if self._wanted in ("", DRIVER) and record.has_driver_pod and has_begun:
            self.has_found = True
            yield _Source(DRIVER, record.id, record.driver)
        for step in sorted(record.steps.values(), key=_began):
            if self._is_wanted(step):
                self.has_found = True
                yield from _pods_of(step)

    def _is_wanted(self, step: StepRecord) -> bool:
        return self._wanted in ("", step.name) or (
            len(self._wanted) >= 4 and step.id.startswith(self._wanted)
        )

    def _read(self, source: _Source, *, follow: bool) -> Iterator[LogLine]:
        is_empty = True
        for line in self._kept(source):
            is_empty = False
            yield line
        if is_empty:
            for data in lines(self._pods.logs(source.pod, follow=follow)):
                is_empty = False
                yield _line(source, data)
        if is_empty:  # then the pod was removed, after its log had been kept
            yield from self._kept(source)

    def _kept(self, source: _Source) -> Iterator[LogLine]:
        if not source.attempt:
            return
        log = self._documents.read_log(source.step_id, source.attempt)
        if log is not None:
            with closing(log):
                for data in lines(iter(lambda: log.read(_CHUNK), b"")):
                    yield _line(source, data)


class _Told:
    """Lines on their way from many threads to one reader, who may lose interest."""

    def __init__(self) -> None:
        self.queue: Queue[LogLine | BaseException | None] = Queue(_AHEAD)
        self.closed = threading.Event()

    def all(self, lines: Iterator[LogLine]) -> None:
        try:
            for line in lines:
                self.put(line)
                if self.closed.is_set():
                    return
        except Exception as error:
            self.put(error)

    def put(self, line: LogLine | BaseException | None) -> None:
        while not self.closed.is_set():
            with suppress(Full):
                self.queue.put(line, timeout=1)
                return


def _started(work: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, name=work.__qualname__, daemon=True)
    thread.start()
    return thread


def _line(source: _Source, data: bytes) -> LogLine:
    text = data.decode(errors="replace").removesuffix("\r")
    return LogLine(source.step, source.step_id, text)


def _began(step: StepRecord) -> float:
    return step.times.get("SCHEDULED", float("inf"))


def _pods_of(step: StepRecord) -> Iterator[_Source]:
    """The pods that a step has had; the last one may not have begun to run."""
    for attempt in range(1, step.attempts + 1):
        pod = worker_name(step.id, attempt)
        # One that was quick may have been seen only when it had ended.
        has_run = step.pod == pod or (not step.pod and step.state in _AFTER_POD)
        if attempt < step.attempts or has_run:
            yield _Source(step.name, step.id, pod, attempt)
