"""What a node fetches that has the image from before an edit, and how long that takes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.measure import Meter
from benchmarks.peers import PULLERS
from benchmarks.peers.peer import Node, Puller
from benchmarks.pushes import Bench, Pusher
from benchmarks.results import Sample

NAMES = tuple(f"pull by {puller.name}" for puller in PULLERS)


def measure(made: Bench, puller: Puller, rounds: int) -> Iterator[Sample]:
    """After every round's edit each peer's image in turn, by a node that has all of them."""
    folder = made.scratch / f"node-{puller.name}"
    folder.mkdir()
    with ExitStack() as stack:
        node = stack.enter_context(puller.open(folder))
        for pusher in made.turns(1, images=True):
            made.start(pusher)
            node.pull(Meter(), f"{pusher.repository}:latest")
        for number in range(1, rounds + 1):
            made.tree.edit_file(made.next_change())
            for pusher in made.turns(number, images=True):
                pusher.session.push(Meter(), pusher.repository, "again")
                yield _sample(made, node, puller, pusher, number)


def _sample(made: Bench, node: Node, puller: Puller, pusher: Pusher, number: int) -> Sample:
    meter, load, before = Meter(), os.getloadavg()[0], pusher.door.traffic()
    node.pull(meter, f"{pusher.repository}:latest")
    traffic = pusher.door.traffic() - before
    return made.sample(f"pull by {puller.name}", pusher, number, load, meter.usage, traffic)
