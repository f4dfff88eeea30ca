"""All cases: every request of every kind of push, every fault, once and for ever."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass

from tests.e2e.faults.ground import Ground, Stored
from tests.e2e.faults.pushes import (
    NEIGHBOUR,
    REGISTRY,
    Case,
    Outcome,
    kind_of,
    run,
    subject_of,
)
from tests.e2e.faults.right import SUCCEEDS, Right, Row, right
from tests.peers import faults
from tests.peers.proxy import ELSEWHERE, Fault, Spoiled

_LIMIT = 5.0
"""Seconds that an answer is waited for, where one takes longer than is waited for."""

MOST_REQUESTS = 40
"""More than usual."""

MOST_WAITING = 480.0
"""Seconds, of time that passes only by waiting."""

_MOST_SECONDS = 240.0
_CHUNK = 25


@dataclass(frozen=True)
class Push:
    """A kind of push.

    :param base: the door behind which its base lies.
    :param beginning: what has gone wrong already; then the requests are those that come of it.
    """

    title: str
    text: str
    base: str
    beginning: tuple[Spoiled, ...] = ()


PUSHES = (
    Push(
        "The base in another repository of the registry",
        "The base's layer is mounted, one layer is there already, one is streamed, one is small.",
        REGISTRY,
    ),
    Push(
        "The base in another registry",
        "The base's layer is read from there while it is sent. That registry gives its tokens to "
        "everyone.",
        NEIGHBOUR,
    ),
    Push(
        "After a fault",
        "The base's layer broke off in the midst, the streamed layer was answered with 500, and "
        "the answer to the small one was lost.",
        NEIGHBOUR,
        (
            Spoiled(faults.HALF, NEIGHBOUR, "GET base blob", 2),
            Spoiled(faults.PASSING[1], REGISTRY, "PATCH", 1),
            Spoiled(faults.HALF, REGISTRY, "PUT blob", 3),
        ),
    ),
)


@dataclass(frozen=True)
class Baseline:
    """A push that nothing happens to.

    :param shown: the rows that faults are put on.
    """

    push: Push
    rows: tuple[Row, ...]
    shown: tuple[int, ...]
    image: Stored


@dataclass(frozen=True)
class Cell:
    """A fault of a request, and what should come of it."""

    name: str
    baseline: Baseline
    index: int
    fault: Fault
    for_ever: bool

    @property
    def row(self) -> Row:
        return self.baseline.rows[self.index]

    @property
    def right(self) -> Right | None:
        return right(self.baseline.rows, self.index, self.fault, self.for_ever)

    def case(self) -> Case:
        row = self.row
        spoiled = Spoiled(self.fault, row.door, row.kind, row.number, self.for_ever, row.before)
        limit = _LIMIT if self.fault == faults.STALLED else 0
        push = self.baseline.push
        return Case(self.name, push.base, (*push.beginning, spoiled), limit)

    def __str__(self) -> str:
        often = "for ever" if self.for_ever else "once"
        return f"{self.baseline.push.title}: {self.fault.name} {often} at {self.row}"


@dataclass(frozen=True)
class Verdict:
    """What came of a case, and all that is wrong with that."""

    end: str
    wrong: tuple[str, ...]
    requests: int
    waited: float
    seconds: float


def baselines(ground: Ground) -> list[Baseline]:
    """Each push without a fault of its own; of later ones, what the earlier have not is shown."""
    made: list[Baseline] = []
    for number, push in enumerate(PUSHES):
        found = run(ground, Case(f"baseline{number}/app", push.base, push.beginning))
        assert found.image and found.image.manifest == found.digest and not found.wrong, found
        rows = tuple(_rows(found))
        seen = {each.rows[at].what for each in made for at in each.shown}
        shown = tuple(
            at for at, row in enumerate(rows) if row.what not in seen or _is_proof(rows, at)
        )
        made.append(Baseline(push, rows, shown, found.image))
    return made


def _is_proof(rows: Sequence[Row], at: int) -> bool:
    """Whether a blob is asked for because the answer to it was lost."""
    sent = {row.subject for row in rows[:at] if row.kind == "PUT blob"}
    return rows[at].kind == "HEAD blob" and rows[at].subject in sent


def _rows(outcome: Outcome) -> Iterator[Row]:
    assert outcome.image
    words = dict(
        zip(
            outcome.image.layers,
            ("base layer", "large layer", "kept layer", "small layer"),
            strict=True,
        )
    )
    words[outcome.image.config] = "config"
    kinds: Counter[str] = Counter()
    doors: Counter[str] = Counter()
    for at, request in enumerate(outcome.requests):
        kind = kind_of(request)
        kinds[kind] += 1
        subject = subject_of(at, outcome.requests, words)
        yield Row(kind, subject, request.door, kinds[kind], doors[request.door])
        doors[request.door] += 1


def cells(found: Sequence[Baseline]) -> list[Cell]:
    """Every case that there can be."""
    made = [
        Cell(f"case{number}-{at}-{column}-{int(for_ever)}/app", baseline, at, fault, for_ever)
        for number, baseline in enumerate(found)
        for at in baseline.shown
        for column, fault in enumerate(faults.FAULTS)
        for for_ever in (False, True)
    ]
    return [cell for cell in made if cell.right is not None]


def run_all(ground: Ground, every: Sequence[Cell]) -> list[Verdict]:
    """Run all cases, those that take long beside the others."""
    slow = {faults.SLOW, faults.STALLED}
    long = [cell for cell in every if cell.fault in slow]
    short = [cell for cell in every if cell.fault not in slow]
    chunks = [short[at : at + _CHUNK] for at in range(0, len(short), _CHUNK)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, context) as pool:
        jobs: list[tuple[Sequence[Cell], Future[list[Verdict]]]] = [
            (long, pool.submit(run_some, ground, long, len(long) or 1))
        ]
        jobs += [(chunk, pool.submit(run_some, ground, chunk, 2)) for chunk in chunks]
        verdicts = {
            cell.name: verdict
            for some, job in jobs
            for cell, verdict in zip(some, job.result(), strict=True)
        }
    return [verdicts[cell.name] for cell in every]


def run_some(ground: Ground, some: Sequence[Cell], threads: int) -> list[Verdict]:
    """Run cases, so many at once."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda cell: judge(ground, cell, run(ground, cell.case())), some))


def judge(ground: Ground, cell: Cell, outcome: Outcome) -> Verdict:
    """Hold what came of a case against what is right."""
    right, end = cell.right, outcome.error or SUCCEEDS
    assert right is not None
    wrong = list(outcome.wrong)
    if end != right.end:
        wrong.append(f"it should have come to {right.end}, and was {end}: {outcome.message}")
    elif outcome.error:
        wrong += _unsaid(cell, right, outcome)
    wrong += _wrong_image(ground, cell, outcome)
    more = len(outcome.requests) - len(cell.baseline.rows)
    if more > MOST_REQUESTS:
        wrong.append(f"{more} requests more than usual")
    if outcome.waited > MOST_WAITING or outcome.seconds > _MOST_SECONDS:
        wrong.append(f"it took {outcome.seconds:.0f} s and waited {outcome.waited:.0f} s")
    return Verdict(end, tuple(wrong), len(outcome.requests), outcome.waited, outcome.seconds)


def _unsaid(cell: Cell, right: Right, outcome: Outcome) -> list[str]:
    """What the error does not say, but should."""
    said = [outcome.hosts[right.door]]
    if cell.fault.name.isdigit() and right.end in ("RegistryError", "NotFound", "Denied"):
        is_token = "token" in cell.row.kind
        said += [] if is_token and right.end == "Denied" else [cell.fault.name]
    if cell.fault in (faults.FOUND_ELSEWHERE, faults.MOVED_ELSEWHERE):
        said.append(outcome.hosts[ELSEWHERE])
    return [f"{word} is not in: {outcome.message}" for word in said if word not in outcome.message]


def _wrong_image(ground: Ground, cell: Cell, outcome: Outcome) -> list[str]:
    """Whether the tag stands for another image than it should."""
    image, whole = outcome.image, cell.baseline.image
    if image is None:
        return []
    is_new = (image.config, image.layers) == (whole.config, whole.layers)
    if not outcome.error:
        right = is_new and image.manifest == outcome.digest
        return [] if right else [f"the tag stands for {image}, not for {outcome.digest}"]
    # Where the registry stores a tag and then names another digest, there is no way back.
    may_be_new = cell.row.kind == "PUT tag" and cell.fault == faults.OTHER_DIGEST
    if image.manifest == ground.previous or (is_new and may_be_new):
        return []
    return [f"it failed, and the tag stands for {image}"]
