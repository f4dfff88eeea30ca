"""The package indexes of a Debian release, checked against the list that its archive signs."""

from __future__ import annotations

import hashlib
import lzma
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from sematic.oci.bases.control import Stanza, stanzas
from sematic.oci.bases.download import Download
from sematic.oci.bases.mirrors import DEBIAN, SECURITY, Mirrors, NotOnMirror
from sematic.oci.bases.versions import Version
from sematic.oci.errors import BaseError
from sematic.oci.events import Listener, Noticed

_KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)
_MOST = 256 << 20
_SIGNED = re.compile(
    r"-----BEGIN PGP SIGNED MESSAGE-----\n(?:[^\n]+\n)*\n(.*?)\n-----BEGIN PGP SIGNATURE", re.S
)


class Release:
    """A release as a mirror has it now: its suites, newest versions first.

    :param suite: the codename, as ``bookworm``; its updates and security updates belong to it.
    :param keyrings: those of Debian's archive; the first that is there counts.
    """

    def __init__(
        self,
        suite: str,
        mirrors: Mirrors,
        listener: Listener,
        keyrings: Sequence[Path] = _KEYRINGS,
    ) -> None:
        self._suite = suite
        self._mirrors = mirrors
        self._told = listener
        self._keyring = next((path for path in keyrings if path.is_file()), None)
        self._signed: dict[tuple[str, str], Stanza] = {}

    def packages(self, architecture: str) -> dict[str, Stanza]:
        """The newest version of each package, with its archive in the field ``Archive``.

        :raises BaseError: an index cannot be had, or is not what was signed.
        """
        found: dict[str, Stanza] = {}
        for archive, suite in self._suites():
            for stanza in self._index(archive, suite, architecture):
                name, version = stanza["Package"], Version(stanza["Version"])
                if name not in found or Version(found[name]["Version"]) < version:
                    found[name] = {**stanza, "Archive": archive}
        return found

    def dates(self) -> dict[str, str]:
        """When each archive's list was signed, as snapshot.debian.org writes it."""
        found: dict[str, str] = {}
        for archive, suite in self._suites():
            text = self._list(archive, suite).get("Date", "")
            date = datetime.strptime(text, "%a, %d %b %Y %H:%M:%S %Z").strftime("%Y%m%dT%H%M%SZ")
            found[archive] = max(found.get(archive, ""), date)
        return found

    def _suites(self) -> Iterator[tuple[str, str]]:
        yield DEBIAN, self._suite
        yield DEBIAN, f"{self._suite}-updates"
        yield SECURITY, f"{self._suite}-security"

    def _index(self, archive: str, suite: str, architecture: str) -> Iterator[Stanza]:
        name = f"main/binary-{architecture}/Packages.xz"
        for line in self._list(archive, suite).get("SHA256", "").splitlines():
            digest, size, listed = (line.split() + 3 * [""])[:3]
            if listed == name:
                download = Download(f"index of {suite} for {architecture}", int(size), self._told)
                folder = f"dists/{suite}/main/binary-{architecture}"
                try:
                    data = self._read(archive, f"{folder}/by-hash/SHA256/{digest}", download)
                except NotOnMirror:  # some mirrors have it under its name alone
                    data = self._read(archive, f"{folder}/Packages.xz", download)
                if hashlib.sha256(data).hexdigest() != digest:
                    raise BaseError(
                        f"{suite}'s index {name} is not the one that was signed.\n"
                        "The mirror may be in the middle of an update: try again later, or name "
                        "another with --mirror"
                    )
                yield from stanzas(lzma.decompress(data).decode().splitlines())
                return
        raise BaseError(f"{suite} lists no index {name}")

    def _list(self, archive: str, suite: str) -> Stanza:
        if (archive, suite) not in self._signed:
            data = self._read_list(archive, suite)
            self._verify(data, suite)
            found = _SIGNED.search(data.decode())
            if not found:
                raise BaseError(f"{suite}'s InRelease has no signed text")
            text = re.sub("^- ", "", found[1], flags=re.M)
            release = next(stanzas(text.splitlines()))
            if suite.partition("-")[0] not in release.get("Codename", ""):
                raise BaseError(f"{suite}'s InRelease is that of {release.get('Codename')!r}")
            self._signed[archive, suite] = release
        return self._signed[archive, suite]

    def _read_list(self, archive: str, suite: str) -> bytes:
        try:
            return self._read(archive, f"dists/{suite}/InRelease")
        except NotOnMirror as error:
            raise BaseError(
                f"{error}\nThat is no mirror of Debian, or one that has no {suite}: name another "
                "with --mirror"
            ) from None

    def _verify(self, data: bytes, suite: str) -> None:
        gpgv = shutil.which("gpgv")
        if gpgv is None or self._keyring is None:
            lacking = "no gpgv" if gpgv is None else "not Debian's keyring"
            self._told(
                Noticed(f"the signature of {suite} is not checked: this machine has {lacking}")
            )
            return
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            command = [gpgv, "--quiet", "--keyring", str(self._keyring), file.name]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("gpgv: ")]
            raise BaseError(
                f"{suite}'s InRelease is not signed by Debian's archive: {''.join(said[-1:])}.\n"
                f"It was checked against {self._keyring}; name another mirror with --mirror"
            )

    def _read(self, archive: str, path: str, download: Download | None = None) -> bytes:
        data = bytearray()
        chunks = self._mirrors.open(archive, path)
        for chunk in download.told(chunks) if download else chunks:
            data += chunk
            if len(data) > _MOST:
                raise BaseError(f"{path} has more than {_MOST >> 20} MiB")
        return bytes(data)
