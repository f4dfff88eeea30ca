"""Where the time of a push goes: ``python -m benchmarks profile SCENARIO``."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import CommandError, Meter, command_environment, run_timed
from benchmarks.peers.sematic_command import CommandSession, SematicCommand
from benchmarks.pushes import Bench, bench
from benchmarks.scenarios import Scenario
from benchmarks.schedule import Turnout
from benchmarks.stages import STAGES, Place, stage
from benchmarks.workloads import Workload

_CHECKOUT = Path(__file__).parents[1]
_LINES = 15


def profile(workload: Workload, scenario: Scenario, cache: Path, rounds: int) -> None:
    """Print what whole commands take, what their imports do, and what one is doing when."""
    with (
        tempfile.TemporaryDirectory(prefix="run-", dir=cache) as scratch,
        bench(workload, [SematicCommand()], Path(scratch)) as made,
    ):
        samples = list(made.measure(scenario, Turnout(rounds)))
        print(f"{workload.recipe.name}: {scenario.name}, median of {rounds}")
        for name in ("wall", "cpu"):
            value = statistics.median(getattr(sample, name) for sample in samples)
            print(f"  {value:7.3f} s {name}")
        print("\n".join(_start(made, scenario)))
        print("\n".join(_stages(_sampled(made, scenario))))


def _start(made: Bench, scenario: Scenario) -> Iterator[str]:
    """What has happened before the first line of the command."""
    bare = [run_timed((sys.executable, "-c", "pass")) for _ in range(5)]
    seconds = statistics.median(usage.wall for usage in bare)
    yield f"  {seconds:7.3f} s for an interpreter that does nothing"
    session, repository = _again(made, scenario)
    found = session.imports(repository)
    seconds = sum(each.own for each in found)
    yield f"  {seconds:7.3f} s for {len(found)} imports, told one by one (which takes time itself):"
    for each in sorted(found, key=lambda one: -one.own)[:_LINES]:
        yield f"          {each.own * 1000:6.1f} ms {each.module}"


def _again(made: Bench, scenario: Scenario) -> tuple[CommandSession, str]:
    """The scenario once more, up to its last push, which is left to the caller."""
    (pusher,) = made.pushers
    session = pusher.session
    assert isinstance(session, CommandSession)
    if scenario.forgets:
        session.forget()
    repository = pusher.repository
    if scenario.new_repository or scenario.new_registry:
        repository = made.new_repository(pusher)
    *turns, last = scenario.turns
    for turn in turns:
        turn.change(made.tree, made.next_change())
        session.push(Meter(), repository, turn.step)
    last.change(made.tree, made.next_change())
    return session, repository


def _sampled(made: Bench, scenario: Scenario) -> Any:
    """What the sampler says of one more push."""
    session, repository = _again(made, scenario)
    _, *arguments = session.command(repository)
    reader, writer = os.pipe()
    with open(reader) as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sampler", str(writer), *map(str, arguments)],
            cwd=_CHECKOUT,
            env=command_environment(SEMATIC_CACHE_DIR=str(session.cache)),
            pass_fds=(writer,),
            stdout=subprocess.DEVNULL,
        )
        os.close(writer)
        text = said.read()
        if process.wait():
            raise CommandError(f"sematic-oci push to {repository} failed while it was looked at")
    return json.loads(text)


def _stages(sampled: Any) -> Iterator[str]:
    main, others, lines = (defaultdict[str, float](float) for _ in range(3))
    for seen in sampled["stacks"]:
        stack = [
            Place(file, function, int(line), text) for file, function, line, text in seen["stack"]
        ]
        name, seconds = stage(stack), seen["seconds"]
        (main if seen["main"] else others)[name] += seconds
        if name != "waiting":
            lines[f"{name:9} {_own(stack)}"] += seconds
    yield f"  {sampled['seconds']:7.3f} s within the command, looked at every 2 ms; seconds of"
    yield "          stage      main thread   other threads"
    for name in STAGES:
        if main[name] or others[name]:
            yield f"          {name:9} {main[name]:12.3f} {others[name]:15.3f}"
    yield "  the lines where most of it was spent, waiting for other threads left out:"
    for line, seconds in sorted(lines.items(), key=lambda item: -item[1])[:_LINES]:
        yield f"  {seconds:7.3f} s {line}"


def _own(stack: Sequence[Place]) -> Place:
    """The innermost line that is of this project, else of all."""
    return next((place for place in stack if "/sematic/" in place.file), stack[0])
