"""How long the loop takes, side by side with peers: ``python -m benchmarks``."""

from __future__ import annotations

import sys

from benchmarks.document import write
from benchmarks.measuring import measured
from benchmarks.options import Options, read_options, scenario_names
from benchmarks.peers import PEERS, PULLERS
from benchmarks.peers.peer import Tool
from benchmarks.quick import quick
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS
from benchmarks.table import tables
from benchmarks.workloads import cache_folder, make
from benchmarks.workloads.recipe import RECIPES, recipe


def main() -> int:
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

    cache = options.cache or cache_folder()
    for name in options.workloads if options.has_workloads else ("science",):
        workload = make(recipe(name, with_torch=options.with_torch), cache)
        for scenario in SCENARIOS:
            if scenario.name in options.scenarios:
                profile(workload, scenario, cache, options.rounds or 5)


def _measure(options: Options) -> None:
    """Measure, keep, write."""
    results = Results()
    if options.output and options.output.exists():
        results = Results.read(options.output)
    for path in options.merge:
        results = results.merged(Results.read(path))
    if options.run:
        for new in measured(options):
            results = results.merged(new)
            if options.output:
                results.write(options.output)
    print("\n".join(tables(results)))
    if options.write:
        write(results, options.write)


def _list() -> None:
    print("workloads:", *(f"  {each.name}" for each in RECIPES), sep="\n")
    print("scenarios:", *(f"  {name}" for name in scenario_names()), sep="\n")
    print("peers:")
    tools: tuple[Tool, ...] = (*PEERS, *PULLERS)
    for tool in tools:
        absent = tool.absent()
        print(f"  {tool.name}: " + (f"absent: {absent}" if absent else tool.version()))


sys.exit(main())
