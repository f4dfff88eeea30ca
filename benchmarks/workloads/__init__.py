"""Projects and environments, made once by recipe and seed and kept outside the checkout."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import zstandard

from benchmarks.workloads.environment import make_environment, make_spare
from benchmarks.workloads.recipe import Recipe
from benchmarks.workloads.sources import write_project
from benchmarks.workloads.tree import Tree
from tests.peers.cache import build, cache_folder, lock

_RECIPE = 1
"""Counted up whenever the same recipe is to give other files."""


@dataclass(frozen=True)
class Workload:
    """A project and an environment that lie ready.

    :param folder: holds ``project``, ``environment`` and, each by itself, both versions of the
        distribution that is upgraded (``spare-0``, ``spare-1``).
    """

    recipe: Recipe
    folder: Path

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def environment(self) -> Path:
        return self.folder / "environment"

    @contextmanager
    def open(self, scratch: Path) -> Iterator[Tree]:
        """A copy of the project to be changed, and the environment, which nobody else changes."""
        with lock(self.folder.with_suffix(".lock")):
            copy = scratch / "project"
            subprocess.run(["cp", "-a", self.project, copy], check=True)
            tree = Tree(copy, self.environment, self)
            tree.reset()
            yield tree

    def facts(self) -> dict[str, int]:
        """How many files and bytes there are."""
        project, size = _extent(self.project)
        environment, more = _extent(self.environment / "lib")
        return {
            "source files": project,
            "source bytes": size,
            "environment files": environment,
            "environment bytes": more,
            "upgrade bytes": self._upgrade_bytes(),
        }

    def _upgrade_bytes(self) -> int:
        """Of the distribution that is upgraded, compressed by itself."""
        return packed_size(self.folder / "spare-1", ".") if self.recipe.upgraded else 0


def make(recipe: Recipe, cache: Path | None = None) -> Workload:
    """The workload of a recipe, made where it is not there yet."""
    cache = cache or workloads_folder()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / recipe.name
    with lock(cache / f"{recipe.name}.making"):
        build(folder, f"{_RECIPE} {recipe.stamp()}", lambda new: _make(recipe, new))
    return Workload(recipe, folder)


def workloads_folder() -> Path:
    """`$SEMATIC_BENCH_CACHE`, else `sematic-bench` in the user's cache folder."""
    return cache_folder("SEMATIC_BENCH_CACHE", "sematic-bench")


def packed_size(folder: Path, *names: str) -> int:
    """Bytes of a tar of some files of a folder without bytecode, by zstd's level 2."""
    tar = ["tar", "-C", str(folder), "--exclude=__pycache__", "-cf", "-", *names]
    done = subprocess.run(tar, stdout=subprocess.PIPE, check=True)
    return len(zstandard.ZstdCompressor(level=2).compress(done.stdout))


def _make(recipe: Recipe, folder: Path) -> None:
    write_project(
        folder / "project", recipe.name, recipe.files, recipe.packages, empty=recipe.scan_only
    )
    make_environment(folder / "environment", recipe)
    if recipe.upgraded:
        for number, requirement in enumerate(recipe.versions()):
            make_spare(folder / f"spare-{number}", requirement, folder / "environment")


def _extent(folder: Path) -> tuple[int, int]:
    files = size = 0
    for root, _, names in os.walk(folder):
        files += len(names)
        size += sum(os.lstat(os.path.join(root, name)).st_size for name in names)
    return files, size
