"""The document with the last full run: ``docs/benchmarks.md``."""

from __future__ import annotations

from pathlib import Path

from benchmarks.results import Results
from benchmarks.table import tables


def write(results: Results, path: Path) -> None:
    path.write_text("\n".join(tables(results)) + "\n")
