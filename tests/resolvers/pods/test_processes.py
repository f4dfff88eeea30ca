from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sematic.resolvers.pods import PodEvent, PodsError, PodSpec
from sematic.resolvers.pods.process_table import end_processes, open_process
from sematic.resolvers.pods.processes import Command, Processes

SECONDS = 60
MIB = 1 << 20


class Scripts:
    """A runtime whose pods run the Python code that is their argument."""

    def command(self, pod: PodSpec, folder: Path) -> Command:
        if not pod.arguments:
            raise PodsError("there is no code")
        program = "python-that-is-not-there" if pod.arguments[0] == "missing" else sys.executable
        return Command([program, "-c", *pod.arguments], {**os.environ, **pod.env}, folder)

    def explain(self, pod: PodSpec, code: int) -> PodEvent | None:
        return None

    def remove(self, names: Sequence[str]) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path / "run", Scripts(), ExitStack())
    yield made
    made.delete([path.name for path in (tmp_path / "run").glob("*")])
    made.close()


def pod(name: str, code: str = "", **settings: object) -> PodSpec:
    arguments = (code,) if code else ()
    return PodSpec(name, "run", name, "image", arguments, **settings)  # type: ignore[arg-type]


def events(pods: Processes, name: str) -> list[PodEvent]:
    """What happens to a pod, to its end."""
    found: list[PodEvent] = []
    while not (found and found[-1].is_end):
        event = pods.next(SECONDS)
        assert event is not None, f"nothing happens to {name}: {found}"
        if event.name == name:
            found.append(event)
    return found


@pytest.mark.parametrize(
    ("code", "phase", "cause", "message", "exit_code"),
    [
        ("", "succeeded", None, "", 0),
        ("raise SystemExit(3)", "failed", "exit", "its process ended with exit code 3", 3),
        ("os.kill(os.getpid(), 15)", "failed", "exit", "its process was ended by SIGTERM", 143),
        ("os.kill(os.getpid(), 9)", "failed", "exit", "its process was ended by SIGKILL", 137),
    ],
)
def test_the_end_of_a_process_is_told(
    code: str, phase: str, cause: str | None, message: str, exit_code: int, pods: Processes
) -> None:
    pods.submit(pod("a", f"import os; {code}"))
    started, ended = events(pods, "a")
    assert started.phase == "running"
    assert (ended.phase, ended.cause, ended.message, ended.exit_code) == (
        *(phase, cause, message, exit_code),
    )


def test_a_program_that_is_not_there_is_a_failure(pods: Processes) -> None:
    pods.submit(pod("a", "missing"))
    (ended,) = events(pods, "a")
    assert ended.message == "python-that-is-not-there cannot be started: No such file or directory"


def test_a_pod_that_has_no_command_is_refused_and_leaves_nothing(
    pods: Processes, tmp_path: Path
) -> None:
    with pytest.raises(PodsError, match="there is no code"):
        pods.submit(pod("a"))
    assert not list(tmp_path.glob("run/*"))


def test_more_than_the_machine_runs_wait_and_say_so(pods: Processes, tmp_path: Path) -> None:
    places = max(2, len(os.sched_getaffinity(0)))
    names = [f"pod-{number}" for number in range(places + 2)]
    for name in names:
        pods.submit(pod(name, hanging_until(tmp_path / "go")))
    seen = [pods.next(SECONDS) for _ in names]
    waiting = [event for event in seen if event and event.phase == "pending"]
    assert [event.name for event in waiting] == names[places:]
    assert waiting[0].message == f"waits for one of {places} places on this machine"
    (tmp_path / "go").touch()
    assert [event.phase for event in events(pods, names[-1])] == ["running", "succeeded"]


def hanging_until(file: Path) -> str:
    return f"import os, time\nwhile not os.path.exists({str(file)!r}): time.sleep(0.02)"


def test_a_pod_that_takes_too_long_is_ended(pods: Processes) -> None:
    pods.submit(pod("a", "import time; time.sleep(600)", timeout=0.2))
    ended = events(pods, "a")[-1]
    assert (ended.cause, ended.message) == ("timeout", "it took longer than 0.2 seconds")


def test_a_pod_that_is_deleted_ends_at_once_whether_it_runs_or_waits(
    pods: Processes, tmp_path: Path
) -> None:
    names = [f"pod-{number}" for number in range(20)]
    for name in names:
        pods.submit(pod(name, "import time; time.sleep(600)"))
    pods.delete(names)
    assert not list(tmp_path.glob("run/*"))
    ended = {event.name: event.cause for event in iter(lambda: pods.next(0), None) if event.is_end}
    assert ended == dict.fromkeys(names, "deleted")


def test_what_a_process_has_started_ends_with_it(pods: Processes, tmp_path: Path) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"
    pods.submit(pod("a", code))
    events(pods, "a")
    other = int(b"".join(pods.logs("a")))
    deadline = time.monotonic() + SECONDS
    while is_running(other):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_log_can_be_followed_by_others_to_its_end(pods: Processes, tmp_path: Path) -> None:
    go = tmp_path / "go"
    pods.submit(pod("a", f"print('before', flush=True)\n{hanging_until(go)}\nprint('after')"))
    assert pods.next(SECONDS) == PodEvent("a", "running")
    other = Processes(tmp_path / "run", Scripts(), ExitStack())
    followed = other.logs("a", follow=True)
    assert next(followed) == b"before\n"
    assert b"".join(other.logs("a")) == b"before\n"
    go.touch()
    assert b"".join(followed) == b"after\n"
    assert list(other.logs("b", follow=True)) == []
    other.close()


def test_a_driver_is_started_before_its_launcher_lets_go(tmp_path: Path) -> None:
    for number in range(5):
        launcher = Processes(tmp_path / "run", Scripts(), ExitStack())
        mark = tmp_path / f"{number}.ran"
        launcher.submit(pod(f"driver-{number}", f"open({str(mark)!r}, 'w')"))
        launcher.close()
        deadline = time.monotonic() + SECONDS
        while not mark.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.parametrize("kind", ["new", "built for old kernels"])
def test_all_processes_of_a_run_are_ended_and_no_others(
    kind: str, pods: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind != "new":
        monkeypatch.delattr(os, "pidfd_open")
        monkeypatch.delattr(signal, "pidfd_send_signal")
        with pytest.raises(ProcessLookupError):
            open_process(2**22)  # more than there can be
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " start_new_session=True)\n"
        "print(flush=True)\ntime.sleep(600)"
    )
    for run in ("one", "two"):
        pods.submit(pod(run, code, env={"SEMATIC_TEST_RUN": run}))
        assert next(pods.logs(run, follow=True)) == b"\n"
    end_processes("SEMATIC_TEST_RUN", "one")
    assert events(pods, "one")[-1].message == "its process was ended by SIGKILL"
    assert pods.next(0) is None  # nothing of the other
    end_processes("SEMATIC_TEST_RUN", "two")


def test_a_process_that_the_kernel_kills_for_its_memory_is_told_apart(pods: Processes) -> None:
    with memory_group(64 * MIB) as join:
        pods.submit(pod("a", f"{join}\nx = bytearray({256 * MIB})"))
        ended = events(pods, "a")[-1]
    assert (ended.cause, ended.exit_code) == ("oom", 137)
    assert ended.message.startswith("the kernel killed it, as there was not enough memory")


@contextmanager
def memory_group(limit: int) -> Iterator[str]:
    """A control group that may take so many bytes; the code by which a process joins it."""
    root = Path("/sys/fs/cgroup")
    old = (root / "memory").is_dir()
    group = (root / "memory" if old else root) / f"sematic-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(limit))
        yield f"import os; open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))"
    finally:
        group.rmdir()
