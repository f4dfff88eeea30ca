"""What a node fetches that has the image from before a change, and how long that takes it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial

from benchmarks.measure import Meter
from benchmarks.peers import PULLERS
from benchmarks.peers.peer import Node, Puller, Step
from benchmarks.pushes import Bench, Pusher
from benchmarks.results import Sample
from benchmarks.scenarios import Turn
from benchmarks.schedule import Turnout
from benchmarks.workloads.tree import Tree

TURNS = {"edit": Turn(Tree.edit_file), "upgrade": Turn(Tree.upgrade, "upgraded")}


def scenario(puller: Puller, change: str) -> str:
    """:param change: one of ``TURNS``."""
    return f"pull by {puller.name} after {change}"


NAMES = tuple(scenario(puller, change) for puller in PULLERS for change in TURNS)


def measure(made: Bench, puller: Puller, turnouts: Mapping[str, Turnout]) -> Iterator[Sample]:
    """After every round's change each peer's image in turn, by a node that has what it was before.

    Each has a node of its own: one would not fetch again what another peer makes alike.

    :param turnouts: for some of ``TURNS``.
    """
    with ExitStack() as stack:
        nodes: dict[str, Node] = {}
        for change, turnout in turnouts.items():
            name, turn = scenario(puller, change), TURNS[change]
            made.prepare(name, turnout, images=True)
            for pusher in made.turns(1, turnout, images=True):
                if pusher.peer.name not in nodes:
                    folder = made.scratch / f"node-{puller.name}-{len(nodes)}"
                    folder.mkdir()
                    nodes[pusher.peer.name] = stack.enter_context(puller.open(folder))
                list(made.tried(pusher, name, partial(_pull, nodes[pusher.peer.name], pusher)))
            for number in range(1, turnout.rounds + 1):
                made.change(turn, made.next_change())
                for pusher in made.turns(number, turnout, images=True):
                    node = nodes[pusher.peer.name]
                    work = partial(_sample, made, node, name, turn.step, pusher, number)
                    yield from made.tried(pusher, name, work)


def _pull(node: Node, pusher: Pusher) -> None:
    """The image from before; of what is there already nothing is fetched."""
    node.pull(Meter(), f"{pusher.repository}:latest")


def _sample(made: Bench, node: Node, name: str, step: Step, pusher: Pusher, number: int) -> Sample:
    made.push(pusher, Meter(), step)
    os.sync()  # nobody pays for what others have written
    meter, load, before = Meter(), os.getloadavg()[0], pusher.door.traffic()
    node.pull(meter, f"{pusher.repository}:latest")
    traffic = pusher.door.traffic() - before
    return made.sample(name, pusher, number, load, meter.usage, traffic)
