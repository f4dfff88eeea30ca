"""What an interpreter says of itself. Runs in any Python, as a module here or as text elsewhere.

It uses nothing but what every interpreter has loaded at its start, so that asking the running
one costs nothing.
"""

from __future__ import annotations

import os
import site
import sys

_ARCHITECTURES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "i386": "386",
    "i686": "386",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}


def describe() -> dict[str, object]:
    """The parts of an ``Interpreter``, as values that JSON can hold."""
    return {
        "executable": sys.executable,
        "version": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "abiflags": getattr(sys, "abiflags", ""),
        "implementation": sys.implementation.name,
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "site_folders": _site_folders(),
        "scripts": os.path.join(sys.prefix, "Scripts" if os.name == "nt" else "bin"),
        "os": {"win32": "windows"}.get(sys.platform, sys.platform),
        "architecture": _architecture(),
        "libc": _libc(),
    }


def _site_folders() -> list[str]:
    """Where distributions may lie, in the order of sys.path, whether they are there yet or not."""
    folders = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    folders += site.getsitepackages()
    return [folder for folder in folders if folder.endswith("-packages")]


def _architecture() -> str:
    if os.name == "nt":
        machine = os.environ.get("PROCESSOR_ARCHITECTURE", "")
    else:
        machine = os.uname().machine
    word = _ARCHITECTURES.get(machine.lower(), machine.lower())
    if sys.maxsize < 2**32:
        # A 32-bit interpreter on a kernel that names its own architecture.
        return {"amd64": "386", "arm64": "arm"}.get(word, word)
    return word


def _libc() -> str:
    if sys.platform != "linux":
        return ""
    try:
        name = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        name = None
    return "glibc" if name else "musl"


if __name__ == "__main__":
    import json

    sys.stdout.write(json.dumps(describe()))
