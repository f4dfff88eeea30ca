"""The peers: one module for each, listed here in the order of tables. Ours is the first."""

from __future__ import annotations

from benchmarks.peers.buildah import Buildah
from benchmarks.peers.containerd_node import Containerd
from benchmarks.peers.crane import Crane
from benchmarks.peers.docker import DockerBuildx
from benchmarks.peers.floors import PipeFloor, PythonFloor
from benchmarks.peers.peer import Peer, Puller
from benchmarks.peers.podman_node import PodmanPuller
from benchmarks.peers.sematic_command import SematicCommand
from benchmarks.peers.sematic_process import SematicProcess
from benchmarks.peers.umoci import Umoci

PEERS: tuple[Peer, ...] = (
    SematicCommand(),
    SematicProcess(),
    DockerBuildx(),
    DockerBuildx("docker buildx, zstd", "zstd"),
    Buildah("buildah"),
    Buildah("podman"),
    Crane(),
    Umoci(),
    Umoci("tar + umoci + skopeo, zstd", "zstd"),
    PythonFloor(),
    PipeFloor(),
)
PULLERS: tuple[Puller, ...] = (Containerd(), PodmanPuller())
