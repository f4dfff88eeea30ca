"""Funcs that tests build pipelines of, in a module where they can be found."""

from __future__ import annotations

from typing import Any

import sematic


@sematic.func
def add(a: int, b: int) -> int:
    return a + b


@sematic.func
def square(number: int) -> int:
    return number * number


@sematic.func
def sum_of_squares(numbers: list[int]) -> int:
    total = square(0)
    for number in numbers:
        total = add(total, square(number))
    return total


@sematic.func(inline=False)
def apart(number: int) -> int:
    return number + 1


@sematic.func
def broken(number: int) -> int:
    raise ValueError(f"no good: {number}")


@sematic.func
def of_text(value: str) -> str:
    return value


def later(value: Any) -> Any:
    """A future of a text or of an int."""
    return of_text(value) if isinstance(value, str) else square(value)
