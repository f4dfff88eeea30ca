"""How long a first import takes in a fresh container of each peer's image, by podman."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial

from benchmarks.measure import Usage
from benchmarks.peers.sematic_command import SematicCommand
from benchmarks.pushes import Bench, Pusher
from benchmarks.results import Sample
from benchmarks.schedule import Turnout
from tests.peers.podman import Podman, podman

SCENARIO = "first import"
_CODE = """
import json, resource, time
began = time.perf_counter()
import {modules}
wall = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_SELF)
cpu, rss = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
print(json.dumps({{"wall": wall, "cpu": cpu, "rss": rss}}))
"""


def measure(made: Bench, turnout: Turnout) -> Iterator[Sample]:
    """Seconds within the container; there is no bytecode of anything but the base's Python."""
    made.prepare(SCENARIO, turnout, images=True)
    with podman() as engine:
        images: dict[str, str] = {}
        for pusher in made.turns(1, turnout, images=True):
            images.update(made.tried(pusher, SCENARIO, partial(_pull, engine, pusher)))
        for number in range(1, turnout.rounds + 1):
            for pusher in made.turns(number, turnout, images=True):
                image = images[pusher.peer.name]
                work = partial(_sample, made, engine, pusher, image, number)
                yield from made.tried(pusher, SCENARIO, work)


def _pull(engine: Podman, pusher: Pusher) -> tuple[str, str]:
    """The peer and its image."""
    return pusher.peer.name, engine.pull(f"{pusher.repository}:latest")


def _sample(made: Bench, engine: Podman, pusher: Pusher, image: str, number: int) -> Sample:
    load = os.getloadavg()[0]
    usage = _import(engine, pusher, image, made.imports)
    return made.sample(SCENARIO, pusher, number, load, usage)


def _import(engine: Podman, pusher: Pusher, image: str, modules: str) -> Usage:
    code = _CODE.format(modules=modules)
    if isinstance(pusher.peer, SematicCommand):
        said = engine.run(image, "-c", code)
    else:
        path = {"PYTHONPATH": "/opt/site-packages:/app"}
        said = engine.run(image, "-c", code, entrypoint="/usr/bin/python3", env=path)
    return Usage(**json.loads(said))
