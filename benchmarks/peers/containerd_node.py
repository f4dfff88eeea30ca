"""containerd, from Debian sid, as what pulls images on a node of a cluster."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.install import absent, builders_folder, output
from benchmarks.measure import Meter
from benchmarks.peers.daemons import counted
from tests.peers.daemon import Daemon, daemon
from tests.peers.tools import environment

# Without the plugins that want networks for pods.
_CONFIGURATION = """\
version = 3
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = [
    "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri",
]
[grpc]
address = "{folder}/socket"
[ttrpc]
address = "{folder}/socket.ttrpc"
"""


@dataclass(frozen=True)
class Containerd:
    name: str = "containerd"

    def absent(self) -> str:
        if os.geteuid() != 0:
            return "containerd needs root to unpack layers"
        return absent(_program("containerd"), _program("ctr"))

    def version(self) -> str:
        return f"containerd {output(_program('containerd'), '--version').split()[2]}"

    @contextmanager
    def open(self, scratch: Path) -> Iterator[ContainerdNode]:
        with ExitStack() as machine:
            node = ContainerdNode(scratch, machine)
            node.forget()
            yield node


@dataclass
class ContainerdNode:
    scratch: Path
    _machine: ExitStack
    _daemon: Daemon = field(init=False)

    def forget(self) -> None:
        """Another daemon, with nothing."""
        self._machine.close()
        folder = self.scratch / "containerd"
        folder.mkdir()
        self._machine.callback(shutil.rmtree, folder)
        (folder / "config.toml").write_text(_CONFIGURATION.format(folder=folder))
        started = daemon(
            [_program("containerd"), "--config", folder / "config.toml"],
            socket=self._socket,
            log=folder / "log",
            env=environment(folder),
        )
        self._daemon = self._machine.enter_context(started)

    def pull(self, meter: Meter, reference: str) -> None:
        with counted(meter, self._daemon):
            pull = ("images", "pull", "--plain-http", reference)
            meter.run(_program("ctr"), "--address", self._socket, *pull)

    @property
    def _socket(self) -> Path:
        return self.scratch / "containerd/socket"


def _program(name: str) -> Path:
    return builders_folder() / "usr/bin" / name
