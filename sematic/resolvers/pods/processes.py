"""Pods that are processes of this machine, or have one of it: a container engine's client.

    RUN/POD/log      what a pod writes; locked as long as it can still write
    RUN/POD/home     its home folder

As many run at a time as the machine has CPUs. One thread waits for all of them, and starts those
that had to wait.
"""

from __future__ import annotations

import fcntl
import math
import os
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from sematic.resolvers.pods.pods import Cause, PodEvent, PodsError, PodSpec
from sematic.resolvers.pods.process_table import open_process

_CHUNK = 64 << 10
_LOOK_SECONDS = 0.1
_GONE_SECONDS = 10.0
_KEPT_DAYS = 7


@dataclass(frozen=True, slots=True)
class Command:
    """What a pod is, as a process."""

    arguments: Sequence[str]
    env: Mapping[str, str]
    folder: Path


class Runtime(Protocol):
    """How pods become processes. Threads may share it."""

    def command(self, pod: PodSpec, folder: Path) -> Command:
        """The command of a pod.

        :param folder: the pod's own.
        :raises PodsError: there is none, as its image cannot be used.
        """

    def explain(self, pod: PodSpec, code: int) -> PodEvent | None:
        """The end of a pod whose process ended with a code that does not say all about it."""

    def remove(self, names: Sequence[str]) -> None:
        """Remove what pods leave beside their process, which has ended."""

    def close(self) -> None:
        """Nothing runs any more that it was asked for."""


@dataclass(slots=True, eq=False)
class _Process:
    """A pod's process, from when it has been asked for until it is gone."""

    pod: PodSpec
    command: Command
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    descriptor: int = -1
    deadline: float = math.inf
    ooms: int = 0
    end: PodEvent | None = None
    gone: threading.Event = field(default_factory=threading.Event)


class Processes:
    """The pods of one run.

    :param folder: the run's own.
    :param stack: closed with it.
    """

    def __init__(self, folder: Path, runtime: Runtime, stack: ExitStack) -> None:
        self._folder = folder
        self._runtime = runtime
        self._stack = stack
        self._places = max(2, len(os.sched_getaffinity(0)))
        self._events: SimpleQueue[PodEvent] = SimpleQueue()
        self._lock = threading.Lock()
        self._known: dict[str, _Process] = {}
        self._waiting: deque[_Process] = deque()
        self._started: deque[_Process] = deque()
        self._running: set[_Process] = set()
        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="processes", daemon=True)
        self._thread.start()

    def submit(self, pod: PodSpec) -> None:
        folder = self._folder / pod.name
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise PodsError(f"cannot make {folder}: {error.strerror}") from None
        try:
            process = _Process(pod, self._runtime.command(pod, folder), folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with self._lock:
            self._known[pod.name] = process
            if len(self._running) < self._places:
                self._start(process)
            else:
                self._waiting.append(process)
                reason = f"waits for one of {self._places} places on this machine"
                self._events.put(PodEvent(pod.name, "pending", None, reason))
        os.eventfd_write(self._wake, 1)

    def next(self, timeout: float | None = None) -> PodEvent | None:
        try:
            return self._events.get(timeout=timeout)
        except Empty:
            return None

    def delete(self, names: Sequence[str]) -> None:
        with self._lock:
            found = [self._known.pop(name) for name in names if name in self._known]
            for process in found:
                self._end(process, "deleted", "it was deleted")
        for process in found:
            process.gone.wait(_GONE_SECONDS)
        self._runtime.remove([process.pod.name for process in found])
        for name in names:
            shutil.rmtree(self._folder / name, ignore_errors=True)

    def logs(self, name: str, *, follow: bool = False) -> Iterator[bytes]:
        with suppress(FileNotFoundError), (self._folder / name / "log").open("rb") as log:
            while True:
                is_last = not follow or _is_free(log.fileno())
                while data := log.read(_CHUNK):
                    yield data
                if is_last:
                    return
                time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        self._is_closed = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._selector.close()
        os.close(self._wake)
        self._stack.close()
        with suppress(OSError):  # logs that nobody has read stay
            self._folder.rmdir()

    # The thread

    def _work(self) -> None:
        while not self._is_closed:
            with self._lock:
                while self._waiting and len(self._running) < self._places:
                    self._start(self._waiting.popleft())
                while self._started:
                    process = self._started.popleft()
                    self._selector.register(process.descriptor, selectors.EVENT_READ, process)
                deadline = min((each.deadline for each in self._running), default=math.inf)
            patience = None if deadline == math.inf else max(0.0, deadline - time.monotonic())
            for key, _ in self._selector.select(patience):
                if key.fd == self._wake:
                    os.eventfd_read(self._wake)
                else:
                    self._reap(key.data)
            self._look_at_the_clock()

    def _start(self, process: _Process) -> None:
        """Called with the lock held."""
        pod, command = process.pod, process.command
        try:
            with (process.folder / "log").open("ab") as log:
                fcntl.flock(log, fcntl.LOCK_EX)
                process.ooms = _ooms()
                process.process = subprocess.Popen(
                    list(command.arguments),
                    env=dict(command.env),
                    cwd=command.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            message = f"{command.arguments[0]} cannot be started: {error.strerror}"
            self._events.put(PodEvent(pod.name, "failed", "exit", message))
            process.gone.set()
            return
        if pod.timeout is not None:
            process.deadline = time.monotonic() + pod.timeout
        process.descriptor = open_process(process.process.pid)
        self._started.append(process)
        self._running.add(process)
        self._events.put(PodEvent(pod.name, "running"))

    def _reap(self, process: _Process) -> None:
        """Its process has ended: so do those that it has started, as in a container."""
        assert process.process is not None
        self._selector.unregister(process.descriptor)
        os.close(process.descriptor)
        with self._lock:
            _kill(process.process.pid)  # not reaped yet, so the id is still its own
            code = process.process.wait()
            self._running.remove(process)
        event = process.end or self._runtime.explain(process.pod, code) or _ended(process, code)
        shutil.rmtree(process.folder / "home", ignore_errors=True)
        process.gone.set()
        self._events.put(event)

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        with self._lock:
            for process in self._running:
                if process.deadline <= now:
                    process.deadline = math.inf
                    seconds = f"{process.pod.timeout:g}"
                    self._end(process, "timeout", f"it took longer than {seconds} seconds")

    def _end(self, process: _Process, cause: Cause, message: str) -> None:
        """Have a pod end, for a reason that is not its own. Called with the lock held."""
        event = PodEvent(process.pod.name, "failed", cause, message)
        if process in self._running:
            assert process.process is not None
            process.end = event
            _kill(process.process.pid)
        elif process in self._waiting:
            self._waiting.remove(process)
            self._events.put(event)
            process.gone.set()


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _is_free(log: int) -> bool:
    """Whether nobody can write to a log any more."""
    try:
        fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(log, fcntl.LOCK_UN)
    return True


def _ooms() -> int:
    """How many processes of this machine the kernel has killed for want of memory."""
    with suppress(OSError), open("/proc/vmstat") as file:
        for line in file:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _ended(process: _Process, code: int) -> PodEvent:
    name = process.pod.name
    if code == 0:
        return PodEvent(name, "succeeded", exit_code=0)
    if code > 0:
        return PodEvent(name, "failed", "exit", f"its process ended with exit code {code}", code)
    word = signal.Signals(-code).name
    if -code == signal.SIGKILL and _ooms() > process.ooms:
        message = "the kernel killed it, as there was not enough memory on this machine"
        return PodEvent(name, "failed", "oom", message, 128 - code)
    return PodEvent(name, "failed", "exit", f"its process was ended by {word}", 128 - code)


def remove_old(folder: Path) -> None:
    """Remove what pods of runs that ended days ago have left: logs that nobody deleted."""
    for run in folder.glob("*"):
        with suppress(OSError):
            if time.time() - run.stat().st_mtime > _KEPT_DAYS * 86400:
                shutil.rmtree(run, ignore_errors=True)
