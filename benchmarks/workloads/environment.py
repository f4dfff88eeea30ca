"""Environments, of real distributions and of made-up ones."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.workloads.recipe import Recipe
from benchmarks.workloads.sources import module
from tests.e2e.launching import uv_install
from tests.projects import base_python


def make_environment(folder: Path, recipe: Recipe) -> None:
    """A virtual environment with bytecode, as pip leaves it."""
    subprocess.run([base_python(), "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    if recipe.requirements:
        install(python, "--requirement", str(recipe.requirements_file()))
    if recipe.apart:
        install(python, "--no-deps", *recipe.apart)
    dice = random.Random(recipe.name)
    for number in range(recipe.distributions):
        modules = min(200, max(2, int(dice.lognormvariate(2.7, 1.1))))
        write_distribution(site_packages(folder), f"made_up_{number}", 1, modules)


def make_spare(folder: Path, requirement: str, environment: Path) -> None:
    """A distribution by itself, in a folder, to be put in the place of another version."""
    python = environment / "bin" / "python"
    install(python, "--no-deps", "--target", str(folder), requirement)


def install(python: Path, *arguments: str) -> None:
    uv_install(python, "--link-mode=copy", "--compile-bytecode", *arguments)


def site_packages(environment: Path) -> Path:
    (site,) = environment.glob("lib/python3*/site-packages")
    return site


def write_distribution(site: Path, name: str, version: int, modules: int) -> None:
    """A made-up distribution in the place of any other version of it."""
    remove_distribution(site, name)
    dice = random.Random(f"{name} {version}")
    (site / name).mkdir()
    information = site / f"{name}-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )
    (information / "INSTALLER").write_text("pip\n")
    names = [f"{name}/__init__.py", *(f"{name}/module_{n}.py" for n in range(1, modules))]
    for path in names:
        (site / path).write_text(module(dice))
    _record(information, names)


def put_distribution(site: Path, spare: Path, number: int) -> None:
    """A spare distribution in the place of any other version of it.

    :param number: goes into a file of its own and says how long that is, so that it is like no
        version there ever was, not even in size.
    """
    (information,) = spare.glob("*.dist-info")
    name = information.name.partition("-")[0]
    remove_distribution(site, name)
    shutil.copytree(spare, site, dirs_exist_ok=True, ignore=shutil.ignore_patterns("bin", ".lock"))
    (site / name / "benchmark_mark.py").write_text(f"MARK = {number}\n" + "# more\n" * 100 * number)
    with (site / information.name / "RECORD").open("a") as record:
        record.write(f"{name}/benchmark_mark.py,,\n")


def remove_distribution(site: Path, name: str) -> None:
    for old in (site / name, site / f"{name}.libs", *site.glob(f"{name}-*.dist-info")):
        shutil.rmtree(old, ignore_errors=True)


def _record(information: Path, names: Sequence[str]) -> None:
    files = ("METADATA", "INSTALLER", "RECORD")
    record = [*names, *(f"{information.name}/{file}" for file in files)]
    (information / "RECORD").write_text("".join(f"{name},,\n" for name in record))
