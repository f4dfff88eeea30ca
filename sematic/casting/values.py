"""Values: making one what an annotation says."""

from __future__ import annotations

import copy
import dataclasses
import enum
import numbers
import operator
import reprlib
import typing
from collections.abc import Iterable, Mapping
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
from sematic.casting.compatibility import check
from sematic.future import Future

_PLAIN = frozenset({bool, bytes, complex, float, int, str, type(None)})


def cast(value: Any, to: Any) -> Any:
    """The value as the type wants it: the same object if it already is.

    :param to: an annotation, evaluated.
    :raises TypeError: it cannot be.
    """
    if to is Any or (type(value) is to and not dataclasses.is_dataclass(to)):
        return value
    if isinstance(value, Future):
        check(value.type, to)
        return value
    to = unwrapped(to)
    if takes_all(to):
        return value
    origin = typing.get_origin(to) or to
    arguments = typing.get_args(to)
    if origin in UNIONS:
        return _to_union(value, to, arguments)
    if origin is typing.Literal:
        return _to_literal(value, to, arguments)
    if origin in _SIMPLE:
        return _SIMPLE[origin](value, to)
    if origin in SEQUENCES:
        return _to_sequence(value, to, origin, arguments)
    if origin is dict:
        return _to_dict(value, to, arguments)
    if typing.is_typeddict(origin):
        return _to_typed_dict(value, origin)
    if origin in ABSTRACT:
        return _to_abstract(value, to, origin, arguments)
    return _to_class(value, to, origin)


def _refusal(value: Any, to: Any, why: str = "") -> TypeError:
    reason = f": {why}" if why else ""
    return TypeError(f"cannot cast {reprlib.repr(value)} to {type_text(to)}{reason}")


def _within(place: str, error: TypeError) -> TypeError:
    return TypeError(f"{place}: {error}")


def _no_future(value: Any, to: Any) -> None:
    if isinstance(value, Future):
        raise TypeError(
            f"{value!r} cannot stand in a {type_text(to)}, where nobody would look for it: "
            "use lists, tuples and dicts, or make the value in a func that takes the future"
        )


def _to_none(value: Any, to: Any) -> None:
    if value is not None:
        raise _refusal(value, to)


def _to_int(value: Any, to: Any) -> int:
    if isinstance(value, int):
        return value
    if isinstance(value, (numbers.Real, str)) or hasattr(value, "__index__"):
        try:
            return int(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise _refusal(value, to, "" if isinstance(value, str) else str(error)) from None
    raise _refusal(value, to)


def _to_float(value: Any, to: Any) -> float:
    if isinstance(value, float):
        return value
    if isinstance(value, (numbers.Real, str)) or hasattr(value, "__float__"):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise _refusal(value, to, "" if isinstance(value, str) else str(error)) from None
    raise _refusal(value, to)


def _to_complex(value: Any, to: Any) -> complex:
    if isinstance(value, complex):
        return value
    if isinstance(value, numbers.Complex):
        return complex(value)
    raise _refusal(value, to)


def _to_bool(value: Any, to: Any) -> bool:
    """Not by truth: a text "false" is no False."""
    if isinstance(value, numbers.Real) or type(value).__name__ in {"bool_", "bool"}:  # numpy's
        return bool(value)
    raise _refusal(value, to)


def _to_text(value: Any, to: Any) -> Any:
    if not isinstance(value, to):
        raise _refusal(value, to)
    return value


_SIMPLE: dict[Any, typing.Callable[[Any, Any], Any]] = {
    type(None): _to_none,
    int: _to_int,
    float: _to_float,
    complex: _to_complex,
    bool: _to_bool,
    str: _to_text,
    bytes: _to_text,
}


def _to_union(value: Any, to: Any, members: tuple[Any, ...]) -> Any:
    castable = []
    for member in members:
        try:
            made = cast(value, member)
        except TypeError:
            continue
        if made is value:
            return value
        castable.append(made)
    if not castable:
        raise _refusal(value, to)
    return castable[0]


def _to_literal(value: Any, to: Any, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return value
    raise _refusal(value, to)


def _to_sequence(value: Any, to: Any, origin: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes, Mapping)):
        raise _refusal(value, to)
    given = value if isinstance(value, (list, tuple, set, frozenset)) else list(value)
    wanted = tuple_types(to)
    if wanted is not None:
        if len(given) != len(wanted):
            raise _refusal(value, to, f"it has {len(given)} items")
        parts = list(map(_item, range(len(wanted)), given, wanted))
    else:
        parts = _items(given, arguments[0] if arguments else Any)
    if issubclass(origin, (set, frozenset)):
        for part in parts:
            _no_future(part, to)
    unchanged = all(map(operator.is_, given, parts))
    return value if unchanged and isinstance(value, origin) else origin(parts)


def _items(given: Any, wanted: Any) -> Any:
    """Many items of one type; those that are plain and of that type already are not looked at."""
    kinds = set(map(type, given))
    if wanted is Any or (kinds <= {wanted} and wanted in _PLAIN):
        return given
    return [_item(index, part, wanted) for index, part in enumerate(given)]


def _item(index: int, part: Any, wanted: Any) -> Any:
    try:
        return cast(part, wanted)
    except TypeError as error:
        raise _within(f"item {index}", error) from None


def _to_dict(value: Any, to: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, Mapping):
        raise _refusal(value, to)
    keys_to, values_to = arguments if len(arguments) == 2 else (Any, Any)
    for key in value:
        _no_future(key, to)
    keys = _items(list(value), keys_to)
    parts = [_entry(key, part, values_to) for key, part in value.items()]
    unchanged = all(map(operator.is_, (*value.keys(), *value.values()), (*keys, *parts)))
    return value if unchanged and isinstance(value, dict) else dict(zip(keys, parts, strict=True))


def _entry(key: Any, part: Any, wanted: Any) -> Any:
    try:
        return cast(part, wanted)
    except TypeError as error:
        raise _within(f"key {key!r}", error) from None


def _to_typed_dict(value: Any, to: Any) -> Any:
    if not isinstance(value, Mapping):
        raise _refusal(value, to)
    hints = hints_of(to)
    missing, unknown = to.__required_keys__ - value.keys(), value.keys() - hints.keys()
    if missing or unknown:
        raise _refusal(value, to, _keys_text("key", missing, unknown))
    made = {key: _entry(key, part, hints[key]) for key, part in value.items()}
    unchanged = isinstance(value, dict) and all(made[key] is value[key] for key in made)
    return value if unchanged else made


def _keys_text(word: str, missing: Iterable[Any], unknown: Iterable[Any]) -> str:
    if missing:
        return f"{word} {min(map(repr, missing))} is missing"
    return f"it has no {word} {min(map(repr, unknown))}"


def _to_abstract(value: Any, to: Any, origin: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, origin):
        raise _refusal(value, to)
    if isinstance(value, Mapping) and len(arguments) == 2:
        return _to_dict(value, to, arguments)
    for kind in SEQUENCES:
        if arguments and type(value) is kind:
            every = (*arguments, ...) if kind is tuple else arguments
            return _to_sequence(value, to, kind, every)
    return value


def _to_class(value: Any, to: Any, origin: Any) -> Any:
    if dataclasses.is_dataclass(origin) and isinstance(origin, type):
        return _to_dataclass(value, origin)
    try:
        if isinstance(value, origin):
            return value
    except TypeError:  # a protocol that cannot be asked, a Callable with arguments
        return value
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        try:
            return origin(value)
        except ValueError:
            raise _refusal(value, to) from None
    if isinstance(origin, type) and issubclass(origin, PurePath) and isinstance(value, str):
        return origin(value)
    raise _refusal(value, to)


def _to_dataclass(value: Any, to: type) -> Any:
    fields = [one for one in dataclasses.fields(to) if one.init]
    hints = hints_of(to)
    names = {one.name for one in fields}
    if isinstance(value, to):
        return _with_fields(value, to, {name: hints.get(name, Any) for name in names})
    if isinstance(value, Mapping):
        given = dict(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = {name: getattr(value, name) for name in names if hasattr(value, name)}
    else:
        raise _refusal(value, to)
    needed = {
        one.name
        for one in fields
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    }
    missing, unknown = needed - given.keys(), given.keys() - names
    if missing or unknown:
        raise _refusal(value, to, _keys_text("field", missing, unknown))
    return to(**{name: _field(to, name, part, hints[name]) for name, part in given.items()})


def _with_fields(value: Any, to: type, wanted: Mapping[str, Any]) -> Any:
    """An instance whose fields are cast; the same one if they need not be."""
    changed = {}
    for name, kind in wanted.items():
        if hasattr(value, name):
            made = _field(to, name, getattr(value, name), kind)
            if made is not getattr(value, name):
                changed[name] = made
    if not changed:
        return value
    value = copy.copy(value)
    for name, part in changed.items():
        object.__setattr__(value, name, part)
    return value


def _field(to: type, name: str, part: Any, wanted: Any) -> Any:
    _no_future(part, to)
    try:
        return cast(part, wanted)
    except TypeError as error:
        raise _within(f"{to.__qualname__}.{name}", error) from None
