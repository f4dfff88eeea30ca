"""What the bases are made of, in words; the locks say it in versions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sematic.oci.errors import BaseError
from sematic.oci.manifest import Platform

SUITES: Mapping[str, str] = {"3.11": "bookworm", "3.13": "trixie"}
"""The Debian release whose Python it is, by minor version."""

DEFAULT_PYTHON = "3.11"
PLATFORMS = (Platform("linux", "amd64"), Platform("linux", "arm64"))

# What a person wants in a container that runs Python, and what compiled wheels take for granted
# (PEP 599, PEP 600 and the policies of auditwheel); the rest follows from dependencies.
_SYSTEM = (
    *("base-files", "base-passwd", "bash", "coreutils", "dash", "debianutils", "diffutils"),
    *("findutils", "grep", "gzip", "hostname", "libc-bin", "mawk", "netbase", "sed", "tar"),
)
_DATA = ("ca-certificates", "tzdata")
_LIBRARIES = ("libgomp1", "libstdc++6")
_PYTHON = ("python3",)
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "3.11": (*_SYSTEM, *_DATA, *_LIBRARIES, *_PYTHON, "python3-distutils"),
    "3.13": (*_SYSTEM, *_DATA, *_LIBRARIES, *_PYTHON, "tzdata-legacy"),
}

NEVER = frozenset(
    {"cdebconf", "debconf", "debconf-2.0", "dpkg", "install-info", "libdebconfclient0", "perl"}
)
"""What maintainer scripts alone would need: none is run."""

CUDA_WHEELS = (
    *("nvidia-cuda-runtime-cu12", "nvidia-cuda-nvrtc-cu12", "nvidia-nvjitlink-cu12"),
    *("nvidia-cublas-cu12", "nvidia-cufft-cu12", "nvidia-curand-cu12"),
    *("nvidia-cusolver-cu12", "nvidia-cusparse-cu12"),
)
"""NVIDIA's own wheels whose libraries the base ``cuda`` has besides: the CUDA runtime and its
mathematics. What belongs to a framework (cuDNN, NCCL) comes with the framework."""

# What nobody reads in a container, as dpkg's path-exclude and path-include have it; the last rule
# that matches counts. Licences stay.
_RULES = (
    *("-usr/share/doc/*", "+usr/share/doc/*/copyright"),
    *("-usr/share/man/*", "-usr/share/info/*", "-usr/share/locale/*", "-usr/share/lintian/*"),
    *("-usr/share/bug/*", "-usr/share/menu/*", "-usr/share/doc-base/*", "-usr/share/gdb/*"),
    *("-usr/share/applications/*", "-usr/share/pixmaps/*", "-usr/share/bash-completion/*"),
    *("-usr/lib/python3*/test/*", "-usr/lib/python3*/*/test/*", "-usr/lib/python3*/*/tests/*"),
    *("-usr/lib/python3*/pydoc_data/*", "-usr/share/gcc/*", "-usr/lib/valgrind/*"),
    *("-var/run", "-var/lock"),  # links elsewhere, as base-files makes them
    *("-usr/share/zoneinfo/right/*", "-usr/lib/systemd/*", "-etc/cron*", "-etc/init.d/*"),
)
_COMPILED = [
    (rule[0] == "+", re.compile(rule[1:].replace(".", r"\.").replace("*", ".*"))) for rule in _RULES
]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One base for one platform.

    :param name: ``worker`` or ``cuda``.
    :param python: minor version, as ``3.11``.
    """

    name: str
    python: str
    platform: Platform

    @property
    def suite(self) -> str:
        return SUITES[self.python]

    @property
    def triplet(self) -> str:
        """The folder of its libraries, below ``usr/lib``."""
        machines = {"amd64": "x86_64", "arm64": "aarch64"}
        return f"{machines[self.platform.architecture]}-linux-gnu"

    def __str__(self) -> str:
        return f"{self.name} with Python {self.python} for {self.platform}"


def recipe(name: str, python: str, platform: Platform) -> Recipe:
    """A base by its name.

    :raises BaseError: there is none of that name, Python or platform.
    """
    if name not in ("worker", "cuda"):
        raise BaseError(f"there is no base {name!r}, only worker and cuda")
    if python not in SUITES:
        raise BaseError(f"there is no base with Python {python}, only {' and '.join(SUITES)}")
    for known in PLATFORMS:
        if platform.accepts(known) and known.accepts(platform):
            return Recipe(name, python, known)
    raise BaseError(
        f"there is no base for {platform}, only for {' and '.join(map(str, PLATFORMS))}"
    )


def is_left_out(path: str) -> bool:
    """Whether a file of a package stays out of an image."""
    verdicts = [is_kept for is_kept, pattern in _COMPILED if pattern.fullmatch(path)]
    return bool(verdicts) and not verdicts[-1]
