"""Who waits for whom among the steps of a run. Each knows its neighbours; nobody knows them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from sematic.future import Future, futures_in, in_order, rebuild
from sematic.resolvers.step import State, Step

T = TypeVar("T")


def grow(structure: Any, make: Callable[[Future[Any]], Step]) -> dict[str, Step]:
    """Steps for the futures of a structure, and for all that these need, by the future's id.

    They are made after those that they need, and wired to them.
    """
    scope: dict[str, Step] = {}
    for future in in_order(structure):
        scope[future.id] = make(future)
        wire(scope[future.id], future.arguments, scope)
    return scope


def wire(step: Step, structure: Any, scope: Mapping[str, Step]) -> None:
    """Have a step wait for the futures of its arguments, or of what it expanded to."""
    needs = step.needs
    needs.inputs = {future.id: scope[future.id] for future in futures_in(structure)}
    for needed in needs.inputs.values():
        needed.needs.uses += 1
        if needed.state is not State.RESOLVED:
            needed.needs.takers.append(step)
            needs.missing += 1


def settle(step: Step) -> Iterator[Step]:
    """The steps that waited for this one alone, now that it has its handle."""
    takers, step.needs.takers = step.needs.takers, []
    for taker in takers:
        taker.needs.missing -= 1
        if not taker.needs.missing:
            yield taker


def take(step: Step, structure: T) -> T:
    """A structure with handles in place of futures. The last step to take a handle lets it go."""
    inputs, step.needs.inputs = step.needs.inputs, {}
    made: T = rebuild(structure, lambda future: inputs[future.id].needs.handle)
    for needed in inputs.values():
        needed.needs.uses -= 1
        if not needed.needs.uses:
            needed.needs.handle = None
    return made
