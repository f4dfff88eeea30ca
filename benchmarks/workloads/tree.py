"""What becomes of a project and its environment in the course of work.

A change is known by a number. Made twice, it is made once: files that are already as they are to
be are left alone, so that each peer in turn can be shown the same change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.workloads.environment import (
    put_distribution,
    remove_distribution,
    site_packages,
    write_distribution,
)
from benchmarks.workloads.sources import modules

if TYPE_CHECKING:
    from benchmarks.workloads import Workload

_BRANCH = 5
"""A branch differs from another in each fifth file, up to 500."""
_ADDED_MODULES = 200


@dataclass
class Tree:
    """:param origin: as everything was at first."""

    project: Path
    environment: Path
    origin: Workload
    _upgrade: int = field(default=0)

    def edit_file(self, number: int) -> None:
        """A module of which half of the others are smaller."""
        self._edit([self._middling], number)

    def edit_ten_files(self, number: int) -> None:
        """In ten packages."""
        self._edit(islice(self._modules(), 10), number)

    def add_file(self, number: int) -> None:
        file = self.project / f"added_{number}.py"
        if not file.exists():
            file.write_text(f"ADDED = {number}\n")

    def upgrade(self, number: int) -> None:
        """Another version of a distribution, which never was there before."""
        if number == self._upgrade:
            return
        self._upgrade = number
        site = site_packages(self.environment)
        if self.origin.recipe.upgraded:
            put_distribution(site, self.origin.folder / f"spare-{number % 2}", number)
        else:
            write_distribution(site, "made_up_0", number + 1, _ADDED_MODULES)

    def add_distribution(self, number: int) -> None:
        """One more, of about 200 modules."""
        site, name = site_packages(self.environment), f"benchmark_added_{number}"
        if not (site / name).exists():
            write_distribution(site, name, 1, _ADDED_MODULES)

    def switch(self, number: int) -> None:
        """To a branch on which many files are otherwise."""
        self._edit(self._branched(), number)

    def switch_back(self, number: int) -> None:
        for path in self._branched():
            original = (self.origin.project / path).read_bytes()
            if (self.project / path).read_bytes() != original:
                (self.project / path).write_bytes(original)

    def read(self) -> None:
        """All files, so that nobody who comes later waits for the disk."""
        for top in (self.project, self.environment):
            for path in top.rglob("*"):
                if path.is_file():
                    path.read_bytes()

    def reset(self) -> None:
        """The environment as it was at first."""
        site = site_packages(self.environment)
        for added in site.glob("benchmark_added_*[0-9]"):
            remove_distribution(site, added.name)
        if self.origin.recipe.upgraded:
            put_distribution(site, self.origin.folder / "spare-0", 0)
        elif self.origin.recipe.distributions:
            write_distribution(site, "made_up_0", 1, _ADDED_MODULES)

    def _edit(self, paths: Iterable[str], number: int) -> None:
        for path in paths:
            original = (self.origin.project / path).read_text()
            text = f"{original}# edit {number}\n"
            if (self.project / path).read_text() != text:
                (self.project / path).write_text(text)

    @cached_property
    def _middling(self) -> str:
        sized = sorted(
            ((self.origin.project / path).stat().st_size, path) for path in self._modules()
        )
        return sized[len(sized) // 2][1]

    def _modules(self) -> Iterable[str]:
        return modules(self.origin.recipe.files, self.origin.recipe.packages)

    def _branched(self) -> Iterable[str]:
        return islice(islice(self._modules(), 0, None, _BRANCH), 500)
