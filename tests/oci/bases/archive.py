"""A small archive of Debian packages, made by dpkg-deb, and a lock of what is in it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sematic.oci.bases.build import Origin, base_image
from sematic.oci.bases.lock import Lock, LockedPackage
from sematic.oci.bases.mirrors import Mirrors
from sematic.oci.bases.recipes import recipe
from sematic.oci.bases.store import Store
from sematic.oci.bases.wheels import WheelIndex
from sematic.oci.cache import Cache
from sematic.oci.compression import Compression
from sematic.oci.events import Listener, ignore
from sematic.oci.image import Image
from sematic.oci.manifest import Platform

AMD64 = Platform("linux", "amd64")
NOWHERE = "http://127.0.0.1:1/simple"


def make_deb(
    to: Path,
    name: str,
    files: Mapping[str, bytes | str],
    *,
    version: str = "1.0",
    compression: str = "xz",
    fields: Mapping[str, str] | None = None,
    conffiles: tuple[str, ...] = (),
) -> Path:
    """A package.

    :param files: by path; text that begins with ``->`` is a link, bytes with ``#!`` a program.
    """
    root = to.parent / f"{to.name}-root"
    (root / "DEBIAN").mkdir(parents=True)
    own = {"Package": name, "Version": version, "Architecture": "amd64", "Maintainer": "x <x@x>"}
    control = {**own, **(fields or {}), "Description": f"{name}, made for a test"}
    text = "".join(f"{key}: {value}\n" for key, value in control.items())
    (root / "DEBIAN/control").write_text(text)
    if conffiles:
        (root / "DEBIAN/conffiles").write_text("".join(f"{path}\n" for path in conffiles))
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            target.symlink_to(content.removeprefix("->"))
        else:
            target.write_bytes(content)
            target.chmod(0o755 if content.startswith(b"#!") else 0o644)
    to.parent.mkdir(parents=True, exist_ok=True)
    build = ["dpkg-deb", f"-Z{compression}", "--root-owner-group", "--build"]
    subprocess.run(
        [*build, root, to], check=True, capture_output=True, env={**os.environ, "LC_ALL": "C"}
    )
    return to


@dataclass
class DebianArchive:
    """A mirror in a folder, and a lock that grows with what is put into it."""

    folder: Path
    packages: list[LockedPackage] = field(default_factory=list)

    def add(self, name: str, files: Mapping[str, bytes | str], **more: object) -> Path:
        version = str(more.get("version", "1.0"))
        path = f"pool/main/{name}_{version}_amd64.deb"
        deb = make_deb(self.folder / path, name, files, **more)  # type: ignore[arg-type]
        data = deb.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        self.packages.append(
            LockedPackage(name, version, "amd64", "debian", path, len(data), digest)
        )
        return deb

    @property
    def lock(self) -> Lock:
        return Lock(tuple(self.packages), dates={"debian": "20260711T101637Z"})

    def image(
        self,
        scratch: Path,
        *,
        url: str = "",
        cache: Cache | None = None,
        listener: Listener = ignore,
    ) -> Image:
        """The image of the lock.

        :param url: of the mirror, if it is not the folder.
        """
        store = scratch / "store"
        scratch.mkdir(exist_ok=True)
        address = url or self.folder.as_uri()
        origin = Origin(Mirrors({"debian": [address]}), WheelIndex(NOWHERE), Store(store), listener)
        return base_image(
            recipe("worker", "3.11", AMD64),
            self.lock,
            origin,
            scratch,
            cache or Cache(scratch / "cache"),
            Compression.parse("zstd"),
        )
