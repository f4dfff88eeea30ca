"""A machine within this one: processes, mounts and a network of its own, and nothing left of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_SECONDS = 60
_GROUPS = Path("/sys/fs/cgroup")
# A range for tests of networks (RFC 2544), so that it is nobody's.
_RANGE = "198.18"
# Kernel settings that a kubelet wants, and would set for the whole machine.
_KERNEL = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
# Its first process: it stays, and reaps the processes whose parents have ended. The folders that
# programs write to under fixed names are its own.
_INIT = """
set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mount --bind "$1/log" /var/log
for file in $(cd "$1/kernel"; find . -type f); do
    mount --bind "$1/kernel/$file" "/proc/sys/$file"
done
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
echo up
sleep infinity & while true; do wait; done
"""

# As Kubernetes marks it.
_FATAL = re.compile(r"F\d{4} ")


class MachineError(Exception):
    """The machine or one of its processes did not start."""


@dataclass
class Process:
    """A program on a machine. `log` has its output."""

    name: str
    command: Sequence[str]
    log: Path
    popen: subprocess.Popen[bytes]

    def is_running(self) -> bool:
        return self.popen.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to the program itself."""
        os.kill(_child(self.popen.pid), number)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)
        self.popen.send_signal(signal.SIGCONT)  # nsenter stops when its child does

    def kill(self) -> None:
        if self.is_running():
            self.signal(signal.SIGKILL)
        self.popen.wait(_SECONDS)

    def last_words(self) -> str:
        """The end of its log, or what it called fatal: stacks of all goroutines follow that."""
        lines = self.log.read_text(errors="replace").splitlines()
        fatal = [line for line in lines if _FATAL.match(line)]
        return "\n".join(fatal or lines[-10:])


@dataclass
class Machine:
    """A running machine. It reaches this one at `gateway`, and is reached at `address`."""

    folder: Path
    number: int
    init: int
    path: Sequence[Path]
    processes: dict[str, Process] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"sematic{self.number}"

    @property
    def gateway(self) -> str:
        return f"{_RANGE}.{self.number}.1"

    @property
    def address(self) -> str:
        return f"{_RANGE}.{self.number}.2"

    @property
    def subnet(self) -> str:
        """Further addresses that this machine finds behind that one."""
        return f"{_RANGE}.{self.number}.128/25"

    def start(self, name: str, *command: str) -> Process:
        """Run a program until it ends or the machine does."""
        log = self.folder / "log" / f"{name}.log"
        with log.open("ab") as file:
            popen = subprocess.Popen(
                [*self._enter(), *_bound(), *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=self._environment(),
            )
        made = Process(name, command, log, popen)
        self.processes[name] = made
        return made

    def run(self, *command: str) -> str:
        """The output of a program that ends by itself. Raises MachineError unless with 0."""
        return _run(*self._enter(), *command, env=self._environment())

    def connect(self) -> None:
        """Give it its end of the wire."""
        self.run("ip", "addr", "add", f"{self.address}/30", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def _enter(self) -> Sequence[str]:
        return "nsenter", f"--target={self.init}", "--pid", "--mount", "--net", "--"

    def _environment(self) -> Mapping[str, str]:
        own = ":".join(map(str, self.path))
        return {"PATH": f"{own}:{os.environ['PATH']}", "HOME": "/run", "LC_ALL": "C.UTF-8"}


@contextmanager
def machine(folder: Path, path: Sequence[Path] = ()) -> Iterator[Machine]:
    """A machine until the end. Its /var/log is in `folder`; its /run and /var/lib are in memory.

    It dies with the thread that made it, even if that is killed. Its control groups are those below
    /`Machine.name`.
    """
    (folder / "log").mkdir(parents=True)
    for name, value in _KERNEL.items():
        setting = folder / "kernel" / name
        setting.parent.mkdir(parents=True, exist_ok=True)
        setting.write_text(value)
    errors = folder / "log/init.log"
    with errors.open("wb") as file:
        unshare = subprocess.Popen(
            [
                *(*_bound(), "unshare", "--fork", "--kill-child", "--propagation", "private"),
                *("--pid", "--mount", "--mount-proc", "--net", "--ipc", "--uts"),
                *("bash", "-c", _INIT, "bash", str(folder)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=file,
        )
    assert unshare.stdout is not None
    made: Machine | None = None
    try:
        if unshare.stdout.readline() != b"up\n":
            raise MachineError(f"no namespaces for a cluster: {errors.read_text().strip()}")
        init = _child(unshare.pid)
        made = Machine(folder, _wire(init), init, path)
        made.connect()
        for group in _groups():
            (group / made.name).mkdir(exist_ok=True)  # one that was killed may have left it
        yield made
    finally:
        with suppress(ProcessLookupError):
            os.kill(_child(unshare.pid), signal.SIGKILL)
        unshare.wait(_SECONDS)
        unshare.stdout.close()
        if made:
            _clean(made)


def _wire(init: int) -> int:
    """A pair of interfaces, and the number of the network that it makes, which nobody else has."""
    for number in range(1, 255):
        name = f"sematic{number}"
        peer = ("type", "veth", "peer", "name", "eth0", "netns", str(init))
        try:
            _run("ip", "link", "add", name, *peer)
        except MachineError as error:
            if "exists" in str(error):
                continue
            raise
        _run("ip", "addr", "add", f"{_RANGE}.{number}.1/30", "dev", name)
        _run("ip", "link", "set", name, "up")
        route = (f"{_RANGE}.{number}.128/25", "via", f"{_RANGE}.{number}.2")
        _run("ip", "route", "add", *route)
        return number
    raise MachineError("the names of all networks for tests are taken")


def _clean(gone: Machine) -> None:
    for process in gone.processes.values():
        process.popen.wait(_SECONDS)
    with suppress(MachineError):  # the kernel may have been faster
        _run("ip", "link", "del", gone.name)
    deadline = time.monotonic() + _SECONDS
    for group in _groups():
        for folder, _, _ in os.walk(group / gone.name, topdown=False):
            while True:
                try:
                    Path(folder).rmdir()
                    break
                except OSError:  # what was in it is still being taken down
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)


def _groups() -> list[Path]:
    """The roots of all hierarchies of control groups: one, or one for each controller."""
    if (_GROUPS / "cgroup.procs").exists():
        return [_GROUPS]
    return [file.parent for file in _GROUPS.glob("*/cgroup.procs")]


def _bound() -> Sequence[str]:
    return "setpriv", "--pdeathsig", "KILL", "--"


def _child(parent: int) -> int:
    """The only child of a process."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    if not children:
        raise ProcessLookupError(f"process {parent} has no child")
    return int(children[0])


def _run(*command: str, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8"
    )
    if done.returncode != 0:
        raise MachineError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
