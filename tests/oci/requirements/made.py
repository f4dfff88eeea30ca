"""Projects that are built without anything from an index, and repositories of git."""

from __future__ import annotations

import subprocess
from pathlib import Path

BACKEND = """
import os, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import pathlib
    name = pathlib.Path("PKG-INFO").read_text().split("Name: ")[1].split()[0]
    info = f"{{name}}-1.0.dist-info"
    file = f"{{name}}-1.0-{tag}.whl"
    content = {{
        f"{{name}}/__init__.py": "",
        f"{{info}}/METADATA": f"Metadata-Version: 2.1\\nName: {{name}}\\nVersion: 1.0\\n",
        f"{{info}}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: {tag}\\n",
    }}
    rows = "".join(f"{{path}},,\\n" for path in [*content, f"{{info}}/RECORD"])
    with zipfile.ZipFile(pathlib.Path(wheel_directory, file), "w") as archive:
        for path, text in [*content.items(), (f"{{info}}/RECORD", rows)]:
            archive.writestr(path, text)
        archive.comment = os.urandom(9)
    return file
"""


def sources(name: str, tag: str = "py3-none-any") -> dict[str, str]:
    """A project that is built without anything from an index."""
    return {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
        f'backend-path = ["."]\n[project]\nname = "{name}"\nversion = "1.0"\n',
        "backend.py": BACKEND.format(tag=tag),
        "PKG-INFO": f"Name: {name}\n",
    }


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
