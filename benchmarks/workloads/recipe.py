"""What each workload is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Recipe:
    """A project and its environment.

    :param files: Python modules of the project.
    :param packages: among which they are spread.
    :param requirements: a file beside this one: the distributions of the environment, each with
        its version.
    :param apart: requirements that are installed without what they need.
    :param upgraded: the distribution that is upgraded, with the version that it goes to.
    :param imports: modules of the environment that a program would import.
    :param distributions: so many are made up instead of installed.
    :param scan_only: the files are empty, however large they seem.
    """

    name: str
    files: int
    packages: int
    requirements: str = ""
    apart: Sequence[str] = ()
    upgraded: str = ""
    imports: str = ""
    distributions: int = 0
    scan_only: bool = False

    def pins(self) -> dict[str, str]:
        """The distributions' versions by their names."""
        lines = (_FOLDER / self.requirements).read_text().splitlines() if self.requirements else ()
        return dict(line.split("==") for line in lines)

    def stamp(self) -> str:
        """What the files depend on."""
        return f"{replace(self, imports='')} {self.pins()}"

    def requirements_file(self) -> Path:
        return _FOLDER / self.requirements

    def versions(self) -> tuple[str, str]:
        """Requirements of the upgraded distribution: as it is installed, and as it is to be."""
        name = self.upgraded.partition("==")[0]
        return f"{name}=={self.pins()[name]}", self.upgraded


def recipe(name: str) -> Recipe:
    return next(each for each in RECIPES if each.name == name)


WITH_TORCH = "science-torch"
"""The name of what has 1.2 GB more in 15,000 files, and takes long to be made."""
_SCIENCE = Recipe(
    *("science", 300, 24),
    requirements="science.txt",
    upgraded="pandas==3.1.1",
    imports="pandas, sklearn",
)
RECIPES = (
    Recipe(
        "small", 30, 10, requirements="small.txt", upgraded="urllib3==2.8.0", imports="requests"
    ),
    _SCIENCE,
    replace(_SCIENCE, name=WITH_TORCH, apart=("torch==2.15.0",)),
    Recipe(
        *("monorepo", 100_000, 2000),
        requirements="small.txt",
        upgraded="urllib3==2.8.0",
        imports="requests",
    ),
    Recipe("many", 300, 24, distributions=600, imports="made_up_1"),
    Recipe("huge", 1_000_000, 20_000, scan_only=True),
)
