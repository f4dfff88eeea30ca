"""Parts of a value that is not there yet: ``future[key]``, and the unpacking of tuples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sematic.casting import item_type, tuple_types, type_text
from sematic.function import func
from sematic.future import Future


@func
def item(container: Any, key: Any) -> Any:
    """What ``future[key]`` runs."""
    return container[key]


def item_of(future: Future[Any], key: Any) -> Future[Any]:
    """The part of a future's value at a key or index, as a future.

    :raises TypeError: values of the future's type have no items, or none of this key.
    :raises IndexError: the value will be a tuple that is shorter.
    """
    if isinstance(key, slice) and any(
        isinstance(part, Future) for part in (key.start, key.stop, key.step)
    ):
        raise TypeError(f"{future!r} cannot be sliced with futures: do this in a func")
    kind = Any if isinstance(key, Future) else item_type(future.type, key)
    shown = key.name if isinstance(key, Future) else repr(key)
    arguments = {"container": future, "key": key}
    return Future(item, arguments, name=f"{future.name}[{shown}]", type=kind)


def items_of(future: Future[Any]) -> Iterator[Future[Any]]:
    """The parts of a future whose value is a tuple of a known length, as futures.

    :raises TypeError: how many there will be is not known.
    """
    types = tuple_types(future.type)
    if types is None:
        raise TypeError(
            f"{future!r} has no value yet, and {type_text(future.type)} does not say how many "
            "items it will have: annotate a tuple of fixed length, or iterate in a func"
        )
    return iter([future[index] for index in range(len(types))])
