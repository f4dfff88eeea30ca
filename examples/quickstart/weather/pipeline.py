"""The warmest quarter of the year: a pipeline whose quarters are summed up side by side."""

from __future__ import annotations

from dataclasses import dataclass

import sematic

from weather.summary import read_temperatures


@dataclass
class Quarter:
    """Three months; temperatures are in degrees Celsius."""

    number: int
    mean: float
    coldest: float
    warmest: float


@sematic.func(inline=False)
def summarise_quarter(number: int) -> Quarter:
    """Runs in a pod of its own; the data came along in the image."""
    days = read_temperatures()[3 * number - 3 : 3 * number]
    print(f"quarter {number}: {days.size} days")
    return Quarter(number, float(days.mean()), float(days.min()), float(days.max()))


@sematic.func
def warmest_of(quarters: list[Quarter]) -> Quarter:
    """Inline: runs where the pipeline is driven."""
    return max(quarters, key=lambda quarter: quarter.mean)


@sematic.func
def warmest_quarter() -> Quarter:
    return warmest_of([summarise_quarter(number) for number in (1, 2, 3, 4)])
