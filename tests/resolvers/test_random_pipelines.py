"""Pipelines that nobody thought of: they give what plain Python gives, or fail as they should."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sematic
from sematic.resolvers.loop import Loop
from sematic.resolvers.step import State
from tests.resolvers.executors import Recorder, Threads


@dataclass(frozen=True)
class Node:
    """A call: of which func, with which earlier results, and where."""

    kind: str
    inputs: tuple[int, ...]
    inline: bool
    number: int = 0
    plan: Plan | None = None


@dataclass(frozen=True)
class Plan:
    """Calls, of which each may use the results of those before it. The last is the result."""

    nodes: tuple[Node, ...]


@sematic.func
def add(a: int, b: int) -> int:
    return a + b


@sematic.func
def total(numbers: list[int], more: dict[str, tuple[int, ...]]) -> int:
    return sum(numbers) + sum(map(sum, more.values()))


@sematic.func
def spread(number: int) -> dict[str, list[int]]:
    return {"all": [number, add(number, 1)]}


@sematic.func
def fail(number: int) -> int:
    raise RuntimeError(f"planned: {number}")


@sematic.func
def expand(plan: Plan, number: int) -> int:
    made: int = follow(plan, number, FUNCS)
    return made


def expand_here(plan: Plan, number: float) -> float:
    """The same without futures; NaN if a call fails whose result is used."""
    return number if math.isnan(number) else follow(plan, number, PLAIN)


def follow(plan: Plan, number: float, calls: Mapping[str, Callable[..., Any]]) -> Any:
    """Do the calls of a plan: with funcs they give futures, with plain functions values."""
    results: list[Any] = [number]
    for node in plan.nodes:
        inputs = [results[index % len(results)] for index in node.inputs]
        call = calls[node.kind]
        if node.kind == "total":
            result = call(inputs, {"a": (node.number, inputs[0])})
        elif node.kind == "expand":
            result = call(node.plan, inputs[0])
        elif node.kind == "spread":
            result = call(inputs[0])
        elif node.kind == "fail":
            result = call(node.number)
        else:
            result = call(inputs[0], node.number)
        if isinstance(result, sematic.Future):
            result = result.set(inline=node.inline)
        results.append(result["all"][1] if node.kind == "spread" else result)
    return results[-1]


FUNCS = {one.__name__: one for one in (add, total, spread, fail, expand)}
PLAIN: dict[str, Callable[..., Any]] = {
    "add": add.__wrapped__,
    "total": total.__wrapped__,
    "spread": lambda number: {"all": [number, number + 1]},
    "fail": lambda number: math.nan,
    "expand": expand_here,
}


def plans(*kinds: str) -> st.SearchStrategy[Plan]:
    inputs = st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple)
    number = st.integers(0, 5)
    calls = st.builds(Node, st.sampled_from(kinds), inputs, st.booleans(), number)

    def of(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Plan]:
        return st.lists(nodes, min_size=1, max_size=5).map(lambda them: Plan(tuple(them)))

    def nested(inner: st.SearchStrategy[Plan]) -> st.SearchStrategy[Plan]:
        return of(calls | st.builds(Node, st.just("expand"), inputs, st.booleans(), number, inner))

    return st.recursive(of(calls), nested, max_leaves=4)


def resolve(plan: Plan, limit: int | None) -> tuple[Any, Recorder, Threads]:
    """The result or the error, and what happened meanwhile."""
    recorder, executor = Recorder(), Threads(limit)
    loop = Loop(expand(plan, 1), executor, listener=recorder, max_parallelism=limit)
    try:
        return loop.run(), recorder, executor
    except sematic.PipelineError as error:
        return error, recorder, executor
    finally:
        executor.close()


RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@RELAXED
@given(plans("add", "total", "spread"), st.sampled_from([1, 2, None]))
def test_a_pipeline_gives_what_plain_calls_give(plan: Plan, limit: int | None) -> None:
    value, recorder, _ = resolve(plan, limit)
    assert value == expand_here(plan, 1)
    assert set(recorder.states.values()) == {State.RESOLVED}
    assert all(step.handle is None for step in recorder.steps.values() if step.parent is not None)


@RELAXED
@given(plans("add", "total", "fail"), st.sampled_from([1, 2, None]))
def test_a_failure_leaves_every_step_in_the_state_it_should_have(
    plan: Plan, limit: int | None
) -> None:
    """That nothing starts after a failure is what the executor sees to."""
    value, recorder, executor = resolve(plan, limit)
    wanted = expand_here(plan, 1)
    if not math.isnan(wanted):
        assert value == wanted
        return
    assert isinstance(value, sematic.PipelineError)
    states = recorder.states
    assert all(state.is_terminal for state in states.values())
    (failed,) = (step for step in recorder.steps.values() if step.state is State.FAILED)
    assert (value.step, value.step_id) == ("fail", failed.id)
    ancestors = set()
    while failed.parent is not None:
        failed = failed.parent
        ancestors.add(failed.id)
    assert {one for one in states if states[one] is State.NESTED_FAILED} == ancestors
    assert all(states[one] is State.CANCELED for one in executor.canceled)
