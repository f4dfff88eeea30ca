"""What requirements are resolved for: a Python, a platform and a C library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sematic.oci.errors import SettingsError
from sematic.oci.manifest import Platform
from sematic.oci.wheels.extra import needs_extra

if TYPE_CHECKING:
    from packaging.tags import Tag

_MAJOR = {"glibc": 2, "musl": 1}
_USUAL = {"glibc": 28, "musl": 2}
"""Minor versions of the C library that a base is taken to have: glibc's of Debian 10 and RHEL 8."""

_OLDEST_GLIBC = {"amd64": 5, "arm64": 17}  # PEP 571, PEP 599
_UV_GLIBC = (40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 28, 17)  # that uv can resolve for
_NEWEST = 99
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}  # PEP 600
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class Target:
    """What wheels must run on.

    :param python: major and minor, as ``3.11``.
    :param libc: ``glibc`` or ``musl``.
    :param libc_version: major and minor, as ``2.36``; empty where nobody knows.
    :raises SettingsError: there are no wheels for such a platform.
    """

    python: str
    platform: Platform
    libc: str = "glibc"
    libc_version: str = ""

    def __post_init__(self) -> None:
        if self.platform.os != "linux" or self.platform.architecture not in _MACHINES:
            raise SettingsError(
                f"requirements cannot be resolved for {self.platform}, only for linux/amd64 and "
                "linux/arm64.\nFor another, push an environment that was installed there."
            )
        if self.libc == "glibc" and self.libc_minor < min(_UV_GLIBC):
            raise SettingsError(
                f"requirements cannot be resolved for glibc {self.libc_version}, which the base "
                f"has, only for 2.{min(_UV_GLIBC)} or newer: take a newer base"
            )

    @property
    def machine(self) -> str:
        """The CPU as Python has it: ``x86_64``, ``aarch64``."""
        return _MACHINES[self.platform.architecture]

    @property
    def libc_minor(self) -> int:
        """The C library's minor version, or the usual one."""
        return int(self.libc_version.partition(".")[2] or _USUAL[self.libc])

    @property
    def uv_platform(self) -> str:
        """The same in the words of uv's ``--python-platform``."""
        if self.libc == "musl":
            return f"{self.machine}-unknown-linux-musl"
        known = next(minor for minor in _UV_GLIBC if minor <= self.libc_minor)
        return f"{self.machine}-manylinux_2_{known}"

    def with_newest_libc(self) -> Target:
        """The same with a C library that is newer than all."""
        return replace(self, libc_version=f"{_MAJOR[self.libc]}.{_NEWEST}")

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
            for minor in range(self.libc_minor, -1, -1):
                yield f"musllinux_1_{minor}_{self.machine}"
        else:
            for minor in range(self.libc_minor, _OLDEST_GLIBC[self.platform.architecture] - 1, -1):
                yield f"manylinux_2_{minor}_{self.machine}"
                if minor in _LEGACY:
                    yield f"{_LEGACY[minor]}_{self.machine}"
        yield f"linux_{self.machine}"

    def __str__(self) -> str:
        version = f"{_MAJOR[self.libc]}.{self.libc_minor}"
        return f"Python {self.python} on {self.platform} ({self.libc} {version})"
