"""The document with the last full run, and its pictures: ``docs/benchmarks.md``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks import aims
from benchmarks.peers import PEERS
from benchmarks.plots import MEASURES, picture
from benchmarks.results import OURS, Results, Row, rows
from benchmarks.table import cell, places, seconds_text, tables

_HEAD = """\
# Benchmarks

How long a project and its environment take into a registry, with sematic-oci and with the tools
that others use for it. This page is written by the run:

```console
$ python -m benchmarks --with-torch --write docs/benchmarks.md
```

It takes some forty minutes on two idle CPUs.
`nox -s bench -- --with-torch --write docs/benchmarks.md` does the same in an environment of its
own, and brings the tools first (`python -m benchmarks.install`; for Kubernetes,
`python -m tests.peers.kubernetes.build`). Parts can be chosen and put together;
`python -m benchmarks --help` says how.
"""
_METHOD = """\
## How it is measured

- Workloads are made by recipe and seed (`benchmarks/workloads/`): `small` has 30 modules and ten
  distributions; `science` 300 modules and what people who work with data have installed; `monorepo`
  100,000 modules in 2,000 packages; `many` 600 distributions; `huge` a million files, which are
  only looked at; `science-torch` is `science` with torch; `launcher` a pipeline of one step.
- Every tool is used as those who know it would: the environment in a layer beneath the sources,
  without bytecode, told what has changed where it does not look by itself (`benchmarks/peers/`).
- Every tool is given the base by its digest, as whoever wants the same image tomorrow does it. By
  tag many ask with every push what it stands for: `sematic-oci` has one request more then.
- In a round each tool takes its turn at the same change, another one first each time. "times ours"
  is its time by that of `sematic-oci` in the same round, so that 2 is twice as slow: the median,
  and the least and the most.
- `benchmarks/schedule.py` says who takes part in what. Who takes long takes part in the first round
  only; what two tools do alike is measured of one. Where somebody is left out, the next scenario
  begins with a push of what there is, which is not counted.
- All files have been read once before the first push, so that nobody waits for the disk.
- No tool remembers anything from before a cold push, not even skopeo where it has seen blobs.
- Seconds are those of the commands that a user would wait for, without the time between them. CPU
  seconds and memory (the largest process at its peak) are those of the commands and of what they
  started, by `wait4`, and of daemons (Docker's, containerd) that worked for them, by `/proc`.
- The registry is Debian's docker-registry on loopback. Bytes are counted by a process in between,
  with the heads of requests (it takes 0.25 s of CPU time a GB); requests by the registry's log,
  those for the base too.
- After an edit or an upgrade, a node of containerd's or podman's that has the image from before
  pulls each tool's image. The others' images are alike but for their compression: a layer of the
  environment, and one of the sources on top.
- "new layers" are those of the image that were not in the image before.
"""


def write(results: Results, path: Path) -> None:
    """The document; its pictures lie beside it, and begin with its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = dict.fromkeys(workload for workload, _ in places(results))
    lines = [_HEAD, "## What was to be reached", "", *aims.table(results), "", *_about(results)]
    for workload in names:
        lines += _summary(results, workload)
        for measure in MEASURES:
            if drawn := picture(results, workload, measure):
                image = path.with_name(f"{path.stem}-{workload}-{measure.name}.svg")
                image.write_text(drawn)
                lines += [f"![{workload}: {measure.title}]({image.name})", ""]
    lines += [_METHOD, "## All numbers", "", *tables(results)]
    path.write_text("\n".join(lines).rstrip() + "\n")


def _about(results: Results) -> Iterator[str]:
    dates = sorted(sample.run[:10] for sample in results.samples)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    machine = ", ".join(f"{name}: {value}" for name, value in results.machine.items())
    load = max(sample.load for sample in results.samples)
    yield "## Machine and tools"
    yield ""
    yield f"Measured {when}. {machine}. Load average up to {load:.1f}."
    yield ""
    yield "| | version |"
    yield "| --- | --- |"
    for name, version in results.versions.items():
        yield f"| {cell(name)} | {cell(version)} |"
    for name, why in results.absent.items():
        yield f"| {cell(name)} | absent: {cell(why)} |"
    for where, why in results.failed.items():
        yield f"| {cell(where)} | failed: {cell(why)} |"
    yield ""


def _summary(results: Results, workload: str) -> Iterator[str]:
    """Seconds of each peer in each scenario."""
    if not (facts := results.workloads.get(workload)):
        return
    yield f"## {workload}"
    yield ""
    sources, environment = (
        f"{facts[f'{what} files']:,} files ({facts[f'{what} bytes'] / 1e6:,.1f} MB)"
        for what in ("source", "environment")
    )
    yield f"The project has {sources}, the environment {environment}."
    yield ""
    found = {
        scenario: {row.peer: row for row in rows(results.samples, workload, scenario)}
        for name, scenario in places(results)
        if name == workload
    }
    compared = {scenario: peers for scenario, peers in found.items() if OURS in peers}
    order = {peer.name: number for number, peer in enumerate(PEERS)}
    there = dict.fromkeys(peer for rows in compared.values() for peer in rows)
    peers = sorted(there, key=lambda peer: order.get(peer, len(order)))
    if not peers:
        return
    yield f"| seconds (times ours) | {' | '.join(map(cell, peers))} |"
    yield f"| --- |{' ---: |' * len(peers)}"
    for scenario, by_peer in compared.items():
        yield f"| {scenario} | {' | '.join(_cell(by_peer.get(peer)) for peer in peers)} |"
    yield ""


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    seconds = seconds_text(row.median("wall"))
    if row.peer == OURS or not row.ratios:
        return seconds
    return f"{seconds} ({row.ratios[1]:.2g})"
