"""Types: whether values of one can be cast to another."""

from __future__ import annotations

import collections.abc
import dataclasses
import numbers
import typing
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from sematic.casting.annotations import (
    ABSTRACT,
    SEQUENCES,
    UNIONS,
    hints_of,
    takes_all,
    tuple_types,
    type_text,
    unwrapped,
)


def check(source: Any, to: Any) -> None:
    """Whether values of a type can be cast to another. Where only the value decides, they can.

    :raises TypeError: no value of the first can be cast to the second.
    """
    reason = _obstacle(source, to)
    if reason:
        raise TypeError(reason)


def _obstacle(source: Any, to: Any) -> str:
    """Why values of a type cannot be cast to another, "" if they can."""
    source, to = unwrapped(source), unwrapped(to)
    if source is to or source == to or takes_all(source) or takes_all(to):
        return ""
    refusal = f"cannot cast {type_text(source)} to {type_text(to)}"
    from_origin = typing.get_origin(source) or source
    to_origin = typing.get_origin(to) or to
    if from_origin in UNIONS:
        return _first(_obstacle(member, to) for member in typing.get_args(source))
    if to_origin in UNIONS:
        fits = any(not _obstacle(source, member) for member in typing.get_args(to))
        return "" if fits else refusal
    if from_origin is typing.Literal:
        kinds = {type(choice) for choice in typing.get_args(source)}
        return _first(_obstacle(kind, to) for kind in kinds)
    if to_origin is typing.Literal:
        kinds = {type(choice) for choice in typing.get_args(to)}
        return "" if any(not _obstacle(source, kind) for kind in kinds) else refusal
    if not isinstance(from_origin, type) or not isinstance(to_origin, type):
        return ""
    inner = _inner_obstacle(source, from_origin, to, to_origin)
    if inner is None:
        return refusal
    return f"{refusal}: {inner}" if inner else ""


def _first(reasons: Iterable[str]) -> str:
    return next((reason for reason in reasons if reason), "")


def _inner_obstacle(source: Any, from_origin: type, to: Any, to_origin: type) -> str | None:
    """What is wrong within the type, "" if nothing is; None if the types themselves do not fit."""
    if to_origin in {int, float, bool}:
        return "" if issubclass(from_origin, numbers.Real) else None
    if to_origin is complex:
        return "" if issubclass(from_origin, numbers.Complex) else None
    if to_origin in SEQUENCES:
        return _sequence_obstacle(source, from_origin, to)
    if to_origin in {dict, *_MAPPINGS} or typing.is_typeddict(to_origin):
        return _mapping_obstacle(source, from_origin, to)
    if dataclasses.is_dataclass(to_origin):
        return _dataclass_obstacle(from_origin, to_origin)
    if issubclass(to_origin, PurePath) and issubclass(from_origin, str):
        return ""
    if to_origin in ABSTRACT and from_origin in {*SEQUENCES, *ABSTRACT}:
        if not _is_subclass(from_origin, to_origin):
            return None
        return _items_obstacle(source, to)
    return "" if _is_subclass(from_origin, to_origin) else None


_MAPPINGS = (collections.abc.Mapping, collections.abc.MutableMapping)


def _is_subclass(kind: type, parent: type) -> bool:
    try:
        return issubclass(kind, parent)
    except TypeError:  # a protocol that cannot be asked
        return True


def _sequence_obstacle(source: Any, from_origin: type, to: Any) -> str | None:
    if not issubclass(from_origin, collections.abc.Iterable):
        return None
    if issubclass(from_origin, (str, bytes, collections.abc.Mapping)):
        return None
    wanted, given = tuple_types(to), tuple_types(source)
    if wanted is None:
        return _items_obstacle(source, to)
    if given is not None and len(given) != len(wanted):
        return f"it has {len(given)} items"
    if given is None:
        given = (_every(source),) * len(wanted)
    return _first(map(_obstacle, given, wanted))


def _items_obstacle(source: Any, to: Any) -> str:
    given = tuple_types(source)
    every = given if given is not None else (_every(source),)
    return _first(_obstacle(one, _every(to)) for one in every)


def _every(kind: Any) -> Any:
    """The type of every item of a type with one type of items."""
    arguments = typing.get_args(kind)
    return arguments[0] if arguments else Any


def _mapping_obstacle(source: Any, from_origin: type, to: Any) -> str | None:
    if typing.is_typeddict(to) or typing.is_typeddict(from_origin):
        return "" if issubclass(from_origin, collections.abc.Mapping) else None
    if not issubclass(from_origin, collections.abc.Mapping):
        return None
    given, wanted = typing.get_args(source), typing.get_args(to)
    if len(given) != 2 or len(wanted) != 2:
        return ""
    return _first(map(_obstacle, given, wanted))


def _dataclass_obstacle(from_origin: type, to: type) -> str | None:
    if issubclass(from_origin, to) or issubclass(from_origin, collections.abc.Mapping):
        return ""
    if not dataclasses.is_dataclass(from_origin):
        return None
    given, wanted = hints_of(from_origin), hints_of(to)
    missing = [name for name in wanted if name not in given]
    if missing:
        return f"field {missing[0]!r} is missing"
    return _first(_obstacle(given[name], wanted[name]) for name in wanted)
