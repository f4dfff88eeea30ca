"""Classes that are their fields."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from functools import cached_property

import pytest

from sematic.oci.values import as_dict, field, frozen, mutable, names, replace


@frozen
class Point:
    """A place."""

    x: int
    y: int = 0

    @property
    def sum(self) -> int:
        return self.x + self.y


@frozen
class Login:
    name: str
    password: str = field(default="", repr=False)
    more: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def title(self) -> list[str]:
        return [self.name]


@frozen
class Even:
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError(self.number)


@mutable
class Count:
    number: int = 0
    seen: list[str] = field(default_factory=list)


def test_fields_are_given_in_order_or_by_name() -> None:
    assert (Point(1, 2).x, Point(1, 2).y) == (1, 2)
    assert Point(y=2, x=1) == Point(1, 2)
    assert Point(1).sum == 1


def test_those_that_are_equal_in_all_fields_are_equal_and_hash_alike() -> None:
    assert Point(1) == Point(1, 0)
    assert Point(1) != Point(2)
    alike: object = (1, 0)
    assert Point(1) != alike
    assert len({Point(1), Point(1, 0), Point(2)}) == 2


@pytest.mark.parametrize("wrong", [(), (1, 2, 3)])
def test_too_few_and_too_many_fields_are_an_error(wrong: tuple[int, ...]) -> None:
    with pytest.raises(TypeError, match=r"Point\.__init__"):
        Point(*wrong)


def test_what_is_frozen_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match=r"Point\.x cannot be changed"):
        Point(1).x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="cannot be changed"):
        del Point(1).x


def test_there_are_no_other_fields() -> None:
    assert not hasattr(Point(1), "__dict__")
    with pytest.raises(AttributeError):
        Count().other = 1  # type: ignore[attr-defined]


def test_secrets_are_not_shown() -> None:
    assert repr(Login("me", "secret")) == "Login(name='me', more={})"


def test_a_factory_makes_a_default_for_each() -> None:
    one, other = Count(), Count()
    one.seen.append("a")
    one.number += 1
    assert (one, other) == (Count(1, ["a"]), Count())


def test_what_can_be_changed_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Count())


def test_what_is_remembered_of_an_instance_is_made_once() -> None:
    login = Login("me")
    assert login.title is login.title


def test_a_value_is_checked_when_it_is_made() -> None:
    assert Even(2).number == 2
    with pytest.raises(ValueError, match="3"):
        Even(3)


def test_others_with_some_fields_changed() -> None:
    assert replace(Point(1, 2), y=3) == Point(1, 3)
    assert as_dict(Point(1, 2)) == {"x": 1, "y": 2}
    assert names(Login) == ("name", "password", "more")
    with pytest.raises(TypeError, match="z"):
        replace(Point(1), z=1)


def test_they_can_be_pickled_copied_and_matched() -> None:
    assert pickle.loads(pickle.dumps(Point(1, 2))) == Point(1, 2)
    assert copy.deepcopy(Login("me", "secret", {"a": "b"})).more == {"a": "b"}
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
