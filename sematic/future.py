"""A future: the call of a func, before there is a value."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload
from uuid import uuid4

if TYPE_CHECKING:
    from sematic.function import Function
    from sematic.resolvers.resolver import Resolver
    from sematic.resolvers.silent_resolver import SilentResolver
    from sematic.resources import ResourceRequirements

T = TypeVar("T")

if TYPE_CHECKING:
    # For type checkers a future may stand wherever its value may: as an argument of another
    # func, and as the result of a func that is annotated with the value's type.
    class _Stand(Any, Generic[T]):  # type: ignore[misc]
        """Assignable to anything."""
else:
    _Stand = Generic


class Future(_Stand[T]):
    """A call of a func with its arguments. Nothing runs before it is resolved.

    :param function: the func that is called.
    :param arguments: by parameter: values, futures, or lists, tuples and dicts that hold futures.
    :param name: what the step is called; the func's name unless :meth:`set` says otherwise.
    :param type: of its value, as annotated.
    """

    __slots__ = (
        "arguments",
        "function",
        "id",
        "inline",
        "name",
        "resource_requirements",
        "tags",
        "type",
    )

    def __init__(
        self,
        function: Function[..., T],
        arguments: Mapping[str, Any],
        *,
        name: str | None = None,
        type: Any = None,
    ) -> None:
        self.id: str = uuid4().hex
        self.function = function
        self.arguments: Mapping[str, Any] = arguments
        self.name: str = function.__name__ if name is None else name
        self.type: Any = function.returns if type is None else type
        self.tags: tuple[str, ...] = ()
        self.inline: bool = function.inline
        self.resource_requirements: ResourceRequirements | None = function.resource_requirements

    def set(
        self,
        *,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        inline: bool | None = None,
        resource_requirements: ResourceRequirements | None = None,
    ) -> Future[T]:
        """Say more of this call; what is left out stays as the func has it. Returns the future.

        :raises ValueError: resource requirements for a step that runs inside the driver.
        :raises TypeError: a value of another type.
        """
        from sematic.function import check_requirements

        if name is not None and not (isinstance(name, str) and name):
            raise ValueError(f"the name of a step is text that is not empty, not {name!r}")
        if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags or ()):
            raise TypeError(f"tags are a list of texts, not {tags!r}")
        if inline is not None and not isinstance(inline, bool):
            raise TypeError(f"inline is True or False, not {inline!r}")
        becomes = self.inline if inline is None else inline
        check_requirements(self.name, becomes, resource_requirements)
        if name is not None:
            self.name = name
        if tags is not None:
            self.tags = tuple(tags)
        self.inline = becomes
        if becomes:
            self.resource_requirements = None  # those of the func are meant for its own pod
        elif resource_requirements is not None:
            self.resource_requirements = resource_requirements
        return self

    @overload
    def resolve(self, resolver: SilentResolver | None = None) -> T: ...
    @overload
    def resolve(self, resolver: Resolver | None) -> Any: ...
    def resolve(self, resolver: Resolver | None = None) -> Any:
        """Run it, and all that it needs; the value, or what the resolver gives instead.

        :param resolver: by default a :class:`~sematic.LocalResolver`.
        :raises PipelineError: a step failed.
        """
        if resolver is None:
            from sematic.resolvers.local_resolver import LocalResolver

            resolver = LocalResolver()
        return resolver.resolve(self)

    def __getitem__(self, key: Any) -> Future[Any]:
        from sematic.items import item_of

        return item_of(self, key)

    def __iter__(self) -> Iterator[Future[Any]]:
        from sematic.items import items_of

        return items_of(self)

    def __repr__(self) -> str:
        return f"<Future {self.name} {self.id[:8]}>"

    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") or name in Future.__slots__:
            raise AttributeError(name)  # asked by copy and pickle
        raise AttributeError(
            f"{self!r} has no value yet, and so no {name!r}: "
            "read it in a func that takes the future"
        )


def _refuse(method: str) -> Callable[..., NoReturn]:
    def refuse(self: Future[Any], *_: Any) -> NoReturn:
        raise TypeError(
            f"{self!r} has no value yet, so {method} cannot be used on it: "
            "do this in a func that takes the future"
        )

    return refuse


_BINARY = (
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow"),
    *("lshift", "rshift", "and", "xor", "or"),
)
_WITHOUT_VALUE = (
    *("bool", "len", "contains", "int", "float", "complex", "index"),
    *("eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "abs", "invert"),
    *("round", "trunc", "floor", "ceil", "reversed", "setitem", "delitem"),
    *(side + name for name in _BINARY for side in ("", "r", "i")),
)
for _name in _WITHOUT_VALUE:
    setattr(Future, f"__{_name}__", _refuse(f"__{_name}__"))

_LEAVES = frozenset({bool, bytes, complex, float, int, str, type(None)})


def futures_in(value: Any) -> Iterator[Future[Any]]:
    """The futures that a value is or holds, in lists, tuples and dicts however deep, in order."""
    if isinstance(value, Future):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        parts = value.values() if isinstance(value, dict) else value
        if not _LEAVES.issuperset(map(type, parts)):
            for part in parts:
                yield from futures_in(part)


def in_order(structure: Any) -> list[Future[Any]]:
    """The futures of a structure and all that they need, each after those that it needs."""
    found: dict[str, Future[Any]] = {}
    stack = list(futures_in(structure))[::-1]
    while stack:
        future = stack[-1]
        needed = [one for one in futures_in(future.arguments) if one.id not in found]
        if future.id not in found and needed:
            stack += needed[::-1]
            continue
        found.setdefault(future.id, stack.pop())
    return list(found.values())


def rebuild(value: Any, replace: Callable[[Future[Any]], Any]) -> Any:
    """A copy of the lists, tuples, dicts and sets of a value, with its futures replaced."""
    if isinstance(value, Future):
        return replace(value)
    kind = type(value)
    if kind is set:
        return set(value)
    if not isinstance(value, (list, tuple, dict)):
        return value
    made: Any = copy.copy(value)  # of the same class, whatever that is
    if _LEAVES.issuperset(map(type, value.values() if isinstance(value, dict) else value)):
        return made
    if isinstance(value, dict):
        made.update((key, rebuild(part, replace)) for key, part in value.items())
    elif isinstance(value, list):
        made[:] = [rebuild(part, replace) for part in value]
    else:
        parts = [rebuild(part, replace) for part in value]
        made = kind._make(parts) if hasattr(kind, "_make") else kind(parts)
    return made


def copied(value: T) -> T:
    """A copy of the lists, tuples, dicts and sets of a value; what they hold stays the same."""
    made: T = rebuild(value, lambda future: future)
    return made
