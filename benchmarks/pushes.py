"""Rounds of pushes: every peer in turn, in every round."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from benchmarks.images import base_name, layer_digests, seed_base
from benchmarks.measure import CommandError, Meter, Usage
from benchmarks.peers.floors import PipeFloor
from benchmarks.peers.peer import Peer, Session, Setting, Step
from benchmarks.peers.sematic_process import SematicProcess
from benchmarks.results import OURS, Sample, now
from benchmarks.scenarios import Scenario, Turn
from benchmarks.schedule import Turnout
from benchmarks.traffic import NO_TRAFFIC, Door, Traffic, door
from benchmarks.workloads import Workload
from benchmarks.workloads.tree import Tree
from tests.peers.daemon import DaemonError
from tests.peers.registry import registry
from tests.peers.tools import ToolError

Made = TypeVar("Made")
_NUMBERS = count(1)
"""Of changes: none is ever made twice."""


@dataclass(frozen=True)
class State:
    """The numbers of the last changes of a tree: of its environment, and of any."""

    environment: int = 0
    any: int = 0


@dataclass
class Pusher:
    """A peer's session, and where its last push went.

    :param repository: empty before the first.
    :param seen: how the tree was then.
    """

    peer: Peer
    session: Session
    door: Door
    repository: str = ""
    seen: State = field(default_factory=State)


@dataclass
class Bench:
    """Peers that are at work on a tree.

    :param imports: modules that a program of the workload would import.
    :param scratch: for what single turns need.
    :param failed: why peers are not at work any more, by where they failed.
    :param state: of the tree.
    """

    workload: str
    imports: str
    tree: Tree
    door: Door
    scratch: Path
    pushers: list[Pusher] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    run: str = field(default_factory=now)
    state: State = field(default_factory=State)

    def measure(self, scenario: Scenario, turnout: Turnout) -> Iterator[Sample]:
        """All who take part in turn, in every round."""
        if not scenario.new_repository:
            self.prepare(scenario.name, turnout)
        for number in range(1, turnout.rounds + 1):
            changes = [self.next_change() for _ in scenario.turns]
            for pusher in self.turns(number, turnout):
                if isinstance(pusher.peer, PipeFloor) and not scenario.new_repository:
                    continue  # it is one under what sends everything
                work = partial(self._sample, scenario, pusher, number, changes)
                yield from self.tried(pusher, scenario.name, work)

    def turns(self, number: int, turnout: Turnout, *, images: bool = False) -> list[Pusher]:
        """The order of a round: each time, another is the first.

        :param images: only of those who make an image that no other makes.
        """
        names = (OURS, *turnout.names(number))
        pushers = [p for p in self.pushers if not turnout.peers or p.peer.name in names]
        if images:
            alike = (SematicProcess, PipeFloor)
            pushers = [p for p in pushers if not isinstance(p.peer, alike)]
        first = (number - 1) % len(pushers)
        return [*pushers[first:], *pushers[:first]]

    def prepare(self, scenario: str, turnout: Turnout, *, images: bool = False) -> None:
        """Have all who take part push what there is, so that they begin alike."""
        for pusher in self.turns(1, turnout, images=images):
            list(self.tried(pusher, scenario, partial(self._start, pusher)))

    def change(self, turn: Turn, number: int) -> None:
        """Have a change made, if it was not."""
        turn.change(self.tree, number)
        if turn.changes:
            environment = number if turn.step == "upgraded" else self.state.environment
            self.state = State(environment, number)

    def push(self, pusher: Pusher, meter: Meter, step: Step) -> None:
        pusher.session.push(meter, pusher.repository, step)
        pusher.seen = self.state

    def tried(self, pusher: Pusher, scenario: str, work: Callable[[], Made]) -> Iterator[Made]:
        """What comes of work; nothing if it fails, and the peer is not asked again.

        :raises CommandError: we failed ourselves.
        """
        try:
            yield work()
        except (CommandError, DaemonError, ToolError) as error:
            if pusher.peer.name == OURS:
                raise
            self.failed[f"{self.workload}: {scenario}: {pusher.peer.name}"] = str(error)
            self.pushers.remove(pusher)

    def next_change(self) -> int:
        """The number of a change that was never made."""
        return next(_NUMBERS)

    def _start(self, pusher: Pusher) -> None:
        """A first push, or one of what has changed meanwhile, which are not counted."""
        if not pusher.repository:
            pusher.session.forget()
            pusher.repository = self.new_repository(pusher)
            self.push(pusher, Meter(), "cold")
        elif pusher.seen.environment != self.state.environment:
            self.push(pusher, Meter(), "upgraded")
        elif pusher.seen != self.state:
            self.push(pusher, Meter(), "again")

    def _sample(
        self, scenario: Scenario, pusher: Pusher, number: int, changes: Sequence[int]
    ) -> Sample:
        with ExitStack() as stack:
            if scenario.new_registry:
                pusher.door = stack.enter_context(another_door(self.scratch))
                pusher.repository = ""
            if scenario.forgets:
                pusher.session.forget()
            if scenario.new_repository or scenario.new_registry:
                pusher.repository = self.new_repository(pusher)
            meter, traffic, layers = Meter(), NO_TRAFFIC, 0
            load = os.getloadavg()[0]
            for turn, change in zip(scenario.turns, changes, strict=True):
                self.change(turn, change)
                moved, new = self._counted(pusher, meter, turn.step)
                traffic, layers = traffic + moved, layers + new
            if scenario.new_registry:  # which is gone now
                pusher.door, pusher.repository = self.door, ""
        return self.sample(scenario.name, pusher, number, load, meter.usage, traffic, layers)

    def sample(
        self,
        scenario: str,
        pusher: Pusher,
        number: int,
        load: float,
        usage: Usage,
        traffic: Traffic = NO_TRAFFIC,
        layers: int = 0,
    ) -> Sample:
        """What was measured of a peer in a round."""
        return Sample(
            run=self.run,
            workload=self.workload,
            scenario=scenario,
            peer=pusher.peer.name,
            round=number,
            **asdict(usage),
            **asdict(traffic),
            layers=layers,
            load=load,
        )

    def _counted(self, pusher: Pusher, meter: Meter, step: Step) -> tuple[Traffic, int]:
        """What went over the wire, and how many layers are new in the image."""
        host = pusher.door.registry.host
        direct = f"{host}/{pusher.repository.partition('/')[2]}:latest"
        earlier = layer_digests(direct)
        if step != "again":
            os.sync()  # nobody pays for what others have written
        before = pusher.door.traffic()
        self.push(pusher, meter, step)
        after = pusher.door.traffic()
        return after - before, len(set(layer_digests(direct)) - set(earlier))

    def new_repository(self, pusher: Pusher) -> str:
        """One in which there is nothing yet."""
        return f"{pusher.door.host}/bench/{uuid4().hex[:12]}"


@contextmanager
def bench(workload: Workload, peers: Sequence[Peer], scratch: Path) -> Iterator[Bench]:
    """A registry with its door, a tree, and each peer's session."""
    with ExitStack() as stack:
        own = stack.enter_context(another_door(scratch))
        tree = stack.enter_context(workload.open(scratch))
        tree.read()
        recipe = workload.recipe
        made = Bench(recipe.name, recipe.imports, tree, own, scratch)
        for number, peer in enumerate(peers):
            folder = scratch / f"peer-{number}"
            folder.mkdir()
            base = f"{own.host}/{base_name()}"
            setting = Setting(tree.project, tree.environment, base, folder)
            session = stack.enter_context(peer.open(setting))
            made.pushers.append(Pusher(peer, session, own))
        yield made


@contextmanager
def another_door(scratch: Path) -> Iterator[Door]:
    """A registry of its own that holds the base and nothing else."""
    with registry(scratch / f"registry-{uuid4().hex[:8]}") as made, door(made) as opened:
        seed_base(made)
        yield opened
