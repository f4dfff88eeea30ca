"""Measure what driving a run costs: ``python -m benchmarks runs``.

1. A run of 1,000 steps, 200 at a time, on pods that answer at once: the driver's CPU time and how
   its memory grows. What the pods themselves do (write outcomes) is not counted.
2. A run of 100 steps that are processes of this machine, launched as a user does it.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import textwrap
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import sematic
from sematic.resolvers.documents import Documents
from sematic.resolvers.driver import Drive
from sematic.resolvers.file_records import FileRecords
from sematic.resolvers.pods import PodEvent, PodSpec
from sematic.resolvers.records import RunRecord
from sematic.resolvers.step import Returned
from sematic.resolvers.stores import open_store
from tests.e2e.launching import Launcher, make_environment

STEPS, AT_ONCE, REAL_STEPS, ROUNDS = 1000, 200, 100, 3


@sematic.func(inline=False)
def step(number: int) -> int:
    return number


@sematic.func
def total(numbers: list[int]) -> int:
    return sum(numbers)


@sematic.func
def pipeline(count: int) -> int:
    return total([step(number) for number in range(count)])


class Answering:
    """Pods that have ended when they are asked for, up to so many at a time."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._submitted: deque[PodSpec] = deque()
        self._events: deque[PodEvent] = deque()
        self._ready = threading.Semaphore(0)
        self.cpu = 0.0
        self.most = 0

    def submit(self, pod: PodSpec) -> None:
        self._submitted.append(pod)
        self.most = max(self.most, len(self._submitted))
        self._events.append(PodEvent(pod.name, "running"))
        self._ready.release()
        self._ready.release()

    def next(self, timeout: float | None = None) -> PodEvent | None:
        if not self._ready.acquire(timeout=timeout):
            return None
        if self._events:
            return self._events.popleft()
        began = time.thread_time()
        pod = self._submitted.popleft()
        self._documents.write_outcome(pod.step_id, 1, Returned(1))
        self.cpu += time.thread_time() - began
        return PodEvent(pod.name, "succeeded", exit_code=0)

    def delete(self, names: Sequence[str]) -> None:
        pass

    def logs(self, name: str, *, follow: bool = False) -> Iterator[bytes]:
        yield b"a line\n"

    def close(self) -> None:
        pass


class Nowhere:
    """The place of these pods."""

    kind = "local"

    def __init__(self, folder: Path) -> None:
        self.records = FileRecords(folder / "runs")
        self.answering = Answering(Documents(open_store(str(folder / "store"))))

    def pods(self, run: RunRecord, *, drives: bool = False) -> Answering:
        return self.answering

    def driver_loss(self, run: RunRecord) -> str:
        return ""

    def stop(self, run_id: str) -> None:
        pass


def main() -> None:
    loops = [_loop() for _ in range(ROUNDS)]
    print(f"{STEPS} steps, {loops[0][2]} at a time, on pods that answer at once")
    print(f"  driver's CPU a step {statistics.median(cpu for cpu, _, _ in loops) * 1000:6.2f} ms")
    print(f"  memory it took      {max(grown for _, grown, _ in loops) / 1024:6.1f} MiB")
    seconds = _real()
    print(f"{REAL_STEPS} steps that are processes of this machine")
    print(f"  wall time of a step {seconds / REAL_STEPS * 1000:6.0f} ms")


def _loop() -> tuple[float, float, int]:
    """CPU seconds a step, KiB that the process has grown by, pods at a time."""
    with tempfile.TemporaryDirectory(prefix="sematic-") as name:
        folder = Path(name)
        future = pipeline(STEPS)
        place = Nowhere(folder)
        store = (folder / "store").as_uri()
        run = RunRecord(future.id, "pipeline", "image@sha256:0", store, "local")
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        Drive(run, place, AT_ONCE).resolve(future)
        cpu = time.process_time() - began - place.answering.cpu
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        return cpu / STEPS, grown, place.answering.most


def _real() -> float:
    """Wall seconds of a run, image and all, when nothing has changed."""
    script = """
        import sematic

        @sematic.func(inline=False)
        def step(number: int) -> int:
            return number

        @sematic.func
        def pipeline(count: int) -> list[int]:
            return [step(number) for number in range(count)]

        if __name__ == "__main__":
            import sys
            pipeline(int(sys.argv[1])).resolve(sematic.CloudResolver(detach=False))
        """
    with tempfile.TemporaryDirectory(prefix="sematic-") as name:
        folder = Path(name)
        (folder / "project").mkdir()
        (folder / "project" / "launch.py").write_text(textwrap.dedent(script))
        launcher = Launcher(make_environment(folder / "venv"), folder / "project")
        variables = {f"SEMATIC_{kind}_DIR": str(folder / kind) for kind in ("DATA", "CACHE")}
        launcher.run("1", **variables)
        began = time.perf_counter()
        done = launcher.run(str(REAL_STEPS), **variables)
        assert done.code == 0, done.err
        return time.perf_counter() - began
