"""Futures: what can be said of a value that is not there, and what cannot."""

from __future__ import annotations

import copy
import math
import operator
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import sematic
from sematic.future import copied, futures_in, rebuild
from tests.resolvers.pipelines import add, square

REQUIREMENTS = sematic.ResourceRequirements()


class Point(NamedTuple):
    x: int
    y: str


@sematic.func
def numbers() -> list[int]:
    return [square(1), square(2), square(3)]


@sematic.func
def named() -> dict[str, float]:
    return {"a": square(2), "b": 2.5}


@sematic.func
def pair() -> tuple[int, str]:
    return square(2), "two"


@sematic.func
def point() -> Point:
    return Point(square(2), "two")


@sematic.func
def anything() -> Any:
    return {"deep": [1, {"deeper": square(3)}]}


@sematic.func
def maybe() -> list[int] | None:
    return [7]


def resolved(future: sematic.Future[Any]) -> Any:
    return future.resolve(sematic.SilentResolver())


@pytest.mark.parametrize(
    ("future", "kind", "value"),
    [
        (numbers()[1], int, 4),
        (numbers()[-1], int, 9),
        (numbers()[1:], list[int], [4, 9]),
        (named()["b"], float, 2.5),
        (pair()[0], int, 4),
        (pair()[-1], str, "two"),
        (point()[1], str, "two"),
        (anything()["deep"][1]["deeper"], Any, 9),
        (maybe()[0], Any, 7),
        (numbers()[square(1)], Any, 4),
    ],
)
def test_items_are_futures_with_the_items_type(
    future: sematic.Future[Any], kind: Any, value: Any
) -> None:
    assert future.type == kind
    assert resolved(future) == value


def test_an_item_is_named_after_what_it_is_taken_from() -> None:
    assert named()["a"].name == "named['a']"
    assert numbers()[square(1)].name == "numbers[square]"


def test_an_item_fits_only_where_its_type_does() -> None:
    assert resolved(add(pair()[0], numbers()[2])) == 13
    with pytest.raises(TypeError, match="argument 'a': cannot cast str to int"):
        add(pair()[1], 1)


@pytest.mark.parametrize(
    ("future", "key", "said"),
    [
        (square(1), 0, "int has no items"),
        (pair(), "a", r"items of tuple\[int, str\] have numbers"),
        (numbers(), "a", r"items of list\[int\] have numbers"),
        (numbers(), slice(square(1)), "cannot be sliced with futures"),
    ],
)
def test_items_that_cannot_be_there_are_told_at_once(
    future: sematic.Future[Any], key: Any, said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        future[key]


def test_an_index_past_a_tuple_is_told_at_once() -> None:
    with pytest.raises(IndexError, match=r"tuple\[int, str\] has no item 2"):
        pair()[2]


def test_an_item_that_is_not_there_fails_the_step_that_takes_it() -> None:
    with pytest.raises(sematic.PipelineError, match=r"step \"named\['z'\]\" .*KeyError: 'z'"):
        resolved(named()["z"])


def test_tuples_of_a_known_length_can_be_unpacked() -> None:
    number, text = pair()
    x, y = point()
    assert (resolved(number), resolved(text)) == (4, "two")
    assert (resolved(x), resolved(y)) == (4, "two")
    with pytest.raises(ValueError, match="not enough values"):
        _, _, _ = pair()


def test_futures_of_unknown_length_cannot_be_iterated() -> None:
    with pytest.raises(TypeError, match=r"list\[int\] does not say how many items"):
        list(numbers())
    with pytest.raises(TypeError, match="int does not say how many"):
        for _ in square(1):
            pass


BINARY: list[Callable[[Any, Any], Any]] = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    operator.matmul,
    operator.and_,
    operator.or_,
    operator.xor,
    operator.lshift,
    operator.rshift,
    operator.iadd,
    operator.eq,
    operator.ne,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    divmod,
]


@pytest.mark.parametrize("operation", BINARY)
def test_arithmetic_and_comparison_are_refused(operation: Callable[[Any, Any], Any]) -> None:
    for operands in ((square(2), 1), (1, square(2)), (square(1), square(2))):
        with pytest.raises(TypeError, match=r"<Future square \w{8}> has no value yet"):
            operation(*operands)


UNARY: list[Callable[[Any], Any]] = [
    *(bool, len, int, float, complex, abs, round, reversed, lambda one: 1 in one),
    *(operator.neg, operator.pos, operator.invert, operator.index),
    *(math.floor, math.ceil, math.trunc),
]


@pytest.mark.parametrize("operation", UNARY)
def test_what_needs_the_value_is_refused(operation: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"<Future square \w{8}> has no value yet.*in a func"):
        operation(square(2))


def test_attributes_of_the_value_are_refused() -> None:
    with pytest.raises(AttributeError, match="no value yet, and so no 'real'"):
        _ = square(2).real


def test_futures_can_be_kept_in_sets_and_copied() -> None:
    one, other = square(1), square(1)
    assert len({one, other, one}) == 2
    assert copy.copy(one).id == one.id
    assert copy.deepcopy(one).arguments == {"number": 1}


def test_set_says_more_of_a_call_and_of_no_other() -> None:
    future = square(2)
    assert future.set(name="two", tags=["a", "b"], inline=False) is future
    assert (future.name, future.tags, future.inline) == ("two", ("a", "b"), False)
    future.set(resource_requirements=REQUIREMENTS)
    assert future.resource_requirements is REQUIREMENTS
    assert (future.name, future.inline) == ("two", False)
    assert (square(2).name, square(2).tags, square(2).inline) == ("square", (), True)


def test_a_step_that_becomes_inline_loses_the_requirements_of_its_func() -> None:
    @sematic.func(inline=False, resource_requirements=REQUIREMENTS)
    def large() -> None: ...

    assert large().resource_requirements is REQUIREMENTS
    assert large().set(inline=True).resource_requirements is None


@pytest.mark.parametrize(
    ("error", "settings"),
    [
        (ValueError, {"resource_requirements": REQUIREMENTS}),
        (ValueError, {"inline": True, "resource_requirements": REQUIREMENTS}),
        (ValueError, {"name": ""}),
        (ValueError, {"name": 3}),
        (TypeError, {"tags": "one"}),
        (TypeError, {"tags": [1]}),
        (TypeError, {"inline": "no"}),
        (TypeError, {"inline": False, "resource_requirements": {"cpu": 1}}),
        (TypeError, {"colour": "red"}),
    ],
)
def test_set_refuses_what_means_nothing(error: type[Exception], settings: dict[str, Any]) -> None:
    future = square(2)
    with pytest.raises(error, match=list(settings)[-1]):
        future.set(**settings)
    assert (future.name, future.tags, future.inline) == ("square", (), True)


def test_futures_are_found_in_order_and_however_deep() -> None:
    one, two, three, four = (square(number) for number in range(4))
    value = [one, (two, {"a": [three]}), Point(1, "x"), {four}, 5, "text"]
    assert list(map(id, futures_in(value))) == [id(one), id(two), id(three)]


def test_rebuilding_keeps_the_kinds_of_containers() -> None:
    class Numbers(list[Any]):
        pass

    mapping: OrderedDict[str, Any] = OrderedDict(b=square(2), a=3)
    value = [Numbers([square(1), 2]), mapping, Point(square(3), "y"), {1}]
    made = rebuild(value, lambda future: future.arguments["number"])
    assert made == [Numbers([1, 2]), OrderedDict(b=2, a=3), Point(3, "y"), {1}]
    assert [type(part) for part in made] == [Numbers, OrderedDict, Point, set]
    assert mapping["b"].name == "square"


def test_a_copy_shares_no_container() -> None:
    value: dict[str, Any] = {"a": [1, [2]], "b": ({3},)}
    made = copied(value)
    assert made == value
    assert made["a"] is not value["a"]
    assert made["a"][1] is not value["a"][1]
    assert made["b"][0] is not value["b"][0]
