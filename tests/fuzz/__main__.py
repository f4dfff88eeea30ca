"""Fuzz one target with atheris, or list them."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["sematic"]):
    from tests.fuzz.mutation import changed
    from tests.fuzz.targets import SEEDS, TARGETS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=list(TARGETS))
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--longest", type=int, default=4096, help="bytes of input")
    options = parser.parse_args()
    if not options.target:
        print("\n".join(TARGETS))
        return
    fuzz(options.target, options.seconds, options.longest)


def fuzz(name: str, seconds: int, longest: int) -> None:
    """Run one target; what it finds is written where it was started."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS[name]):
            Path(corpus, str(number)).write_bytes(seed)
        limits = [f"-max_total_time={seconds}", f"-max_len={longest}", "-timeout=10"]
        options = [*limits, "-rss_limit_mb=1024", "-print_final_stats=1"]
        arguments = [sys.argv[0], *options, corpus]
        atheris.Setup(arguments, TARGETS[name], custom_mutator=mutated)
        atheris.Fuzz()


def mutated(data: bytes, longest: int, seed: int) -> bytes:
    """Other bytes; half of the JSON stays JSON, which bytes alone would seldom do."""
    if data[:1] == b"{" and seed % 2:
        return changed(data, Random(seed))[:longest]
    return bytes(atheris.Mutate(data, longest))


main()
