"""Futures and what they need, on their way to another process.

They are written one after another, each after those that it needs, so that no chain of futures is
too long, and a reader holds nothing but handles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO, Any

from sematic.future import Future, futures_in, in_order
from sematic.resolvers.pickling import load, pickled


def write_graph(
    structure: Any, lighten: Callable[[Any, str], Any], file: IO[bytes]
) -> list[Mapping[str, Any]]:
    """Write a structure that holds futures.

    :param lighten: gives what is written in place of an argument that holds no futures; is told
        for people what it is.
    :return: the arguments of all futures, as they were written.
    :raises Unpicklable: something cannot be pickled.
    """
    written: list[Mapping[str, Any]] = []
    futures = in_order(structure)
    pickled(len(futures), file, "")
    for future in futures:
        arguments = {
            name: lighten(value, f"argument {name!r} of step {future.name!r}")
            if next(futures_in(value), None) is None
            else value
            for name, value in future.arguments.items()
        }
        facts = (
            *(future.id, future.function, arguments, future.name, future.type),
            *(future.tags, future.inline, future.resource_requirements),
        )
        pickled(facts, file, f"step {future.name!r}", futures=True)
        written.append(arguments)
    pickled(structure, file, "what holds the futures", futures=True)
    return written


def read_graph(file: IO[bytes]) -> Any:
    """The structure that was written, with futures whose arguments are as they were written."""
    futures: dict[str, Future[Any]] = {}
    for _ in range(load(file)):
        id, function, arguments, name, kind, *settings = load(file, futures)
        future: Future[Any] = Future(function, arguments, name=name, type=kind)
        future.id = id
        future.tags, future.inline, future.resource_requirements = settings
        futures[id] = future
    return load(file, futures)
