"""What was measured, as values and as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

OURS = "sematic-oci"
"""The peer whose time the others' are compared with."""


def now() -> str:
    """By what samples know the run that they are of."""
    return datetime.now(timezone.utc).isoformat(" ", "seconds")


@dataclass(frozen=True)
class Sample:
    """One push (or pull, or run).

    :param run: when the rounds began that this is one of; samples are compared within them.
    :param wall, cpu: seconds.
    :param rss: bytes of memory at the peak.
    :param sent, received: bytes to and from the registry.
    :param layers: of the image that were not in the image before.
    :param load: the machine's load average of the last minute before it.
    """

    run: str
    workload: str
    scenario: str
    peer: str
    round: int
    wall: float
    cpu: float
    rss: int
    sent: int = 0
    received: int = 0
    requests: int = 0
    layers: int = 0
    load: float = 0.0

    @property
    def place(self) -> tuple[str, str, str]:
        """Where it stands in tables."""
        return self.workload, self.scenario, self.peer


@dataclass
class Results:
    """:param absent: why peers could not be measured, by their names.
    :param failed: why there is no more of a peer, by where it failed.
    :param imported: the packages that our command imports, by ``WORKLOAD: SCENARIO``.
    """

    machine: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    workloads: dict[str, dict[str, int]] = field(default_factory=dict)
    imported: dict[str, list[str]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    def merged(self, newer: Results) -> Results:
        """Both; what has been measured again counts as it is now."""
        again = {sample.place for sample in newer.samples}
        kept = [s for s in self.samples if s.peer == OURS or s.place not in again]
        paired = {(s.run, s.workload, s.scenario) for s in kept if s.peer != OURS}
        kept = [
            s for s in kept if s.place not in again or (s.run, s.workload, s.scenario) in paired
        ]
        measured = {sample.peer for sample in (*kept, *newer.samples)}
        places = {": ".join(place) for place in again}
        absent = {**self.absent, **newer.absent}
        return Results(
            newer.machine or self.machine,
            {**self.versions, **newer.versions},
            {name: why for name, why in absent.items() if name not in measured},
            {
                **{where: why for where, why in self.failed.items() if where not in places},
                **newer.failed,
            },
            {**self.workloads, **newer.workloads},
            {**self.imported, **newer.imported},
            [*kept, *newer.samples],
        )

    def in_order(self, *names: Sequence[str]) -> Results:
        """In the order of names, of workloads, scenarios and peers; what is not named comes last.

        What is of one place stays in its order.
        """
        orders = [{name: number for number, name in enumerate(order)} for order in names]

        def key(sample: Sample) -> tuple[int, ...]:
            pairs = zip(orders, sample.place, strict=True)
            return tuple(order.get(name, len(order)) for order, name in pairs)

        return replace(self, samples=sorted(self.samples, key=key))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Results:
        document: dict[str, Any] = json.loads(path.read_text())
        samples = [Sample(**sample) for sample in document.pop("samples")]
        return cls(**document, samples=samples)


@dataclass(frozen=True)
class Row:
    """A peer in a scenario.

    :param ratios: least, median and most of its time by ours, round by round; empty if ours was
        not measured beside it.
    """

    peer: str
    samples: Sequence[Sample]
    ratios: tuple[float, float, float] | tuple[()]

    def median(self, name: str) -> float:
        """Of a measure, by its name."""
        return float(statistics.median(getattr(sample, name) for sample in self.samples))

    def most(self, name: str) -> int:
        return max(int(getattr(sample, name)) for sample in self.samples)


def rows(samples: Iterable[Sample], workload: str, scenario: str) -> list[Row]:
    """One for each peer, in the order in which they were measured."""
    here = [s for s in samples if (s.workload, s.scenario) == (workload, scenario)]
    ours = {(s.run, s.round): s.wall for s in here if s.peer == OURS}
    made = []
    for peer in dict.fromkeys(sample.peer for sample in here):
        own = [sample for sample in here if sample.peer == peer]
        made.append(Row(peer, own, _ratios(own, ours)))
    return made


def _ratios(
    samples: Sequence[Sample], ours: Mapping[tuple[str, int], float]
) -> tuple[float, float, float] | tuple[()]:
    pairs = [(s.wall, ours[key]) for s in samples if (key := (s.run, s.round)) in ours]
    if not pairs:
        return ()
    found = [wall / own for wall, own in pairs]
    return min(found), statistics.median(found), max(found)


def machine() -> dict[str, str]:
    """What this machine is, without its name."""
    info = Path("/proc/cpuinfo").read_text()
    models = [line.partition(": ")[2] for line in info.splitlines() if "model name" in line]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "CPUs": f"{os.cpu_count()} x {models[0] if models else platform.machine()}",
        "memory": f"{memory / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
    }
