"""The loop: what starts when, what follows from an outcome, and what it costs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import sematic
from sematic.function import Function
from sematic.resolvers.executor import Ended, Event, Started, Waiting
from sematic.resolvers.loop import Loop
from sematic.resolvers.step import Expanded, Failed, Failure, Returned, State, Step
from sematic.resolvers.timers import Backoff
from tests.resolvers.executors import ByHand, Recorder, Threads
from tests.resolvers.pipelines import add, apart, broken, of_text, square, sum_of_squares


@sematic.func
def several(count: int) -> list[int]:
    return [apart(number) for number in range(count)]


@sematic.func
def mixed() -> dict[str, Any]:
    return {"sum": add(square(2), apart(1)), "list": [square(3), (apart(2), "text")], "n": 1}


@sematic.func
def outer(number: int) -> int:
    return inner(number)


@sematic.func
def inner(number: int) -> int:
    return add(broken(number), square(number))


@sematic.func
def countdown(number: int) -> int:
    return countdown(number - 1) if number else 0


def run(future: sematic.Future[Any], executor: ByHand, **settings: Any) -> tuple[Any, Recorder]:
    recorder = Recorder()
    loop = Loop(future, executor, listener=recorder, clock=executor.clock, **settings)
    try:
        return loop.run(), recorder
    except sematic.SematicError as error:
        return error, recorder


def test_a_step_starts_when_its_arguments_are_there() -> None:
    value, recorder = run(add(square(2), square(3)), executor := ByHand())
    assert value == 13
    assert [(step.name, arguments) for step, arguments in executor.started] == [
        ("square", {"number": 2}),
        ("square", {"number": 3}),
        ("add", {"a": 4, "b": 9}),
    ]
    assert recorder.of("add") == ["CREATED", "SCHEDULED", "SCHEDULED", "RESOLVED"]


def test_arguments_keep_their_structure() -> None:
    @sematic.func
    def take(value: dict[str, list[tuple[int, str]]]) -> int:
        return value["a"][0][0]

    value, _ = run(take({"a": [(square(2), "x")]}), executor := ByHand())
    assert value == 4
    assert executor.started[1][1] == {"value": {"a": [(4, "x")]}}


def test_an_expansion_is_resolved_when_all_of_it_is() -> None:
    value, recorder = run(mixed(), ByHand())
    assert value == {"sum": 6, "list": [9, (3, "text")], "n": 1}
    assert recorder.of("mixed") == ["CREATED", "SCHEDULED", "SCHEDULED", "RAN", "RESOLVED"]
    assert recorder.lines[-1] == "mixed RESOLVED"
    parents = {step.name: step.parent.name for step in recorder.steps.values() if step.parent}
    assert parents == {"add": "mixed", "square": "mixed", "apart": "mixed"}


def test_the_steps_of_the_roots_arguments_are_its_children() -> None:
    _, recorder = run(add(square(1), 2), ByHand())
    root, child = recorder.steps.values()
    assert (root.name, child.name, child.parent) == ("add", "square", root)
    assert child.root is root.root is root


def test_an_expansion_is_cast_to_the_return_type() -> None:
    @sematic.func
    def halves() -> list[float]:
        return [square(2), 1]

    value, _ = run(halves(), ByHand())
    assert value == [4.0, 1.0]
    assert {type(number) for number in value} == {float}


def test_an_expansion_that_cannot_be_cast_fails_the_step_that_made_it() -> None:
    @sematic.func
    def anything() -> Any:
        return "text"

    @sematic.func
    def number() -> int:
        return anything()

    error, recorder = run(number(), ByHand())
    assert "step 'number'" in str(error)
    assert "its result: cannot cast 'text' to int" in str(error)
    assert recorder.final() == {"number": "FAILED", "anything": "RESOLVED"}


def test_a_future_that_is_used_twice_runs_once() -> None:
    once = square(3)
    value, _ = run(add(once, add(once, once)), executor := ByHand())
    assert value == 27
    assert len(executor.started) == 3


def test_a_future_that_is_used_in_two_expansions_runs_in_each() -> None:
    shared = square(3)

    @sematic.func
    def first() -> int:
        return shared

    @sematic.func
    def second() -> int:
        return shared

    value, recorder = run(add(first(), second()), ByHand())
    assert value == 18
    assert sum(step.name == "square" for step in recorder.steps.values()) == 2


def test_a_step_is_named_and_tagged_as_the_call_was() -> None:
    future = add(1, 2).set(name="sum", tags=["a"])
    _, recorder = run(future, ByHand())
    (step,) = recorder.steps.values()
    assert (step.id, step.name, step.tags, step.attempt) == (future.id, "sum", ("a",), 1)


def test_a_failure_is_told_of_the_step_and_of_its_ancestors() -> None:
    error, recorder = run(outer(7), executor := ByHand())
    assert isinstance(error, sematic.PipelineError)
    assert str(error) == (
        "step 'broken' (tests.resolvers.pipelines:broken) of 'inner' failed in a test: "
        "ValueError: no good: 7"
    )
    assert (error.step, error.place, error.kind) == ("broken", "a test", "exception")
    assert isinstance(error.__cause__, ValueError)
    assert error.traceback.startswith("Traceback")
    assert "pipelines.py" in error.traceback
    assert "sematic/function.py" not in error.traceback
    assert recorder.final() == {
        "outer": "NESTED_FAILED",
        "inner": "NESTED_FAILED",
        "broken": "FAILED",
        "add": "CANCELED",
        "square": "CANCELED",
    }
    assert recorder.of("square")[-1] == "CANCELED step 'broken' failed"
    assert [step.name for step, _ in executor.started] == ["outer", "inner", "broken"]


def test_what_runs_when_a_step_fails_is_cancelled() -> None:
    failure = Failure("oom", "out of memory")
    expanded: list[Any] = several.__wrapped__(3)
    executor = Scripted(expanded, [(1, Failed(failure))])
    error, recorder = run(several(3), executor)
    assert "out of memory" in str(error)
    assert [step.id for step in executor.canceled] == [expanded[0].id, expanded[2].id]
    assert [recorder.states[future.id].value for future in expanded] == [
        "CANCELED",
        "FAILED",
        "CANCELED",
    ]


class Scripted(ByHand):
    """The first step expands; its parts end in a given order, with given outcomes."""

    def __init__(self, expanded: list[Any], ends: list[tuple[int, Any]]) -> None:
        super().__init__()
        self.expanded = expanded
        self.ends = ends

    def start(self, step: Step, arguments: Any) -> None:
        self.started.append((step, arguments))
        if len(self.started) == 1:
            self.events.append(Ended(step.id, Expanded(self.expanded)))
        elif len(self.started) == len(self.expanded) + 1:
            for index, outcome in self.ends:
                self.events.append(Ended(self.expanded[index].id, outcome))


def test_results_come_together_in_whatever_order_they_arrive() -> None:
    expanded: list[Any] = several.__wrapped__(3)
    ends = [(2, Returned(30)), (0, Returned(10)), (1, Returned(20))]
    value, _ = run(several(3), Scripted(expanded, ends))
    assert value == [10, 20, 30]


def test_a_remote_failure_shows_the_remote_traceback() -> None:
    failure = Failure("exception", "KeyError: 'a'", "Traceback:\n  remote line\nKeyError: 'a'\n")
    error, _ = run(square(1), ByHand(Failed(failure)))
    assert str(error).endswith("KeyError: 'a'\n\nTraceback:\n  remote line\nKeyError: 'a'")
    assert error.__cause__ is None


def test_sys_exit_is_a_failure_and_not_a_result() -> None:
    @sematic.func
    def leaves() -> None:
        sys.exit(0)

    error, _ = run(leaves(), ByHand())
    assert isinstance(error, sematic.PipelineError)
    assert error.kind == "exit"
    assert "it called sys.exit(0), and so has no result" in str(error)


def test_a_wrong_result_fails_its_step() -> None:
    @sematic.func
    def wrong() -> int:
        return "text"  # type: ignore[return-value]

    error, _ = run(wrong(), ByHand())
    assert "step 'wrong'" in str(error)
    assert "TypeError: wrong: its result: cannot cast 'text' to int" in str(error)


def test_a_future_of_a_wrong_type_as_a_result_fails_its_step() -> None:
    @sematic.func
    def wrong() -> int:
        return of_text("text")  # type: ignore[return-value, unused-ignore]

    error, recorder = run(wrong(), ByHand())
    assert "its result: cannot cast str to int" in str(error)
    assert recorder.final() == {"wrong": "FAILED"}


@sematic.func(retry=sematic.RetrySettings((LookupError,), 2))
def stubborn(number: int) -> int:
    return number


def raised(error: Exception) -> Failed:
    return Failed(Failure.of(error))


def test_exceptions_are_retried_as_often_as_asked() -> None:
    outcomes = (raised(KeyError("a")), raised(IndexError("b")), Returned(5))
    value, recorder = run(stubborn(1), executor := ByHand(*outcomes))
    assert value == 5
    assert [line for line in recorder.of("stubborn") if line.startswith("RETRYING")] == [
        "RETRYING KeyError: 'a'",
        "RETRYING IndexError: b",
    ]
    assert len(executor.started) == 3
    assert executor.started[0][0].attempt == 3


def test_retries_end() -> None:
    error, _ = run(stubborn(1), executor := ByHand(*[raised(KeyError("a"))] * 9))
    assert "failed in a test (attempt 3): KeyError: 'a'" in str(error)
    assert len(executor.started) == 3


def test_other_exceptions_are_not_retried() -> None:
    error, _ = run(stubborn(1), executor := ByHand(raised(ValueError("a"))))
    assert "ValueError: a" in str(error)
    assert len(executor.started) == 1


def test_exceptions_that_cannot_be_loaded_here_are_known_by_name() -> None:
    types = ("there.Missing", "builtins.KeyError", "builtins.LookupError")
    failure = Failed(Failure("exception", "Missing: a", exception_types=types))
    value, _ = run(stubborn(1), ByHand(failure, Returned(5)))
    assert value == 5
    other = Failed(Failure("exception", "ValueError: a", exception_types=("builtins.ValueError",)))
    error, _ = run(stubborn(1), ByHand(other))
    assert "ValueError" in str(error)


@pytest.mark.parametrize("kind", ["oom", "exit", "timeout", "no-result"])
def test_failures_that_are_no_exceptions_are_not_retried(kind: str) -> None:
    error, _ = run(stubborn(1), executor := ByHand(Failed(Failure(kind, "it ended"))))
    assert "it ended" in str(error)
    assert len(executor.started) == 1


def test_arguments_of_another_attempt_are_as_they_were() -> None:
    seen: list[list[int]] = []

    @sematic.func(retry=sematic.RetrySettings((ValueError,), 1))
    def emptied(numbers: list[int]) -> int:
        seen.append(list(numbers))
        numbers.clear()
        if len(seen) == 1:
            raise ValueError
        return len(seen)

    value, _ = run(emptied([square(2), 1]), ByHand())
    assert value == 2
    assert seen == [[4, 1], [4, 1]]


def test_infrastructure_failures_are_retried_with_longer_and_longer_waits() -> None:
    lost = Failed(Failure("node-lost", "the node is gone", infrastructure=True))
    value, recorder = run(square(3), executor := ByHand(lost, lost, lost, Returned(9)))
    assert value == 9
    assert executor.now == 1 + 2 + 4
    assert recorder.of("square").count("RETRYING the node is gone") == 3
    error, _ = run(square(3), ByHand(lost, lost, lost, lost))
    assert "failed in a test (attempt 4): the node is gone" in str(error)


def test_the_patience_with_infrastructure_can_be_set() -> None:
    lost = Failed(Failure("evicted", "evicted", infrastructure=True))
    _, _ = run(square(3), executor := ByHand(lost, Returned(9)), backoff=Backoff(1, 0.25))
    assert executor.now == 0.25
    error, _ = run(square(3), ByHand(lost), backoff=Backoff(0))
    assert "evicted" in str(error)


def test_what_a_step_waits_for_is_told() -> None:
    class Slow(ByHand):
        def start(self, step: Step, arguments: Any) -> None:
            self.events += [Waiting(step.id, "0/3 nodes are available"), Started(step.id, "pod x")]
            self.events.append(Ended(step.id, Returned(4)))

    _, recorder = run(square(2), Slow())
    assert recorder.of("square") == [
        "CREATED",
        "SCHEDULED",
        "SCHEDULED 0/3 nodes are available",
        "SCHEDULED",
        "RESOLVED",
    ]
    (step,) = recorder.steps.values()
    assert (step.started, step.place) == (True, "pod x")


@sematic.func(timeout_mins=1)
def hurried(number: int) -> int:
    return apart(number)


class Late(ByHand):
    """A minute goes by before steps of a name end."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.minutes = 1.0

    def next(self, timeout: float | None) -> Event | None:
        event = super().next(timeout)
        names = {step.id: step.name for step, _ in self.started}
        if isinstance(event, Ended) and names[event.step_id] == self.name:
            self.now += 60 * self.minutes
        return event


@pytest.mark.parametrize("late", ["hurried", "apart"])
def test_a_step_that_takes_too_long_fails_with_all_that_it_expanded_to(late: str) -> None:
    error, recorder = run(hurried(1), executor := Late(late))
    assert isinstance(error, sematic.PipelineError)
    assert (error.step, error.kind) == ("hurried", "timeout")
    assert "it was not done within timeout_mins=1" in str(error)
    final = {"hurried": "FAILED", "apart": "CANCELED"} if late == "apart" else {"hurried": "FAILED"}
    assert recorder.final() == final
    assert [step.name for step in executor.canceled] == [late]


def test_a_step_that_takes_just_so_long_is_fine() -> None:
    executor = Late("apart")
    executor.minutes = 0.99
    value, _ = run(hurried(1), executor)
    assert value == 2


def test_a_limit_on_parallel_steps_is_kept_and_used() -> None:
    executor = Threads(limit=3)
    assert Loop(several(20), executor, max_parallelism=3).run() == list(range(1, 21))
    executor.close()
    assert 1 <= executor.most <= 3


def test_without_a_limit_all_ready_steps_start_at_once() -> None:
    expanded: list[Any] = several.__wrapped__(50)
    executor = Scripted(expanded, [(index, Returned(index)) for index in range(50)])
    value, _ = run(several(50), executor)
    assert value == list(range(50))


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="max_parallelism is 1 or more, not 0"):
        Loop(square(1), ByHand(), max_parallelism=0)


def test_inline_steps_run_one_after_another_in_the_order_they_became_ready() -> None:
    @sematic.func
    def squares() -> list[int]:
        return [square(number) for number in range(10)]

    value, recorder = run(squares(), executor := ByHand())
    assert value == [number**2 for number in range(10)]
    assert [arguments["number"] for _, arguments in executor.started[1:]] == list(range(10))
    at_once = most = 0.0
    for line in recorder.lines:
        at_once += (line == "square SCHEDULED") / 2 - (line == "square RESOLVED")
        most = max(most, at_once)
    assert most == 1


def test_a_run_can_be_cancelled_from_another_thread() -> None:
    class Waits(ByHand):
        def start(self, step: Step, arguments: Any) -> None:
            self.started.append((step, arguments))
            threading.Thread(target=loop.cancel).start()

    recorder, executor = Recorder(), Waits()
    loop = Loop(add(square(1), 1), executor, listener=recorder)
    with pytest.raises(sematic.RunCanceled, match="was cancelled: on request") as caught:
        loop.run()
    assert caught.value.run_id == next(iter(recorder.steps))
    assert recorder.final() == {"add": "CANCELED", "square": "CANCELED"}
    assert [step.name for step in executor.canceled] == ["square"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a bug")])
def test_an_interrupted_run_is_cancelled_and_the_interruption_goes_on(
    error: BaseException,
) -> None:
    class Interrupted(ByHand):
        def next(self, timeout: float | None) -> Event | None:
            raise error

    recorder, executor = Recorder(), Interrupted()
    with pytest.raises(type(error)):
        Loop(add(square(1), 1), executor, listener=recorder).run()
    assert recorder.final() == {"add": "CANCELED", "square": "CANCELED"}
    assert [step.name for step in executor.canceled] == ["square"]


def test_events_of_steps_that_are_over_change_nothing() -> None:
    class Twice(ByHand):
        def start(self, step: Step, arguments: Any) -> None:
            super().start(step, arguments)
            self.events += [Ended(step.id, Returned(100)), Started("nobody")]

    value, _ = run(add(square(1), square(2)), Twice())
    assert value == 5


class Shelf(dict[str, Any]):
    """A cache that is a dict."""

    def recall(self, key: str) -> Returned | None:
        return Returned(self[key]) if key in self else None

    def remember(self, key: str, handle: Any) -> None:
        self[key] = handle


@sematic.func(cache=True)
def cached(number: int) -> int:
    return square(number)


@sematic.func(cache=True)
def nothing() -> None:
    return None


def test_a_cached_func_runs_once_for_the_same_arguments() -> None:
    shelf = Shelf()
    value, _ = run(total([cached(2), cached(3)]), ByHand(), cache=shelf)
    assert value == 13
    again, recorder = run(total([cached(2), cached(square(2))]), executor := ByHand(), cache=shelf)
    assert again == 20
    assert recorder.of("cached").count("RESOLVED cached") == 1
    assert [step.name for step, _ in executor.started].count("cached") == 1


def test_a_result_of_none_is_cached_too() -> None:
    shelf = Shelf()
    run(nothing(), ByHand(), cache=shelf)
    value, recorder = run(nothing(), executor := ByHand(), cache=shelf)
    assert value is None
    assert recorder.lines == ["nothing CREATED", "nothing RESOLVED cached"]
    assert not executor.started


def test_funcs_that_did_not_ask_are_not_cached() -> None:
    shelf = Shelf()
    run(square(2), ByHand(), cache=shelf)
    assert not shelf


def test_a_failed_step_is_not_cached() -> None:
    shelf = Shelf()
    run(cached(2), ByHand(raised(ValueError())), cache=shelf)
    assert not shelf


def test_arguments_that_cannot_be_pickled_are_not_cached() -> None:
    @sematic.func(cache=True)
    def called(what: Callable[[], int]) -> int:
        return what()

    shelf = Shelf()
    value, _ = run(called(lambda: 3), ByHand(), cache=shelf)
    assert value == 3
    assert not shelf


def test_a_value_is_let_go_when_the_last_has_taken_it() -> None:
    _, recorder = run(sum_of_squares([1, 2, 3]), ByHand())
    held = [step.name for step in recorder.steps.values() if step.handle is not None]
    assert held == ["sum_of_squares"]


def test_a_nesting_deeper_than_the_stack_resolves() -> None:
    depth = sys.getrecursionlimit() + 200
    value, recorder = run(countdown(depth), ByHand())
    assert value == 0
    assert recorder.count() == {State.RESOLVED: depth + 1}


def test_a_chain_longer_than_the_stack_resolves() -> None:
    length = sys.getrecursionlimit() + 200
    future = square(1)
    for _ in range(length):
        future = add(future, 1)
    assert run(future, ByHand())[0] == length + 1


def calls(action: Callable[[], object]) -> int:
    """How many Python functions an action calls."""
    count = 0

    def profile(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


@sematic.func
def fan(count: int) -> int:
    return total([apart(number) for number in range(count)])


@sematic.func
def total(numbers: list[int]) -> int:
    return sum(numbers)


@sematic.func
def tree(count: int) -> int:
    """So many steps, give or take two."""
    return add(tree(count // 2 - 1), tree(count // 2 - 1)) if count > 2 else count


@pytest.mark.parametrize("shape", [fan, sum_of_squares, countdown, tree])
def test_a_step_costs_the_same_among_a_thousand_as_among_a_hundred(
    shape: Function[[Any], int],
) -> None:
    def per_step(count: int) -> float:
        future = shape(list(range(count // 2)) if shape is sum_of_squares else count)
        loop = Loop(future, executor := ByHand(), max_parallelism=10)
        count = calls(loop.run)
        return count / len(executor.started)

    thousand = per_step(1000)
    assert thousand < 1.1 * per_step(100)
    assert thousand < 250
