"""The peers: one module for each, listed here in the order of tables. Ours is the first."""

from __future__ import annotations

from benchmarks.peers.crane import Crane
from benchmarks.peers.peer import Peer, Puller
from benchmarks.peers.sematic_command import SematicCommand
from benchmarks.peers.sematic_process import SematicProcess

PEERS: tuple[Peer, ...] = (SematicCommand(), SematicProcess(), Crane())
PULLERS: tuple[Puller, ...] = ()
