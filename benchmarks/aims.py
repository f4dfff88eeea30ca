"""What was to be reached, and whether it was: computed from results."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks import scan
from benchmarks.results import OURS, Results, Sample
from benchmarks.scenarios import SCENARIOS
from benchmarks.schedule import CRANE, DOCKER, DOCKER_ZSTD, PIPE, PROCESS, UMOCI, UMOCI_ZSTD
from benchmarks.table import bytes_text, cell, short

_OWN_WORK = (*(scenario.name for scenario in SCENARIOS), scan.SCENARIO)
Found = tuple[str, bool]
"""What was measured, in words, and whether that is what was to be reached."""


@dataclass(frozen=True)
class Aim:
    """:param measured: by results; nothing where they do not tell."""

    scenario: str
    text: str
    measured: Callable[[Results], Found | None]


@dataclass(frozen=True)
class Verdict:
    """An aim, and what came of it.

    :param reached: empty where it was not measured.
    """

    aim: Aim
    reached: str
    holds: bool


def verdicts(results: Results) -> list[Verdict]:
    """Of every aim, in order."""
    found = [(aim, aim.measured(results)) for aim in AIMS]
    return [Verdict(aim, *(one or ("", False))) for aim, one in found]


def _ratios(
    results: Results, workload: str, scenario: str, peer: str, other: str = OURS
) -> list[float]:
    """A peer's time by another's, round by round."""
    sides = [
        {(s.run, s.round): s.wall for s in results.samples if s.place == (workload, scenario, name)}
        for name in (peer, other)
    ]
    return [wall / sides[1][key] for key, wall in sides[0].items() if key in sides[1]]


def _faster(workload: str, scenario: str, peers: Sequence[str], least: float) -> Aim:
    """As many times as fast as each of some peers."""

    def measured(results: Results) -> Found | None:
        ratios = {p: r for p in peers if (r := _ratios(results, workload, scenario, p))}
        medians = {peer: statistics.median(found) for peer, found in ratios.items()}
        if not medians:
            return None
        peer, ratio = min(medians.items(), key=lambda item: item[1])
        return f"{short(ratio)}x ({peer})", ratio >= least

    name = peers[0] if set(peers) <= {peers[0], f"{peers[0]}, zstd"} else "every peer"
    return Aim(f"{workload}: {scenario}", f"at least {least:g}x as fast as {name}", measured)


def _within(
    workload: str, scenario: str, peers: Sequence[str], most: float, ours: str = OURS
) -> Aim:
    """No more than so many times the time of each of some peers."""

    def measured(results: Results) -> Found | None:
        ratios = {p: r for p in peers if (r := _ratios(results, workload, scenario, ours, p))}
        medians = {peer: statistics.median(found) for peer, found in ratios.items()}
        if not medians:
            return None
        peer, ratio = max(medians.items(), key=lambda item: item[1])
        return f"{short(ratio)}x ({peer})", ratio <= most

    who = "" if ours == OURS else "in process, "
    text = f"{who}at most {most:g}x the time of {peers[0]}"
    return Aim(f"{workload}: {scenario}", text, measured)


def _at_most(
    workload: str, scenario: str, measure: str, most: float, text: Callable[[float], str]
) -> Aim:
    """A measure of ours, its median."""

    def measured(results: Results) -> Found | None:
        found = _values(_ours(results, workload, scenario), measure)
        return (text(median := statistics.median(found)), median <= most) if found else None

    return Aim(f"{workload}: {scenario}", f"at most {text(most)}", measured)


def _ours(results: Results, workload: str, scenario: str) -> list[Sample]:
    return [s for s in results.samples if s.place == (workload, scenario, OURS)]


def _values(samples: Iterable[Sample], measure: str) -> list[float]:
    return [getattr(sample, measure) for sample in samples]


def _part(place: tuple[str, str], whole: tuple[str, str], most: float, text: str) -> Aim:
    """A scenario's time by another's, both ours."""

    def measured(results: Results) -> Found | None:
        sides = [_values(_ours(results, *each), "wall") for each in (place, whole)]
        if not all(sides):
            return None
        ratio = statistics.median(sides[0]) / statistics.median(sides[1])
        return f"{short(ratio)}x", ratio <= most

    return Aim(": ".join(place), text, measured)


def _upgrade_bytes(results: Results) -> Found | None:
    sent = _values(_ours(results, "science", "distribution upgraded"), "sent")
    size = results.workloads.get("science", {}).get("upgrade bytes")
    if not sent or not size:
        return None
    ratio = statistics.median(sent) / size
    return f"{short(ratio)}x ({bytes_text(statistics.median(sent))})", ratio <= 1.1


def _imports(results: Results) -> Found | None:
    if (found := results.imported.get("science: no change")) is None:
        return None
    heavy = [name for name in ("requests", "oras", "kubernetes", "rich") if name in found]
    return f"{', '.join(heavy) or 'none'} of {len(found)} packages", not heavy


def _memory(workload: str) -> Aim:
    """Of what we do ourselves: no engine's that pulls, and no program's in a container."""

    def measured(results: Results) -> Found | None:
        found = [
            sample
            for sample in results.samples
            if sample.workload == workload
            and sample.scenario in _OWN_WORK
            and sample.peer.startswith(("sematic", "find_tree"))
        ]
        if not found:
            return None
        most = max(found, key=lambda sample: sample.rss)
        return f"{bytes_text(most.rss)} ({most.scenario}, {most.peer})", most.rss <= 150e6

    return Aim(f"{workload}: every scenario", "at most 150 MB of memory", measured)


def _scan(name: str) -> Aim:
    def measured(results: Results) -> Found | None:
        found = [s.wall for s in results.samples if s.place == ("huge", scan.SCENARIO, name)]
        if not found:
            return None
        micros = statistics.median(found) / results.workloads["huge"]["source files"] * 1e6
        return f"{micros:.1f} µs", micros <= 5

    return Aim(f"huge: {name}", "at most 5 µs a file", measured)


def _pull(what: str, measure: str, least: float, text: str) -> Aim:
    """By the peer's image for which least is needed."""
    scenario = f"pull by {what} after edit"

    def measured(results: Results) -> Found | None:
        by_peer: dict[str, list[float]] = {}
        for sample in results.samples:
            if (sample.workload, sample.scenario) == ("science", scenario):
                by_peer.setdefault(sample.peer, []).append(getattr(sample, measure))
        medians = {peer: statistics.median(found) for peer, found in by_peer.items()}
        if not (ours := medians.pop(OURS, None)) or not medians:
            return None
        peer, best = min(medians.items(), key=lambda item: item[1])
        return f"{short(best / ours)}x ({peer})", best / ours >= least

    return Aim(f"science: {scenario}", text, measured)


_EDIT, _UPGRADE = "one file edited", "distribution upgraded"
AIMS: Sequence[Aim] = (
    _faster("science", _EDIT, (DOCKER, DOCKER_ZSTD), 5),
    _within("science", _EDIT, (CRANE,), 1.5),
    _within("science", _EDIT, (CRANE,), 0.6, PROCESS),
    _at_most("science", _EDIT, "sent", 30_000, bytes_text),
    _at_most("science", _EDIT, "requests", 8, "{:.0f} request(s)".format),
    _faster("science", "no change", (DOCKER, DOCKER_ZSTD), 8),
    _at_most("science", "no change", "requests", 1, "{:.0f} request(s)".format),
    Aim("science: no change", "no import of requests, oras, kubernetes, rich", _imports),
    _faster("science", "cold", (DOCKER, DOCKER_ZSTD), 5),
    _within("science", "cold", (UMOCI, UMOCI_ZSTD), 0.6),
    _within("science", "cold", (PIPE,), 1.3),
    _faster("science", _UPGRADE, (UMOCI_ZSTD, UMOCI, CRANE, DOCKER, DOCKER_ZSTD), 15),
    Aim(f"science: {_UPGRADE}", "at most 1.1x the bytes of the distribution", _upgrade_bytes),
    _part(("science", "second machine"), ("science", "cold"), 1 / 3, "at most 0.33x of cold"),
    _part(("monorepo", _EDIT), ("small", _EDIT), 3, "at most 3x the time of small"),
    _scan("find_tree, first"),
    _scan("find_tree, again"),
    *map(_memory, ("small", "science", "science-torch", "monorepo", "many", "huge")),
    _pull("containerd", "received", 3, "at least 3x fewer bytes than the best other image"),
    _pull("containerd", "wall", 1, "not slower than the best other image"),
    _pull("podman", "received", 3, "at least 3x fewer bytes than the best other image"),
    _pull("podman", "wall", 1, "not slower than the best other image"),
)


def table(results: Results) -> Iterator[str]:
    """Lines of Markdown."""
    yield "| scenario | to be reached | measured | reached |"
    yield "| --- | --- | --- | --- |"
    for each in verdicts(results):
        reached = ("yes" if each.holds else "no") if each.reached else ""
        measured = each.reached or "not measured"
        cells = (each.aim.scenario, each.aim.text, measured, reached)
        yield f"| {' | '.join(map(cell, cells))} |"
