"""Brings the real servers and tools that the tests use to a Debian machine.

    python -m tests.peers.install

Five things, each only where it is missing:

1. Debian packages of the machine's own release (registry, skopeo, podman, runtimes).
2. From Debian sid, unpacked into the cache and not installed: crane, cosign, oras and an umoci
   that reads zstd, which need no library but the C library; and the image-spec's JSON schemas.
3. Debian's docker.io, unpacked into the cache and not installed.
4. zuul-registry from PyPI, with what it needs, in a folder of the cache.
5. A base image with Python: an OCI layout in the cache, built by mmdebstrap.

The cache is `$SEMATIC_TEST_CACHE`, else `sematic-tests` in the user's cache folder; to get newer
tools or a newer base, delete it. Needs root (apt, mmdebstrap). Uses the standard library only.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from tests.peers.cache import build, cache_folder, is_stamped, lock
from tests.peers.debian import (
    BOOKWORM,
    InstallError,
    check_machine,
    debian_uri,
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
    ("mmdebstrap",),
    ("mount",),
)
SID_TOOLS = ("cosign", "crane", "oras", "umoci")
ZUUL_REGISTRY = "zuul-registry==1.3.0"
# What it needs to keep images in files: not the libraries of clouds, which are ten times as much.
ZUUL_NEEDS = ("cherrypy", "pyjwt<3", "pyyaml", "routes", "sha256")
SCHEMA_PACKAGE = "golang-github-opencontainers-image-spec-dev"

BASE_SUITE = BOOKWORM
BASE_PYTHON = "3.11"
BASE_INCLUDE = ("python3", "ca-certificates")
BASE_LABELS: Mapping[str, Mapping[str, str]] = {
    "worker": {"dev.sematic.python": BASE_PYTHON},
    "plain": {},
}
# Left out of the base: what no test reads, and what mmdebstrap copies from this machine.
BASE_DROPPED = (
    "dev/",
    "etc/apt/sources.list",
    "etc/hostname",
    "etc/resolv.conf",
    "usr/share/doc/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/man/",
    "var/cache/apt/",
    "var/lib/apt/lists/",
    "var/log/",
)
# The base's only time stamp, so that the same packages give the same digests (2024-01-01).
BASE_EPOCH = 1704067200
BASE_CREATED = "2024-01-01T00:00:00Z"

# Changing what is built must change the stamp; raise it when the code above the data changes.
RECIPE = 2

INSTRUCTION = "python -m tests.peers.install"


def tools_folder() -> Path:
    return cache_folder() / "tools"


def base_folder() -> Path:
    """An OCI image layout with the tags of `BASE_LABELS`."""
    return cache_folder() / "base"


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
        found.append(f"base image (mmdebstrap {BASE_SUITE})")
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
    return f"{RECIPE} {BASE_SUITE} {' '.join(BASE_INCLUDE)} {json.dumps(BASE_LABELS)}\n"


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
    say(f"building the base image ({BASE_SUITE}, {' '.join(BASE_INCLUDE)}): about a minute")
    architecture = run("dpkg", "--print-architecture").strip()
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)
    layer = blobs / "layer"
    _write_layer(layer)
    with layer.open("rb") as file, gzip.open(layer) as tar:
        digest, diff_id = _digest(file), _digest(tar)
    size = layer.stat().st_size
    layer.rename(blobs / digest.removeprefix("sha256:"))
    layer_descriptor = _descriptor("layer.v1.tar+gzip", digest, size)

    manifests = []
    for tag, labels in BASE_LABELS.items():
        config = _config(architecture, diff_id, labels)
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _add_blob(blobs, "config.v1+json", config),
            "layers": [layer_descriptor],
        }
        descriptor = _add_blob(blobs, "manifest.v1+json", manifest)
        descriptor["annotations"] = {"org.opencontainers.image.ref.name": tag}
        manifests.append(descriptor)
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _config(architecture: str, diff_id: str, labels: Mapping[str, str]) -> dict[str, object]:
    config: dict[str, object] = {
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "Cmd": ["/usr/bin/python3"],
    }
    if labels:
        config["Labels"] = dict(labels)
    return {
        "created": BASE_CREATED,
        "architecture": architecture,
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": BASE_CREATED, "created_by": f"mmdebstrap {BASE_SUITE}"}],
    }


def _add_blob(blobs: Path, kind: str, value: object) -> dict[str, object]:
    data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    digest = _digest(io.BytesIO(data))
    (blobs / digest.removeprefix("sha256:")).write_bytes(data)
    return _descriptor(kind, digest, len(data))


def _descriptor(kind: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": size}


def _digest(file: IO[bytes] | gzip.GzipFile) -> str:
    sha256 = hashlib.sha256()
    while data := file.read(1 << 20):
        sha256.update(data)
    return f"sha256:{sha256.hexdigest()}"


def _write_layer(layer: Path) -> None:
    """Write the root file system as a gzip layer."""
    command = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        f"--include={','.join(BASE_INCLUDE)}",
        '--aptopt=Acquire::Check-Valid-Until "false"',
        "--format=tar",
        BASE_SUITE,
        "-",
        debian_uri(),
    ]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(BASE_EPOCH), "LC_ALL": "C"}
    with (
        tempfile.TemporaryFile() as log,
        layer.open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as compressed,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment) as process,
    ):
        assert process.stdout is not None
        with suppress(tarfile.ReadError):  # it failed before it wrote an archive; told below
            _copy_kept(process.stdout, compressed)
        if process.wait() != 0:
            log.seek(0)
            last = log.read().decode(errors="replace").strip().splitlines()[-1:]
            raise InstallError(f"mmdebstrap failed: {''.join(last)}")


def _copy_kept(source: IO[bytes], target: gzip.GzipFile) -> None:
    """Copy a tar stream without the entries of `BASE_DROPPED` and with plain relative names."""
    with (
        tarfile.open(fileobj=source, mode="r|") as reader,
        tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as writer,
    ):
        for member in reader:
            member.name = member.name.removeprefix("./")
            if member.name in ("", ".") or _is_dropped(member):
                continue
            if member.islnk():
                member.linkname = member.linkname.removeprefix("./")
            member.pax_headers = {}
            member.mtime = int(member.mtime)
            writer.addfile(member, reader.extractfile(member) if member.isreg() else None)


def _is_dropped(member: tarfile.TarInfo) -> bool:
    return any(
        member.name.startswith(dropped) if dropped.endswith("/") else member.name == dropped
        for dropped in BASE_DROPPED
    )


if __name__ == "__main__":
    sys.exit(exit_code(install, INSTRUCTION))
