"""What the maintainer scripts of packages would do, done as data: none of them is run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sematic.oci.bases.deb import Package, Slice
from sematic.oci.files import FileEntry
from sematic.oci.runtime import HOME

CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_CERTIFICATES = "usr/share/ca-certificates/"
_TIME_ZONE = "Etc/UTC"

# Files that are copied to where they are read, if they are there: postinst of base-files,
# base-passwd, libc-bin and readline-common.
_COPIES: Mapping[str, str] = {
    "usr/share/base-files/dot.bashrc": "root/.bashrc",
    "usr/share/base-files/dot.profile": "root/.profile",
    "usr/share/base-files/profile": "etc/profile",
    "usr/share/base-passwd/group.master": "etc/group",
    "usr/share/base-passwd/passwd.master": "etc/passwd",
    "usr/share/libc-bin/nsswitch.conf": "etc/nsswitch.conf",
    "usr/share/readline/inputrc": "etc/inputrc",
}
_ALTERNATIVES: Mapping[str, str] = {
    "usr/bin/awk": "usr/bin/mawk",
    "usr/bin/nawk": "usr/bin/mawk",
    "usr/bin/which": "usr/bin/which.debianutils",
}
_FOLDERS: Mapping[str, int] = {
    **dict.fromkeys(("etc/opt", "media", "mnt", "opt", "srv", "var/mail", "var/opt"), 0o755),
    **dict.fromkeys((f"usr/local/{name}" for name in ("bin", "etc", "include", "lib")), 0o755),
    **dict.fromkeys((f"usr/local/{name}" for name in ("sbin", "share", "src")), 0o755),
    "run/lock": 0o1777,
    "tmp": 0o1777,
    "var/tmp": 0o1777,
    HOME: 0o1777,
}


def system_entries(packages: Iterable[Package]) -> Iterator[FileEntry]:
    """Users, shells, alternatives, certificates, the time zone, and folders that are expected."""
    contents = {
        member.path: member.content
        for package in packages
        for member in package.members
        if member.content is not None
    }
    yield from (FileEntry.folder(path, mode) for path, mode in _FOLDERS.items())
    for source, target in _COPIES.items():
        if source in contents:
            content = contents[source]
            yield FileEntry(target, size=content.size, source=content)
    yield FileEntry.link("var/run", "/run")
    yield FileEntry.link("var/lock", "/run/lock")
    yield FileEntry.link("var/spool/mail", "../mail")
    yield FileEntry.link("etc/dpkg/origins/default", "debian")
    for make in (_alternatives, _shells, _certificates, _time_zone):
        yield from make(contents)


def _alternatives(contents: Mapping[str, Slice]) -> Iterator[FileEntry]:
    """update-alternatives(1)"""
    for link, target in _ALTERNATIVES.items():
        if target in contents:
            name = link.rpartition("/")[2]
            yield FileEntry.link(link, f"/etc/alternatives/{name}")
            yield FileEntry.link(f"etc/alternatives/{name}", f"/{target}")


def _shells(contents: Mapping[str, Slice]) -> Iterator[FileEntry]:
    """update-shells(8): of each shell, its path with and without /usr."""
    folder = "usr/share/debianutils/"
    head = contents.get(f"{folder}shells")
    lines = head.read().decode().splitlines() if head else []
    for path in sorted(contents):
        if path.startswith(f"{folder}shells.d/"):
            for shell in contents[path].read().decode().split():
                plain = shell.removeprefix("/usr")
                lines += [plain, f"/usr{plain}"]
    text = "".join(f"{line}\n" for line in dict.fromkeys(lines))
    yield FileEntry.from_bytes("etc/shells", text.encode())


def _certificates(contents: Mapping[str, Slice]) -> Iterator[FileEntry]:
    """update-ca-certificates(8): all that are there, linked to, and in one file."""
    names = sorted(
        path.removeprefix(_CERTIFICATES)
        for path in contents
        if path.startswith(_CERTIFICATES) and path.endswith(".crt")
    )
    if not names:
        return
    bundle = bytearray()
    for name in names:
        bundle += contents[_CERTIFICATES + name].read().rstrip(b"\n") + b"\n"
        stem = name.rpartition("/")[2].removesuffix(".crt")
        pem = stem.replace(" ", "_").replace("(", "=").replace(")", "=").replace(",", "_")
        yield FileEntry.link(f"etc/ssl/certs/{pem}.pem", f"/{_CERTIFICATES}{name}")
    yield FileEntry.from_bytes(CA_BUNDLE, bytes(bundle))
    listing = "".join(f"{name}\n" for name in names)
    yield FileEntry.from_bytes("etc/ca-certificates.conf", listing.encode())


def _time_zone(contents: Mapping[str, Slice]) -> Iterator[FileEntry]:
    if f"usr/share/zoneinfo/{_TIME_ZONE}" in contents:
        yield FileEntry.link("etc/localtime", f"/usr/share/zoneinfo/{_TIME_ZONE}")
        yield FileEntry.from_bytes("etc/timezone", f"{_TIME_ZONE}\n".encode())
