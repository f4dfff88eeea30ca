"""What is pushed: a project of a given number of files, and an environment."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

_WORDS = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "frame",
    "batch",
    "token",
    "model",
    "index",
    "cache",
    "store",
    "graph",
    "tensor",
    "score",
]
_PACKAGES = [
    *("app", "app/api", "app/models", "app/models/layers", "app/data", "app/data/readers"),
    *("app/pipelines", "app/pipelines/steps", "app/cli", "app/eval", "tests", "scripts"),
]
SMALL_ENVIRONMENT = ("numpy", "pandas", "requests", "rich")
LARGE_ENVIRONMENT = (
    *("numpy", "pandas", "scipy", "scikit-learn", "matplotlib", "pyarrow", "polars", "sympy"),
    *("statsmodels", "plotly", "boto3", "transformers", "opencv-python-headless", "botocore"),
)


def make_project(folder: Path, files: int, seed: int = 0) -> Path:
    """A source tree of about 15 kB a file; the same for the same seed."""
    dice = random.Random(seed)
    for number in range(files):
        path = folder / dice.choice(_PACKAGES) / f"{dice.choice(_WORDS)}_{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_module(dice))
    (folder / "app" / "main.py").write_text("print('main')\n")
    (folder / "pyproject.toml").write_text('[project]\nname = "bench"\nversion = "1"\n')
    return folder


def edit(project: Path, number: int) -> None:
    """Change one file."""
    with (project / "app" / "main.py").open("a") as file:
        file.write(f"# edit {number}\n")


def make_environment(folder: Path, requirements: tuple[str, ...]) -> Path:
    """A virtual environment, and in it a distribution that can be upgraded; its folder."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*command, "--disable-pip-version-check", *requirements], check=True)
    upgrade(folder, 0)
    return folder


def upgrade(environment: Path, number: int) -> None:
    """Put another version of a distribution of 40 modules into the environment."""
    (site,) = environment.glob("lib/python3*/site-packages")
    for old in (*site.glob("benchmarked-*.dist-info"), site / "benchmarked"):
        shutil.rmtree(old, ignore_errors=True)
    dice = random.Random(number)
    information = site / f"benchmarked-{number}.dist-info"
    (site / "benchmarked").mkdir()
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: benchmarked\nVersion: {number}\n"
    )
    names = [f"benchmarked/module_{index}.py" for index in range(40)]
    for name in names:
        (site / name).write_text(_module(dice))
    record = [*names, f"{information.name}/METADATA", f"{information.name}/RECORD"]
    (information / "RECORD").write_text("".join(f"{name},,\n" for name in record))


def _module(dice: random.Random) -> str:
    functions = []
    for number in range(dice.randint(20, 80)):
        words = " ".join(dice.choices(_WORDS, k=12))
        lines = "".join(
            f"    {dice.choice(_WORDS)}_{line} = {dice.randrange(10**9)}  # {dice.choice(_WORDS)}\n"
            for line in range(dice.randint(2, 9))
        )
        functions.append(f'def {dice.choice(_WORDS)}_{number}():\n    """{words}."""\n{lines}\n')
    return "\n".join(functions)
