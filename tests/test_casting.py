"""Casting: values to annotations, and annotations to annotations."""

# ruff: noqa: UP006, UP035, UP045 - older spellings are tested too

from __future__ import annotations

import collections.abc
import enum
import typing
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Dict,
    List,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    Tuple,
    TypedDict,
    TypeVar,
    Union,
)

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sematic.casting import cast, check, item_type, type_text
from tests.resolvers.pipelines import of_text, square

T = TypeVar("T")
UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = "red"


class Shade(enum.Enum):
    RED = "red"


class Animal:
    pass


class Dog(Animal):
    pass


class Point(NamedTuple):
    x: int
    y: str


class Row(TypedDict, total=False):
    number: int


@dataclass(frozen=True)
class Settings:
    rate: float
    layers: list[int] = field(default_factory=list)
    inner: Optional[Settings] = None


@dataclass(frozen=True)
class MoreSettings(Settings):
    name: str = "more"


@dataclass
class Similar:
    rate: int
    layers: tuple[int, ...]
    inner: None = None


DOG = Dog()
POINT = Point(1, "a")
ARRAY = numpy.arange(3)


@pytest.mark.parametrize(
    ("value", "to", "wanted"),
    [
        (1, int, 1),
        (1.7, int, 1),
        ("3", int, 3),
        (True, int, True),
        (numpy.int64(3), int, 3),
        (numpy.float32(1.5), int, 1),
        (1, float, 1.0),
        ("2.5", float, 2.5),
        (numpy.float32(1.5), float, 1.5),
        (2, complex, 2 + 0j),
        (1, bool, True),
        (numpy.bool_(False), bool, False),
        ("text", str, "text"),
        (b"bytes", bytes, b"bytes"),
        (None, None, None),
        (None, type(None), None),
        (["1", 2.0], list[int], [1, 2]),
        ((1, 2), List[int], [1, 2]),
        (range(2), list[float], [0.0, 1.0]),
        (ARRAY, list[int], [0, 1, 2]),
        (["a"], list, ["a"]),
        ([1, "a"], tuple[float, str], (1.0, "a")),
        ([1, 2, 3], Tuple[int, ...], (1, 2, 3)),
        ((), tuple[()], ()),
        ([1, 1.0, "1"], set[int], {1}),
        ([1], frozenset[int], frozenset({1})),
        ({"a": "1"}, dict[str, int], {"a": 1}),
        ({"1": [2.5]}, Dict[int, List[int]], {1: [2]}),
        ({"a": 1}, dict, {"a": 1}),
        (["1"], collections.abc.Sequence[int], [1]),
        (("1", 2), collections.abc.Iterable[int], (1, 2)),
        ({"a": "1"}, collections.abc.Mapping[str, int], {"a": 1}),
        ({"number": "1"}, Row, {"number": 1}),
        (None, Optional[int], None),
        ("3", Optional[int], 3),
        (1.5, Union[int, float], 1.5),
        ("3", int | str, "3"),
        (["1", None], list[int | None], [1, None]),
        ([1], Union[list[float], list[int]], [1]),
        ("b", Literal["a", "b"], "b"),
        (Colour.RED, Colour, Colour.RED),
        ("red", Colour, Colour.RED),
        ("3", Annotated[int, "metres"], 3),
        ("3", UserId, 3),
        ("/tmp", Path, Path("/tmp")),
        ({"rate": "0.1"}, Settings, Settings(0.1)),
        (
            {"rate": 1, "layers": (1, "2"), "inner": {"rate": 2}},
            Settings,
            Settings(1.0, [1, 2], Settings(2.0)),
        ),
        (Settings("1"), Settings, Settings(1.0)),  # type: ignore[arg-type]
        (MoreSettings("1", [2]), Settings, MoreSettings(1.0, [2])),  # type: ignore[arg-type]
        (Similar(1, (2,)), Settings, Settings(1.0, [2])),
    ],
)
def test_a_value_becomes_what_the_annotation_says(value: Any, to: Any, wanted: Any) -> None:
    made = cast(value, to)
    assert made == wanted
    assert type(made) is type(wanted)


@pytest.mark.parametrize(
    ("value", "to"),
    [
        ("text", Any),
        ("text", object),
        ("text", T),
        ([1, 2], list[int]),
        ({"a": (1, "x")}, dict[str, tuple[int, str]]),
        (OrderedDict(a=1), dict[str, int]),
        ({1, 2}, set[int]),
        (DOG, Dog),
        (DOG, Animal),
        (DOG, Optional[Animal]),
        (POINT, Point),
        (ARRAY, numpy.ndarray),
        (ARRAY, Union[int, numpy.ndarray]),
        (len, collections.abc.Callable[[list[int]], int]),
        (Dog, type[Animal]),
        (Settings(1.0, [1], Settings(2.0)), Settings),
        ({"number": 1}, Row),
    ],
)
def test_a_value_that_fits_stays_the_same_object(value: Any, to: Any) -> None:
    assert cast(value, to) is value


@pytest.mark.parametrize(
    ("value", "to", "said"),
    [
        ("abc", int, "cannot cast 'abc' to int"),
        (None, int, "cannot cast None to int"),
        ([1], int, r"cannot cast \[1\] to int"),
        (float("nan"), int, "cannot cast nan to int: cannot convert float NaN"),
        (float("inf"), int, "cannot cast inf to int"),
        (2j, int, "cannot cast 2j to int"),
        (b"3", int, "cannot cast b'3' to int"),
        ("x", float, "cannot cast 'x' to float"),
        ("1", complex, "cannot cast '1' to complex"),
        (3, str, "cannot cast 3 to str"),
        (3, bytes, "cannot cast 3 to bytes"),
        ("false", bool, "cannot cast 'false' to bool"),
        (0, None, "cannot cast 0 to None"),
        ("abc", list[str], r"cannot cast 'abc' to list\[str\]"),
        ({"a": 1}, list[str], r"to list\[str\]"),
        (3, list[int], r"cannot cast 3 to list\[int\]"),
        ([1, "x"], list[int], "^item 1: cannot cast 'x' to int"),
        ([[1], [2, "x"]], list[list[int]], "^item 1: item 1: cannot cast 'x' to int"),
        ((1, 2), tuple[int, int, int], r"to tuple\[int, int, int\]: it has 2 items"),
        ((1,), tuple[()], "it has 1 items"),
        ((1, "x"), tuple[int, int], "^item 1: cannot cast"),
        ({"a": "x"}, dict[str, int], "^key 'a': cannot cast 'x' to int"),
        ({1: 1}, dict[str, int], "cannot cast 1 to str"),
        ([1], dict[str, int], r"to dict\[str, int\]"),
        ({"colour": 1}, Row, "to Row: it has no key 'colour'"),
        ([1], Row, "to Row"),
        ("x", Optional[int], r"cannot cast 'x' to int \| None"),
        ("c", Literal["a", "b"], r"cannot cast 'c' to Literal\['a', 'b'\]"),
        (True, Literal[1], r"to Literal\[1\]"),
        ("blue", Colour, "cannot cast 'blue' to Colour"),
        (Shade.RED, Colour, "to Colour"),
        (Animal(), Dog, "to Dog"),
        (3, numpy.ndarray, "cannot cast 3 to ndarray"),
        (3, Path, "cannot cast 3 to Path"),
        ((1, "a"), Point, "to Point"),
        ({}, Settings, "to Settings: field 'rate' is missing"),
        ({"rate": 1, "rat": 1}, Settings, "it has no field 'rat'"),
        ({"rate": "x"}, Settings, "^Settings.rate: cannot cast 'x' to float"),
        ({"rate": 1, "inner": {"rate": []}}, Settings, r"^Settings.inner: cannot cast"),
        (Settings(1, ["x"]), Settings, "^Settings.layers: item 0: "),  # type: ignore[list-item]
        (3, Settings, "cannot cast 3 to Settings"),
        ("x" * 1000, int, r"cannot cast 'x+\.\.\.x+' to int$"),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_its_place(value: Any, to: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        cast(value, to)


def test_futures_stand_for_values_in_lists_tuples_and_dicts() -> None:
    future = square(2)
    made = cast({"a": [future, "1"], "b": (future,)}, dict[str, list[int]])
    assert made["a"][0] is made["b"][0] is future
    with pytest.raises(TypeError, match="item 0: cannot cast str to int"):
        cast([of_text("a")], list[int])


@pytest.mark.parametrize(
    ("value", "to"),
    [
        ({"rate": square(2)}, Settings),
        (Settings(square(2)), Settings),
        ({square(2)}, set[int]),
        ([square(2)], frozenset[int]),
        ({square(2): 1}, dict[int, int]),
    ],
)
def test_futures_where_nobody_would_look_for_them_are_refused(value: Any, to: Any) -> None:
    with pytest.raises(TypeError, match=r"cannot stand in a .*use lists, tuples and dicts"):
        cast(value, to)


FITTING = [
    (int, int),
    (int, float),
    (float, int),
    (bool, int),
    (int, bool),
    (int, complex),
    (numpy.float32, float),
    (int, Any),
    (Any, int),
    (object, int),
    (int, T),
    (UserId, int),
    (int, Annotated[float, "metres"]),
    (None, type(None)),
    (str, Optional[str]),
    (None, Optional[str]),
    (Union[int, float], float),
    (Union[int, None], Union[float, None, str]),
    (Literal["a"], str),
    (str, Literal["a", "b"]),
    (list[int], list[float]),
    (list, list[int]),
    (list[int], list),
    (tuple[int, float], list[int]),
    (tuple[int, ...], set[float]),
    (list[int], tuple[int, int]),
    (tuple[int, int], tuple[float, ...]),
    (set[int], list[int]),
    (list[int], collections.abc.Sequence[int]),
    (list[int], collections.abc.Iterable),
    (dict[str, int], dict[str, float]),
    (dict[str, int], collections.abc.Mapping[str, float]),
    (dict, dict[str, int]),
    (Row, dict[str, int]),
    (dict[str, int], Row),
    (Dog, Animal),
    (Dog, Union[int, Animal]),
    (MoreSettings, Settings),
    (Similar, Settings),
    (dict[str, Any], Settings),
    (str, Path),
    (Colour, Colour),
    (numpy.ndarray, numpy.ndarray),
]


@pytest.mark.parametrize(("source", "to"), FITTING)
def test_a_type_fits_another_if_some_value_may(source: Any, to: Any) -> None:
    check(source, to)


@pytest.mark.parametrize(
    ("source", "to", "said"),
    [
        (str, int, "cannot cast str to int"),
        (int, str, "cannot cast int to str"),
        (str, bool, "cannot cast str to bool"),
        (None, int, "cannot cast None to int"),
        (Optional[int], int, "cannot cast None to int"),
        (str, Optional[int], r"cannot cast str to int \| None"),
        (Literal["a"], int, "cannot cast str to int"),
        (int, Literal["a"], "cannot cast int to Literal"),
        (int, list[int], r"cannot cast int to list\[int\]"),
        (str, list[str], r"cannot cast str to list\[str\]"),
        (dict[str, int], list[str], r"cannot cast dict\[str, int\] to list\[str\]"),
        (list[str], list[int], r"list\[str\] to list\[int\]: cannot cast str to int"),
        (tuple[int, str], list[int], "cannot cast str to int"),
        (tuple[int, int], tuple[int], "it has 2 items"),
        (list[str], tuple[int, int], "cannot cast str to int"),
        (list[str], collections.abc.Sequence[int], "cannot cast str to int"),
        (set[int], collections.abc.Sequence[int], "cannot cast"),
        (dict[str, str], dict[str, int], "cannot cast str to int"),
        (list[int], dict[str, int], "cannot cast"),
        (list[int], Row, "cannot cast"),
        (Animal, Dog, "cannot cast Animal to Dog"),
        (Settings, MoreSettings, "field 'name' is missing"),
        (int, Settings, "cannot cast int to Settings"),
        (str, Colour, "cannot cast str to Colour"),
        (Shade, Colour, "cannot cast Shade to Colour"),
        (int, Path, "cannot cast int to Path"),
        (int, numpy.ndarray, "cannot cast int to ndarray"),
    ],
)
def test_a_type_that_never_fits_is_told(source: Any, to: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        check(source, to)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (int, "int"),
        (None, "None"),
        (Optional[List[int]], "list[int] | None"),
        (int | None, "int | None"),
        (Dict[str, Tuple[int, ...]], "dict[str, tuple[int, ...]]"),
        (Literal["a", 1], "Literal['a', 1]"),
        (collections.abc.Callable[[int], str], "Callable[[int], str]"),
        (Any, "Any"),
        (T, "T"),
        (UserId, "UserId"),
        (numpy.ndarray, "ndarray"),
        (typing.Mapping[str, int], "Mapping[str, int]"),
    ],
)
def test_types_are_written_as_people_write_them(kind: Any, text: str) -> None:
    assert type_text(kind) == text


@pytest.mark.parametrize(
    ("kind", "key", "item"),
    [
        (list[int], 3, int),
        (list, 0, Any),
        (tuple[int, ...], 7, int),
        (tuple[int, str], 1, str),
        (Tuple[int, str], -2, int),
        (Point, 1, str),
        (dict[str, float], "a", float),
        (typing.Mapping[str, float], "a", float),
        (Row, "number", int),
        (str, 0, str),
        (numpy.ndarray, 0, Any),
        (Any, 0, Any),
        (Optional[list[int]], 0, Any),
        (Literal["text"], 0, Any),
    ],
)
def test_the_type_of_an_item_is_known_where_it_can_be(kind: Any, key: Any, item: Any) -> None:
    assert item_type(kind, key) == item


def test_a_key_that_a_typed_dict_lacks_is_told() -> None:
    with pytest.raises(TypeError, match="Row has no key 'colour'"):
        item_type(Row, "colour")


TYPES = st.recursive(
    st.sampled_from([int, float, bool, str, type(None)]),
    lambda inner: st.one_of(  # types made at run time, which mypy does not follow
        inner.map(list.__class_getitem__),
        inner.map(lambda one: dict.__class_getitem__((str, one))),
        st.tuples(inner, inner).map(tuple.__class_getitem__),
        st.tuples(inner, inner).map(Union.__getitem__),
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.data(), TYPES)
def test_a_value_of_a_type_is_not_touched_by_it_nor_by_a_union_with_it(
    data: st.DataObject, kind: Any
) -> None:
    value = data.draw(st.from_type(kind))
    assert cast(value, kind) is value
    assert cast(value, Union[bytes, kind]) is value


@settings(deadline=None)
@given(st.data(), TYPES, TYPES)
def test_what_was_cast_fits_and_was_of_a_type_that_could(
    data: st.DataObject, source: Any, to: Any
) -> None:
    value = data.draw(st.from_type(source))
    try:
        check(source, to)
        made = cast(value, to)
    except TypeError:
        return
    assert cast(made, to) is made
