"""Python modules that are made up: the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

_WORDS = (
    *("alpha", "beta", "gamma", "delta", "frame", "batch", "token", "model", "index", "cache"),
    *("store", "graph", "tensor", "score", "layer", "queue", "label", "split", "merge", "fetch"),
    *("parse", "render", "commit", "shard", "epoch", "metric", "vector", "schema", "cursor"),
    *("window", "kernel", "offset"),
)
_SHAPES = (
    "    {a}_{b} = {c}({number}, {d}_{b})\n",
    "    if {a}.{b} > {number}:\n        {a}.{b} -= {c}[{number}]\n",
    "    for {a} in {b}.{c}({d}_{a}):\n        yield {a}, {number}\n",
    "    # {a} {b} of the {c} {d}\n",
    "    {a} = self.{b}_{c}.get('{d}-{number}')\n",
    '    raise ValueError(f"{a} {b} {number}: {{{c}}}")\n',
    "    return {a}.{b}({c}={d}, {a}={number})\n\n\n",
    "def {a}_{b}_{number}({c}: int, {d}: str) -> None:\n",
)
# Sizes of modules in bytes: log-normal, as those of installed ones are.
_MEDIAN, _SPREAD, _LEAST, _MOST = 8.3, 1.2, 200, 150_000


def package(number: int, packages: int) -> str:
    """The folder of a project's package, below tops of about fifty packages each."""
    tops = max(1, packages // 50)
    word = _WORDS[number % len(_WORDS)]
    top = f"{_WORDS[number % tops % len(_WORDS)]}_{number % tops}" if tops > 1 else "app"
    return f"{top}/{word}_{number}"


def modules(files: int, packages: int) -> Iterator[str]:
    """The paths of a project's modules, package by package in turn."""
    for number in range(files):
        word = _WORDS[number // packages % len(_WORDS)]
        yield f"{package(number % packages, packages)}/{word}_{number // packages}.py"


def module(dice: random.Random) -> str:
    """A module of a size as those of people have it: 4 kB is the median, 8 kB the mean."""
    wanted = min(_MOST, max(_LEAST, int(dice.lognormvariate(_MEDIAN, _SPREAD))))
    lines, size = ['"""A module that nobody runs."""\n\n'], 32
    while size < wanted:
        line = _line(dice.getrandbits(48))
        lines.append(line)
        size += len(line)
    return "".join(lines)


def _line(bits: int) -> str:
    shape, a, b, c, d = bits & 7, bits >> 3 & 31, bits >> 8 & 31, bits >> 13 & 31, bits >> 18 & 31
    return _SHAPES[shape].format(
        a=_WORDS[a], b=_WORDS[b], c=_WORDS[c], d=_WORDS[d], number=bits >> 23 & 0xFFFF
    )


def write_project(folder: Path, name: str, files: int, packages: int, *, empty: bool) -> None:
    """A project's sources.

    :param empty: files that take no room but seem to have a size.
    """
    dice = random.Random(name)
    made: set[Path] = set()
    for path in modules(files, packages):
        file = folder / path
        if file.parent not in made:
            file.parent.mkdir(parents=True, exist_ok=True)
            made.add(file.parent)
        if empty:
            with file.open("wb") as hole:
                hole.truncate(dice.randrange(200, 8000))
        else:
            file.write_text(module(dice))
    (folder / "main.py").write_text("print('main')\n")
    (folder / "pyproject.toml").write_text(f'[project]\nname = "{name}"\nversion = "1"\n')
