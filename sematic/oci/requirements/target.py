"""What requirements are resolved for: a Python, a platform and a C library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sematic.oci.errors import SettingsError
from sematic.oci.manifest import Platform
from sematic.oci.wheels.extra import needs_extra

if TYPE_CHECKING:
    from packaging.tags import Tag

GLIBC = 28
"""Minor version of the glibc that a base is taken to have: that of Debian 10, RHEL 8 and later."""

_MUSL = 2
_OLDEST_GLIBC = {"amd64": 5, "arm64": 17}  # PEP 571, PEP 599
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}  # PEP 600
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class Target:
    """What wheels must run on.

    :param python: major and minor, as ``3.11``.
    :param libc: ``glibc`` or ``musl``.
    :raises SettingsError: there are no wheels for such a platform.
    """

    python: str
    platform: Platform
    libc: str = "glibc"

    def __post_init__(self) -> None:
        if self.platform.os != "linux" or self.platform.architecture not in _MACHINES:
            raise SettingsError(
                f"requirements cannot be resolved for {self.platform}, only for linux/amd64 and "
                "linux/arm64.\nFor another, push an environment that was installed there."
            )

    @property
    def machine(self) -> str:
        """The CPU as Python has it: ``x86_64``, ``aarch64``."""
        return _MACHINES[self.platform.architecture]

    @property
    def uv_platform(self) -> str:
        """The same in the words of uv's ``--python-platform``."""
        if self.libc == "musl":
            return f"{self.machine}-unknown-linux-musl"
        return f"{self.machine}-manylinux_2_{GLIBC}"

    def environment(self) -> dict[str, str]:
        """What markers are about (PyPA "Dependency specifiers", environment markers)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    def tags(self) -> list[Tag]:
        """The tags of wheels that run there, the best first."""
        with needs_extra():
            from packaging.tags import compatible_tags, cpython_tags
        major, minor = map(int, self.python.split("."))
        short = f"cp{major}{minor}"
        platforms = list(self._platforms())
        return [
            *cpython_tags((major, minor), [short], platforms),
            *compatible_tags((major, minor), short, platforms),
        ]

    def _platforms(self) -> Iterator[str]:
        if self.libc == "musl":
            for minor in range(_MUSL, -1, -1):
                yield f"musllinux_1_{minor}_{self.machine}"
        else:
            for minor in range(GLIBC, _OLDEST_GLIBC[self.platform.architecture] - 1, -1):
                yield f"manylinux_2_{minor}_{self.machine}"
                if minor in _LEGACY:
                    yield f"{_LEGACY[minor]}_{self.machine}"
        yield f"linux_{self.machine}"

    def __str__(self) -> str:
        return f"Python {self.python} on {self.platform} ({self.libc})"
