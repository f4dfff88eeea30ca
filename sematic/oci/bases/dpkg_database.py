"""What dpkg and scanners read: which packages there are, and which files are theirs (dpkg(1))."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sematic.oci.bases.control import Stanza, written
from sematic.oci.bases.deb import Package, md5_of
from sematic.oci.files import FileEntry

_FOLDER = "var/lib/dpkg"


def database(packages: Iterable[Package]) -> Iterator[FileEntry]:
    """dpkg's database, as if it had installed the packages and left out what is left out."""
    found = sorted(packages, key=lambda package: package.name)
    status = "\n".join(written(_installed(package)) for package in found) + "\n"
    yield FileEntry.from_bytes(f"{_FOLDER}/status", status.encode())
    yield FileEntry.from_bytes(f"{_FOLDER}/available", b"")
    yield FileEntry.from_bytes(f"{_FOLDER}/info/format", b"1\n")
    yield FileEntry.folder(f"{_FOLDER}/updates")
    for package in found:
        stem = f"{_FOLDER}/info/{_stem(package)}"
        names = "".join(f"/{member.path}\n" for member in package.members)
        yield FileEntry.from_bytes(f"{stem}.list", f"/.\n{names}".encode(errors="surrogateescape"))
        if package.md5sums:
            yield FileEntry.from_bytes(f"{stem}.md5sums", package.md5sums)
        if package.conffiles:
            conffiles = "".join(f"{path}\n" for path in package.conffiles)
            yield FileEntry.from_bytes(f"{stem}.conffiles", conffiles.encode())


def _stem(package: Package) -> str:
    """A package that may be installed for several CPUs at once has its own in its name."""
    if package.control.get("Multi-Arch") == "same":
        return f"{package.name}:{package.control['Architecture']}"
    return package.name


def _installed(package: Package) -> Stanza:
    stanza = {"Package": package.name, "Status": "install ok installed", **package.control}
    contents = {f"/{member.path}": member.content for member in package.members}
    conffiles = [
        f"\n {path} {md5_of(content)}"
        for path in package.conffiles
        if (content := contents.get(path))
    ]
    if conffiles:
        stanza["Conffiles"] = "".join(conffiles)
    return stanza
