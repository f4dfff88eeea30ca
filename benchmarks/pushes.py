"""Rounds of pushes: every peer in turn, in every round."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from uuid import uuid4

from benchmarks.images import layer_digests, seed_base
from benchmarks.measure import Meter
from benchmarks.peers.peer import Peer, Session, Setting, Step
from benchmarks.results import Sample
from benchmarks.scenarios import Scenario
from benchmarks.traffic import Door, Traffic, door
from benchmarks.workloads import Workload
from benchmarks.workloads.tree import Tree
from tests.peers.registry import registry

_NUMBERS = count(1)
"""Of changes: none is ever made twice."""


@dataclass
class Pusher:
    """A peer's session, and where its last push went.

    :param repository: empty before the first.
    """

    peer: Peer
    session: Session
    door: Door
    repository: str = ""


@dataclass
class Bench:
    """Peers that are at work on a tree.

    :param scratch: for what single turns need.
    """

    workload: str
    tree: Tree
    door: Door
    scratch: Path
    pushers: list[Pusher] = field(default_factory=list)
    run: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(" ", "seconds"))

    def measure(self, scenario: Scenario, rounds: int) -> Iterator[Sample]:
        """All peers in turn, in every round one later in the row."""
        for number in range(rounds):
            changes = [next(_NUMBERS) for _ in scenario.turns]
            first = number % len(self.pushers)
            for pusher in (*self.pushers[first:], *self.pushers[:first]):
                yield self._sample(scenario, pusher, number + 1, changes)

    def _sample(
        self, scenario: Scenario, pusher: Pusher, number: int, changes: Sequence[int]
    ) -> Sample:
        if not pusher.repository and not scenario.new_repository:
            self._start(pusher)
        with ExitStack() as stack:
            if scenario.new_registry:
                pusher.door = stack.enter_context(another_door(self.scratch))
                pusher.repository = ""
            if scenario.forgets:
                pusher.session.forget()
            if scenario.new_repository or scenario.new_registry:
                pusher.repository = self._new_repository(pusher)
            meter, traffic, layers = Meter(), Traffic(0, 0, 0), 0
            load = os.getloadavg()[0]
            for turn, change in zip(scenario.turns, changes, strict=True):
                turn.change(self.tree, change)
                moved, new = _push(pusher, meter, turn.step)
                traffic, layers = traffic + moved, layers + new
            if scenario.new_registry:  # which is gone now
                pusher.door, pusher.repository = self.door, ""
        return Sample(
            run=self.run,
            workload=self.workload,
            scenario=scenario.name,
            peer=pusher.peer.name,
            round=number,
            **asdict(meter.usage),
            **asdict(traffic),
            layers=layers,
            load=load,
        )

    def _start(self, pusher: Pusher) -> None:
        """A first push, which is not counted."""
        pusher.session.forget()
        pusher.repository = self._new_repository(pusher)
        pusher.session.push(Meter(), pusher.repository, "cold")

    def _new_repository(self, pusher: Pusher) -> str:
        return f"{pusher.door.host}/bench/{uuid4().hex[:12]}"


def _push(pusher: Pusher, meter: Meter, step: Step) -> tuple[Traffic, int]:
    """What went over the wire, and how many layers are new in the image."""
    host = pusher.door.registry.host
    direct = f"{host}/{pusher.repository.partition('/')[2]}:latest"
    earlier = layer_digests(direct)
    if step != "again":
        os.sync()  # nobody pays for what others have written
    before = pusher.door.traffic()
    pusher.session.push(meter, pusher.repository, step)
    after = pusher.door.traffic()
    return after - before, len(set(layer_digests(direct)) - set(earlier))


@contextmanager
def bench(workload: Workload, peers: Sequence[Peer], scratch: Path) -> Iterator[Bench]:
    """A registry with its door, a tree, and each peer's session."""
    with ExitStack() as stack:
        own = stack.enter_context(another_door(scratch))
        tree = stack.enter_context(workload.open(scratch))
        made = Bench(workload.recipe.name, tree, own, scratch)
        for number, peer in enumerate(peers):
            folder = scratch / f"peer-{number}"
            folder.mkdir()
            setting = Setting(
                tree.project, tree.environment, f"{own.host}/base/worker:latest", folder
            )
            session = stack.enter_context(peer.open(setting))
            made.pushers.append(Pusher(peer, session, own))
        yield made


@contextmanager
def another_door(scratch: Path) -> Iterator[Door]:
    """A registry of its own that holds the base and nothing else."""
    with registry(scratch / f"registry-{uuid4().hex[:8]}") as made, door(made) as opened:
        seed_base(made)
        yield opened
