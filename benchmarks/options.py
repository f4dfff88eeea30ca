"""What can be asked for: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import first_import, launches, pulls, scan
from benchmarks.peers import PEERS
from benchmarks.results import OURS
from benchmarks.scenarios import SCENARIOS
from benchmarks.schedule import SCHEDULE
from benchmarks.workloads.recipe import RECIPES, WITH_TORCH

_ABOUT = """\
Measure how a project and its environment get into a registry, with sematic-oci and with others.

  python -m benchmarks --with-torch --write docs/benchmarks.md
                                                    everything, and the document about it
  python -m benchmarks --workload science --scenario cold --peer crane --output cold.json
  python -m benchmarks --no-run --output all.json --merge cold.json --write docs/benchmarks.md
  python -m benchmarks --quick                      what must not get worse, in three minutes
  python -m benchmarks profile "one file edited"    where the time goes
  python -m benchmarks list                         workloads, scenarios, peers
  python -m benchmarks runs, loop                   what driving a run costs
"""
_ONE_OF_A_KIND = ("huge", launches.WORKLOAD)
COMMANDS = ("measure", "profile", "list", "runs", "loop")


@dataclass(frozen=True)
class Options:
    """:param peers: empty where nobody was chosen, and the schedule says who takes part."""

    command: str
    quick: bool
    workloads: tuple[str, ...]
    has_workloads: bool
    scenarios: tuple[str, ...]
    has_scenarios: bool
    peers: tuple[str, ...]
    rounds: int | None
    cache: Path | None
    output: Path | None
    merge: tuple[Path, ...]
    write: Path | None
    run: bool

    def of_workload(self, name: str) -> Sequence[str]:
        """The scenarios in which a workload is measured: of those asked for, the scheduled ones.

        Where a workload was asked for too, all that there can be of it.
        """
        scheduled = SCHEDULE[name]
        if not self.has_scenarios:
            return tuple(scheduled)
        possible = set(scheduled)
        if self.has_workloads and name not in _ONE_OF_A_KIND:
            possible = set(scenario_names()) - {launches.SCENARIO}
        return [scenario for scenario in self.scenarios if scenario in possible]


def read_options(arguments: Sequence[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("command", nargs="?", choices=COMMANDS, default="measure", metavar="COMMAND")
    add("what", nargs="*", metavar="SCENARIO", help="the same as --scenario")
    add("--quick", action="store_true", help="the small workload; fails where a bound is broken")
    add("--workload", action="append", default=[], help="a part of a name; repeatable")
    add("--scenario", action="append", default=[], help="a part of a name; repeatable")
    add("--peer", action="append", default=[], help=f"the same; {OURS} always is one")
    add("--rounds", type=int, help="by default one to five, as long as they take")
    add("--with-torch", action="store_true", help=f"{WITH_TORCH}, too: 1.2 GB more")
    add("--cache", type=Path, help="where workloads are kept")
    add("--output", type=Path, metavar="JSON", help="results; those that are there are kept")
    add("--merge", type=Path, action="append", default=[], metavar="JSON", help="more results")
    add("--write", type=Path, metavar="MD", help="the document, and its plots beside it")
    add("--no-run", action="store_true", help="measure nothing; only merge and write")
    given = parser.parse_args(arguments)
    workloads = chosen(parser, given.workload, workload_names())
    if given.with_torch:
        workloads = tuple(dict.fromkeys((*workloads, WITH_TORCH)))
    elif not given.workload:
        workloads = tuple(name for name in workloads if name != WITH_TORCH)
    return Options(
        given.command,
        given.quick,
        workloads,
        bool(given.workload),
        chosen(parser, [*given.scenario, *given.what], scenario_names()),
        bool(given.scenario or given.what),
        chosen(parser, given.peer, peer_names()) if given.peer else (),
        given.rounds,
        given.cache,
        given.output,
        tuple(given.merge),
        given.write,
        not given.no_run,
    )


def workload_names() -> list[str]:
    return [*(each.name for each in RECIPES), launches.WORKLOAD]


def peer_names() -> list[str]:
    return [peer.name for peer in PEERS]


def scenario_names() -> list[str]:
    """Of pushes and of all else."""
    names = [scenario.name for scenario in SCENARIOS]
    return [*names, *pulls.NAMES, first_import.SCENARIO, scan.SCENARIO, launches.SCENARIO]


def chosen(
    parser: argparse.ArgumentParser, wanted: Iterable[str], names: Sequence[str]
) -> tuple[str, ...]:
    """The names that are meant by parts of them; all, where nothing is wanted."""
    found: dict[str, None] = {}
    for part in wanted:
        meant = [name for name in names if name == part] or [n for n in names if part in n]
        if not meant:
            parser.error(f"nothing is called {part!r}; there are: {', '.join(names)}")
        found.update(dict.fromkeys(meant))
    return tuple(name for name in names if name in found or not found)
