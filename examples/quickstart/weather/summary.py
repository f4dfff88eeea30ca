"""Read temperatures and sum them up."""

from __future__ import annotations

from pathlib import Path

import numpy as np

DATA = Path(__file__).parent.parent / "data" / "temperatures.csv"


def read_temperatures(path: Path = DATA) -> np.ndarray:
    """Twelve rows, one a month, with a temperature (degrees Celsius) for each of 28 days."""
    return np.loadtxt(path, delimiter=",", skiprows=1).reshape(12, 28)


def summarise(
    temperatures: np.ndarray, *, fahrenheit: bool = False
) -> list[tuple[int, float, float, float]]:
    """Month, mean, coldest and warmest."""
    values = temperatures * 1.8 + 32 if fahrenheit else temperatures
    return [
        (month, float(days.mean()), float(days.min()), float(days.max()))
        for month, days in enumerate(values, 1)
    ]
