"""How long the loop takes, side by side with peers: ``python -m benchmarks``."""

from __future__ import annotations

import sys

from benchmarks.measuring import measure
from benchmarks.options import read_options
from benchmarks.peers import PEERS
from benchmarks.quick import quick
from benchmarks.scenarios import SCENARIOS
from benchmarks.workloads.recipe import RECIPES


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
    elif options.quick:
        return quick(options.cache)
    else:
        return measure(options)
    return 0


def _list() -> None:
    print("workloads:", *(f"  {recipe.name}" for recipe in RECIPES), sep="\n")
    print("scenarios:", *(f"  {scenario.name}" for scenario in SCENARIOS), sep="\n")
    print("peers:")
    for peer in PEERS:
        absent = peer.absent()
        print(f"  {peer.name}: " + (f"absent: {absent}" if absent else peer.version()))


sys.exit(main())
