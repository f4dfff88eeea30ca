"""How long the loop takes, side by side with peers: ``python -m benchmarks``."""

from __future__ import annotations

import signal
import sys

from benchmarks.document import write
from benchmarks.measuring import measured
from benchmarks.options import Options, peer_names, read_options, scenario_names, workload_names
from benchmarks.peers import PEERS, PULLERS
from benchmarks.peers.peer import Tool
from benchmarks.quick import quick
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS
from benchmarks.table import tables
from benchmarks.workloads import make, workloads_folder
from benchmarks.workloads.recipe import RECIPES, recipe


def main() -> int:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # servers end too
    options = read_options()
    if options.command == "runs":
        from benchmarks import runs

        runs.main()
    elif options.command == "loop":
        from benchmarks import loop

        loop.main(1000)
    elif options.command == "list":
        _list()
    elif options.command == "profile":
        _profile(options)
    elif options.quick:
        return quick(options.cache)
    else:
        _measure(options)
    return 0


def _profile(options: Options) -> None:
    """Of ``science``, unless other workloads are asked for."""
    from benchmarks.profile import profile

    cache = options.cache or workloads_folder()
    for name in options.workloads if options.has_workloads else ("science",):
        workload = make(recipe(name), cache)
        for scenario in SCENARIOS:
            if scenario.name in options.scenarios:
                profile(workload, scenario, cache, options.rounds or 5)


def _measure(options: Options) -> None:
    """Measure, keep, write: after every scenario, lest hours are lost."""
    results = Results()
    if options.output and options.output.exists():
        results = Results.read(options.output)
    for path in options.merge:
        results = results.merged(Results.read(path))
    _keep(results, options)
    for new in measured(options) if options.run else ():
        results = results.merged(new)
        _keep(results, options)
    print("\n".join(tables(_in_order(results))))


def _keep(results: Results, options: Options) -> None:
    if options.output:
        results.write(options.output)
    if options.write and results.samples:
        write(_in_order(results), options.write)


def _in_order(results: Results) -> Results:
    return results.in_order(workload_names(), scenario_names(), peer_names())


def _list() -> None:
    print("workloads:", *(f"  {each.name}" for each in RECIPES), sep="\n")
    print("scenarios:", *(f"  {name}" for name in scenario_names()), sep="\n")
    print("peers:")
    tools: tuple[Tool, ...] = (*PEERS, *PULLERS)
    for tool in tools:
        absent = tool.absent()
        print(f"  {tool.name}: " + (f"absent: {absent}" if absent else tool.version()))


sys.exit(main())
