"""Brings the real servers and tools that the tests use to a Debian machine.

    python -m tests.peers.install

Five things, each only where it is missing:

1. Debian packages of the machine's own release (registry, skopeo, podman, runtimes).
2. From Debian sid, unpacked into the cache and not installed: crane, cosign, oras and an umoci
   that reads zstd, which need no library but the C library; and the image-spec's JSON schemas.
3. Debian's docker.io, unpacked into the cache and not installed.
4. zuul-registry from PyPI, with what it needs, in a folder of the cache.
5. The project's own base `worker`: an OCI layout in the cache, built from its lock.

The cache is `$SEMATIC_TEST_CACHE`, else `sematic-tests` in the user's cache folder; to get newer
tools or a newer base, delete it. Needs root (apt).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sematic.oci import bases
from sematic.oci.bases.build import Origin, base_image
from sematic.oci.bases.lock import Lock, locks_folder, read_lock
from sematic.oci.bases.mirrors import find_mirrors
from sematic.oci.bases.recipes import recipe
from sematic.oci.bases.store import Store
from sematic.oci.bases.wheels import WheelIndex, index_url
from sematic.oci.cache import Cache
from sematic.oci.compression import Compression
from sematic.oci.delivery import deliver
from sematic.oci.errors import OCIError
from sematic.oci.layout import Layout
from sematic.oci.manifest import Platform
from sematic.oci.reference import LayoutReference
from sematic.oci.values import replace
from tests.peers.cache import build, cache_folder, is_stamped, lock
from tests.peers.debian import (
    InstallError,
    check_machine,
    exit_code,
    patiently,
    private_apt,
    run,
    say,
)

# Each is satisfied by any one of the alternatives; the first is what gets installed.
PACKAGES: tuple[tuple[str, ...], ...] = (
    ("ca-certificates",),
    ("openssl",),
    ("docker-registry",),
    ("skopeo",),
    ("umoci",),
    ("podman",),
    ("runc", "containerd.io"),
    ("crun",),
    ("containerd", "containerd.io"),
    ("mount",),
)
SID_TOOLS = ("cosign", "crane", "oras", "umoci")
ZUUL_REGISTRY = "zuul-registry==1.3.0"
# What it needs to keep images in files: not the libraries of clouds, which are ten times as much.
ZUUL_NEEDS = ("cherrypy", "pyjwt<3", "pyyaml", "routes", "sha256")
SCHEMA_PACKAGE = "golang-github-opencontainers-image-spec-dev"

BASE_PYTHON = "3.11"
BASE = recipe("worker", BASE_PYTHON, Platform.of_host())

# Changing what is built must change the stamp; raise it when the code above the data changes.
RECIPE = 2

INSTRUCTION = "python -m tests.peers.install"


def tools_folder() -> Path:
    return cache_folder() / "tools"


def base_folder() -> Path:
    """An OCI image layout with the tags `worker` and, without labels, `plain`."""
    return cache_folder() / "base"


def digest_of(layout: Path, tag: str) -> str:
    for manifest in json.loads((layout / "index.json").read_text())["manifests"]:
        if manifest["annotations"]["org.opencontainers.image.ref.name"] == tag:
            return str(manifest["digest"])
    raise AssertionError(f"{layout} has no {tag}")


def docker_folder() -> Path:
    """Debian's docker.io, unpacked and not installed: its service would be started otherwise."""
    return cache_folder() / "docker"


def zuul_folder() -> Path:
    """zuul-registry and its dependencies, to be put on a Python path."""
    return cache_folder() / "zuul-registry"


def missing() -> list[str]:
    """What is not here yet, in words for a person; empty if everything is."""
    found = [f"Debian package {name}" for name in _missing_packages()]
    if not is_stamped(tools_folder(), _tools_stamp()):
        found.append(f"tools from Debian sid ({', '.join(SID_TOOLS)})")
    if not is_stamped(docker_folder(), f"{RECIPE}\n"):
        found.append("Docker (Debian package docker.io, unpacked)")
    if not is_stamped(zuul_folder(), _zuul_stamp()):
        found.append(f"{ZUUL_REGISTRY} (from PyPI)")
    if not is_stamped(base_folder(), _base_stamp()):
        found.append(f"base image ({BASE})")
    return found


def install() -> None:
    """Install what is missing. Raises InstallError where this machine cannot."""
    if not (lacking := missing()):
        return
    check_machine(lacking, INSTRUCTION)
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with lock(cache / "lock"):
        for stale in cache.glob("build-*"):
            shutil.rmtree(stale)
        if packages := _missing_packages():
            _install_packages(packages)
        build(tools_folder(), _tools_stamp(), _unpack_sid_tools)
        build(docker_folder(), f"{RECIPE}\n", _unpack_docker)
        build(zuul_folder(), _zuul_stamp(), _unpack_zuul)
        build(base_folder(), _base_stamp(), _build_base)


def _tools_stamp() -> str:
    return f"{RECIPE} {' '.join(SID_TOOLS)}\n"


def _zuul_stamp() -> str:
    return f"{RECIPE} {ZUUL_REGISTRY} {sys.implementation.cache_tag}\n"


def _base_stamp() -> str:
    """Of the lock and of the code that makes the image of it."""
    made = hashlib.sha256(_base_lock().text().encode())
    for path in sorted(Path(bases.__file__).parent.glob("*.py")):
        made.update(path.read_bytes())
    return f"{RECIPE} {made.hexdigest()}\n"


# Debian packages of the machine's own release


def _missing_packages() -> list[str]:
    if not shutil.which("dpkg-query"):
        return [alternatives[0] for alternatives in PACKAGES]
    names = {name for alternatives in PACKAGES for name in alternatives}
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *sorted(names)]
    # It exits with 1 where it does not know a name; what it prints is complete all the same.
    listed = subprocess.run(query, capture_output=True, encoding="utf-8").stdout.splitlines()
    here = {line.removeprefix("installed ") for line in listed if line.startswith("installed ")}
    return [alternatives[0] for alternatives in PACKAGES if here.isdisjoint(alternatives)]


def _install_packages(names: Sequence[str]) -> None:
    say(f"installing {' '.join(names)}")
    wait = ("-o", "DPkg::Lock::Timeout=600")
    patiently("apt-get", "update", "-q", *wait)
    patiently("apt-get", "install", "-q", "-y", "--no-install-recommends", *wait, *names)


def _unpack_docker(folder: Path) -> None:
    say("unpacking docker.io")
    patiently("apt-get", "update", "-q")
    with tempfile.TemporaryDirectory(prefix="docker-", dir=folder.parent) as scratch:
        run("apt-get", "download", "-q", "docker.io", cwd=Path(scratch))
        for package in Path(scratch).glob("*.deb"):
            run("dpkg", "-x", package, folder)


def _unpack_zuul(folder: Path) -> None:
    say(f"unpacking {ZUUL_REGISTRY}")
    with tempfile.TemporaryDirectory(prefix="pip-", dir=folder.parent) as scratch:
        run(sys.executable, "-m", "venv", scratch)
        install = (Path(scratch) / "bin/pip", "install", "--quiet", "--target", folder)
        run(*install, "--no-deps", ZUUL_REGISTRY)
        run(*install, *ZUUL_NEEDS)


# Tools from Debian sid


def _unpack_sid_tools(folder: Path) -> None:
    say(f"unpacking {' '.join(SID_TOOLS)} from Debian sid")
    with tempfile.TemporaryDirectory(prefix="sid-", dir=folder.parent) as scratch:
        apt = Path(scratch)
        config = private_apt(apt, "deb sid")
        run("apt-get", "-c", config, "download", "-q", *SID_TOOLS, SCHEMA_PACKAGE, cwd=apt)
        for package in apt.glob("*.deb"):
            run("dpkg", "-x", package, apt / "root")
        for name in SID_TOOLS:
            shutil.move(apt / "root/usr/bin" / name, folder / name)
            run(folder / name, "--help")
        (folder / "schema").mkdir()
        for schema in (apt / "root").rglob("image-spec/schema/*.json"):
            shutil.copy(schema, folder / "schema" / schema.name)


# The base image


def _build_base(layout: Path) -> None:
    say("building the base image")
    gzip = Compression.parse("gzip")  # which every format and every tool knows
    with tempfile.TemporaryDirectory(prefix="base-", dir=layout.parent) as name:
        scratch = Path(name)
        origin = Origin(find_mirrors(), WheelIndex(index_url()), Store(scratch / "packages"))
        try:
            image = base_image(BASE, _base_lock(), origin, scratch, Cache(scratch), gzip)
            plain = replace(image, config=replace(image.config, labels={}))
            for tag, each in (("worker", image), ("plain", plain)):
                deliver(each, Layout(LayoutReference(str(layout))), [tag])
        except OCIError as error:
            raise InstallError(str(error)) from None


def _base_lock() -> Lock:
    return read_lock(BASE, locks_folder())


if __name__ == "__main__":
    sys.exit(exit_code(install, INSTRUCTION))
