"""Annotations: what they say, and how they are written."""

from __future__ import annotations

import collections.abc
import types
import typing
from functools import lru_cache
from typing import Any, Union

SEQUENCES = (list, tuple, set, frozenset)
UNIONS = (Union, types.UnionType)
ABSTRACT = frozenset(
    {
        collections.abc.Collection,
        collections.abc.Container,
        collections.abc.Iterable,
        collections.abc.Mapping,
        collections.abc.MutableMapping,
        collections.abc.MutableSequence,
        collections.abc.MutableSet,
        collections.abc.Reversible,
        collections.abc.Sequence,
        collections.abc.Set,
    }
)
_NAMED = {Any: "Any", type(None): "None", None: "None", Ellipsis: "..."}
_WRAPPINGS = tuple(
    getattr(typing, name)
    for name in ("Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly")
    if hasattr(typing, name)
)


def type_text(kind: Any) -> str:
    """A type as people write it: ``list[int]``, ``str | None``."""
    if isinstance(kind, (list, tuple)):  # the arguments of a Callable
        return f"[{', '.join(map(type_text, kind))}]"
    if kind in _NAMED:
        return _NAMED[kind]
    arguments = typing.get_args(kind)
    origin = typing.get_origin(kind)
    if origin in UNIONS:
        return " | ".join(map(type_text, arguments))
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if arguments and origin is not None:
        return f"{type_text(origin)}[{', '.join(map(type_text, arguments))}]"
    if isinstance(kind, type):
        return kind.__qualname__
    return getattr(kind, "__name__", None) or str(kind).removeprefix("typing.")


def item_type(kind: Any, key: Any) -> Any:
    """The type of ``value[key]`` for values of a type; ``Any`` where it cannot be known.

    :raises TypeError: such values have no items, or none of this key.
    :raises IndexError: a tuple of this type is shorter.
    """
    kind = unwrapped(kind)
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if takes_all(kind) or not isinstance(origin, type):  # a union, a literal
        return Any
    if isinstance(key, slice):
        return kind if issubclass(origin, (list, str, bytes)) else Any
    fixed = tuple_types(kind)
    if fixed is not None:
        if not isinstance(key, int):
            raise TypeError(f"items of {type_text(kind)} have numbers, and {key!r} is none")
        if not -len(fixed) <= key < len(fixed):
            raise IndexError(f"{type_text(kind)} has no item {key}")
        return fixed[key]
    if typing.is_typeddict(origin):
        hints = hints_of(origin)
        if key not in hints:
            raise TypeError(f"{type_text(kind)} has no key {key!r}")
        return hints[key]
    if issubclass(origin, collections.abc.Mapping):
        return arguments[1] if len(arguments) == 2 else Any
    if issubclass(origin, collections.abc.Sequence):
        if not isinstance(key, int):
            raise TypeError(f"items of {type_text(kind)} have numbers, and {key!r} is none")
        return origin if issubclass(origin, str) else arguments[0] if arguments else Any
    if not hasattr(origin, "__getitem__"):
        raise TypeError(f"{type_text(kind)} has no items, so {key!r} cannot be taken from it")
    return Any


def tuple_types(kind: Any) -> tuple[Any, ...] | None:
    """The types of the items of a tuple of fixed length, None for anything else."""
    kind = unwrapped(kind)
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is tuple and Ellipsis not in arguments:
        return () if arguments == ((),) else arguments  # 3.10 has Tuple[()] so
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        hints = hints_of(kind)
        return tuple(hints.get(name, Any) for name in kind._fields)
    return None


def unwrapped(kind: Any) -> Any:
    while True:
        if hasattr(kind, "__supertype__"):  # NewType
            kind = kind.__supertype__
        elif typing.get_origin(kind) in _WRAPPINGS:
            kind = typing.get_args(kind)[0]
        else:
            return type(None) if kind is None else kind


def takes_all(kind: Any) -> bool:
    return kind is Any or kind is object or isinstance(kind, typing.TypeVar)


@lru_cache(maxsize=1024)
def hints_of(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
