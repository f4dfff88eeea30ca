"""``python -m weather``: print a table of the months."""

from __future__ import annotations

import os

from tabulate import tabulate

from weather.summary import read_temperatures, summarise


def main() -> None:
    unit = os.environ.get("WEATHER_UNIT", "celsius")
    rows = summarise(read_temperatures(), fahrenheit=unit == "fahrenheit")
    print(tabulate(rows, headers=["month", "mean", "coldest", "warmest"], floatfmt=".1f"))


if __name__ == "__main__":
    main()
