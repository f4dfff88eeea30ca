"""Wheels that many have installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

POPULAR = ("greenlet", "jupyterlab-widgets", "pytest", "pyyaml", "requests", "rich")
"""Small ones with headers, data files, a .pth or native code, scripts, and nothing special."""


@pytest.fixture(scope="session")
def popular(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheels from the index that pip is configured with."""
    folder = tmp_path_factory.mktemp("popular")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "-d", folder, *POPULAR], check=True)
    return folder
