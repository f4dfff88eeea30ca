"""Classes that are their fields, as with :mod:`dataclasses`, but defined in a tenth of the time.

A dataclass takes 0.9 ms to define, since six functions are compiled for it, and the module that
does so 15 ms to import; a command that is to take 300 ms needs seventy, and makes instances of few.
Here the one function worth compiling, ``__init__``, is compiled with the first instance.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Any:
        return lambda function: function


T = TypeVar("T")

_NOT_GIVEN: Any = object()


class _Field:
    """What an annotation does not say of a field."""

    def __init__(self, default: Any, factory: Callable[[], Any] | None, is_shown: bool) -> None:
        self.default = default
        self.factory = factory
        self.is_shown = is_shown


def field(
    *,
    default: Any = _NOT_GIVEN,
    default_factory: Callable[[], Any] | None = None,
    repr: bool = True,
) -> Any:
    """More of a field than its type and default.

    :param default_factory: makes a default for each instance.
    :param repr: whether it is shown; not so, if it is a secret.
    """
    return _Field(default, default_factory, repr)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """A class whose instances are equal if their fields are, and cannot be changed.

    >>> @frozen
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> Point(1) == Point(1, 0)
    True
    """
    return _made(cls, {"__hash__": _hash, "__setattr__": _refuse, "__delattr__": _refuse})


@dataclass_transform(field_specifiers=(field,))
def mutable(cls: type[T]) -> type[T]:
    """A class whose instances can be changed."""
    return _made(cls, {"__hash__": None})


def names(cls: Any) -> tuple[str, ...]:
    """The fields of a class, or of an instance."""
    found: tuple[str, ...] = cls.__match_args__
    return found


def as_dict(thing: Any) -> dict[str, Any]:
    """The fields of an instance by their names; what they hold is not copied."""
    return {name: getattr(thing, name) for name in names(thing)}


def replace(thing: T, **changes: Any) -> T:
    """The same with other fields."""
    return type(thing)(**{**as_dict(thing), **changes})


def _made(cls: type[T], methods: dict[str, Any]) -> type[T]:
    """The class again, with slots: they cannot be added."""
    own = dict(cls.__dict__)
    fields = tuple(own.get("__annotations__", ()))
    given = {name: own.pop(name) for name in fields if name in own}
    own.pop("__dict__", None)
    own.pop("__weakref__", None)
    own.setdefault("__init__", _first_init)
    common = {"__eq__": _equal, "__repr__": _show, "__reduce__": _reduce}
    body = {**common, **methods, **own, "_given": given}
    caches = any(isinstance(thing, cached_property) for thing in own.values())
    body |= {"__slots__": (*fields, "__dict__") if caches else fields, "__match_args__": fields}
    make: Any = type(cls)
    made: type[T] = make(cls.__name__, cls.__bases__, body)
    return made


def _first_init(self: Any, *arguments: Any, **named: Any) -> None:
    cls: Any = type(self)
    cls.__init__ = _init_of(cls)
    cls.__init__(self, *arguments, **named)


def _init_of(cls: Any) -> Callable[..., None]:
    """What takes the fields as arguments, in order, and sets them."""
    scope: dict[str, Any] = {"_not_given": _NOT_GIVEN}
    arguments, lines = ["self"], []
    for name in names(cls):
        given = cls._given.get(name, _NOT_GIVEN)
        default = given.default if isinstance(given, _Field) else given
        factory = given.factory if isinstance(given, _Field) else None
        scope |= {f"_set_{name}": getattr(cls, name).__set__, f"_default_{name}": default}
        source = name
        if factory is not None:
            scope[f"_factory_{name}"] = factory
            source = f"_factory_{name}() if {name} is _not_given else {name}"
        required = default is _NOT_GIVEN and factory is None
        arguments.append(name if required else f"{name}=_default_{name}")
        lines.append(f"    _set_{name}(self, {source})\n")
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()\n")
    exec(f"def __init__({', '.join(arguments)}):\n{''.join(lines)}", scope)
    made: Callable[..., None] = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _fields(self: Any) -> Any:
    return attrgetter(*names(self))(self)


def _equal(self: Any, other: object) -> Any:
    return _fields(self) == _fields(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_fields(self))


def _show(self: Any) -> str:
    shown = ", ".join(f"{n}={getattr(self, n)!r}" for n in names(self) if _is_shown(self, n))
    return f"{type(self).__qualname__}({shown})"


def _is_shown(self: Any, name: str) -> bool:
    given = self._given.get(name)
    return not isinstance(given, _Field) or given.is_shown


def _reduce(self: Any) -> tuple[Any, ...]:
    return type(self), tuple(getattr(self, name) for name in names(self))


def _refuse(self: Any, name: str, *_: Any) -> None:
    raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")
