"""Virtual environments with real distributions of every kind, and projects to go with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.install import BASE_PYTHON

_BUILD = '[build-system]\nrequires = ["setuptools>=64"]\nbuild-backend = "setuptools.build_meta"\n'

_DISTRIBUTIONS: dict[str, dict[str, str]] = {
    # a console script, and a data file below share/
    "greeter": {
        "pyproject.toml": _BUILD
        + textwrap.dedent("""
            [project]
            name = "greeter"
            version = "1.0"
            [project.scripts]
            greet = "greeter:main"
            [tool.setuptools]
            packages = ["greeter"]
            [tool.setuptools.data-files]
            "share/greeter" = ["words.txt"]
            """),
        "greeter/__init__.py": textwrap.dedent("""
            import sys
            from pathlib import Path

            def main():
                words = Path(sys.prefix, "share", "greeter", "words.txt").read_text().strip()
                print(words, *sys.argv[1:])
            """),
        "words.txt": "hello from share\n",
    },
    # two distributions that share a namespace package
    "corp-one": {
        "pyproject.toml": _BUILD
        + '[project]\nname = "corp-one"\nversion = "1.0"\n'
        + '[tool.setuptools]\npackages = ["corp.one"]\n',
        "corp/one/__init__.py": "NAME = 'one'\n",
    },
    "corp-two": {
        "pyproject.toml": _BUILD
        + '[project]\nname = "corp-two"\nversion = "1.0"\n'
        + '[tool.setuptools]\npackages = ["corp.two"]\n',
        "corp/two/__init__.py": "NAME = 'two'\n",
    },
}


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of a size that is soon used up, as ``4m``."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def base_python() -> str:
    """An interpreter of the base image's minor version.

    :raises LookupError: this machine has none.
    """
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = sys.executable if own == BASE_PYTHON else shutil.which(f"python{BASE_PYTHON}")
    if found is None:
        raise LookupError(f"the base image has Python {BASE_PYTHON}, and this machine has none")
    return found


def write_tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def make_environment(folder: Path) -> Path:
    """A virtual environment with numpy, scripts, namespace packages and a .pth; its interpreter."""
    subprocess.run([base_python(), "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    sources = [write_tree(folder / name, files) for name, files in _DISTRIBUTIONS.items()]
    install(python, "numpy", "tabulate", "wheel", "setuptools>=70")
    install(python, "--no-build-isolation", *map(str, sources))
    site = folder / "venv" / "lib" / f"python{BASE_PYTHON}" / "site-packages"
    write_tree(
        site,
        {
            "hidden.pth": "hidden_modules\n",
            "hidden_modules/found_by_pth.py": "NAME = 'pth'\n",
            "stray.py": "NAME = 'stray'\n",
        },
    )
    return python


def install(python: Path, *requirements: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, *requirements], check=True)


def make_project(folder: Path) -> Path:
    """A small project with code, data, an executable, a link and an empty folder."""
    write_tree(
        folder,
        {
            "pyproject.toml": '[project]\nname = "demo"\nversion = "1"\n',
            "app/__init__.py": "",
            "app/__main__.py": "import app.report\napp.report.main()\n",
            "app/report.py": textwrap.dedent("""
                from pathlib import Path

                import numpy

                def main():
                    text = Path(__file__).parent.parent.joinpath("data/numbers.txt").read_text()
                    print("sum", int(numpy.array(text.split(), dtype=int).sum()))
                """),
            "data/numbers.txt": "1 2 3\n",
            "script.py": "import sys; print('script', sys.argv[1:])\n",
            "run.sh": "#!/bin/sh\necho ran\n",
            "nämé with spaces/ü.txt": "unicode\n",
            "two\nlines.txt": "a newline in its name\n",
            "n" * 255: "the longest name\n",
            f"{'deep/' * 60}file.txt": "a path of 308 bytes\n",
            os.fsdecode(b"caf\xe9/menu.txt"): "a folder whose name is no UTF-8\n",
            ".gitignore": "*.log\n",
            "debug.log": "not this\n",
            ".env": "SECRET=planted-secret\n",
        },
    )
    (folder / "run.sh").chmod(0o755)
    (folder / "latest").symlink_to("data/numbers.txt")
    (folder / "empty").mkdir(exist_ok=True)
    return folder
