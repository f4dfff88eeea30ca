"""Where Debian's packages come from: the mirrors of this machine's apt, or one that is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sematic.oci.bases.control import stanzas
from sematic.oci.errors import BaseError, RegistryError
from sematic.oci.registry.routes import Routes
from sematic.oci.registry.transport import READ, Transport

DEBIAN, SECURITY = "debian", "debian-security"
_DEFAULTS = {
    DEBIAN: "http://deb.debian.org/debian",
    SECURITY: "http://deb.debian.org/debian-security",
}
_RELEASES = r"bullseye|bookworm|trixie|forky|sid|(?:old)*stable|testing|unstable"
_SUITE = re.compile(rf"(?:{_RELEASES})(?P<security>-security|/updates)?(?:-updates|-backports)?")
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(.*)")
_KEY = re.compile(r"signed-by=(\S+)", re.IGNORECASE)
_CHUNK = 256 << 10


@dataclass(frozen=True, slots=True)
class Mirrors:
    """The addresses of Debian's two trees, in the order in which they are tried.

    Packages are known by their digests and indexes by a signature, so plain http will do.
    """

    addresses: Mapping[str, Sequence[str]]
    _transports: dict[str, Transport] = field(default_factory=dict)

    def open(self, archive: str, path: str) -> Generator[bytes, None, None]:
        """A file's bytes.

        :param archive: ``debian`` or ``debian-security``.
        :param path: below that.
        :raises NotOnMirror: no mirror has it.
        :raises BaseError: no mirror gives it; the message says what each answered.
        """
        failures: list[str] = []
        gone = 0
        for address in self.addresses[archive]:
            try:
                yield from self._chunks(f"{address.rstrip('/')}/{path}")
                return
            except _Refused as error:
                failures.append(f"{_shown(address)}: {error}")
                gone += error.is_gone
        kind = NotOnMirror if gone == len(failures) else BaseError
        raise kind(f"no mirror gives {path}:\n" + "\n".join(failures))

    def _chunks(self, url: str) -> Iterator[bytes]:
        parts = urlsplit(url)
        if parts.scheme in ("file", "copy"):
            yield from _local(Path(unquote(parts.path)))
            return
        transport = self._transports.setdefault(
            parts.netloc, Transport(Routes(insecure=[parts.netloc.rpartition("@")[2]]))
        )
        try:
            answer = transport.request("GET", url, manner=READ)
        except RegistryError as error:
            raise _Refused(str(error)) from None
        if answer.chunks is None:
            raise _Refused(f"it answered {answer.status}", answer.status in (404, 410))
        with closing(answer.chunks):
            try:
                yield from answer.chunks
            except RegistryError as error:
                raise BaseError(f"{_shown(url)} broke off: {error}") from None


class NotOnMirror(BaseError):
    """Every mirror was asked, and has no such file."""


class _Refused(Exception):
    """One mirror does not give a file, perhaps because it has none."""

    def __init__(self, message: str, is_gone: bool = False) -> None:
        super().__init__(message)
        self.is_gone = is_gone


def _local(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while data := file.read(_CHUNK):
                yield data
    except OSError as error:
        raise _Refused(f"{error.strerror}: {path}", not path.exists()) from None


def _shown(url: str) -> str:
    """An address without its credentials."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def find_mirrors(named: str = "", apt: Path = Path("/etc/apt")) -> Mirrors:
    """The mirrors to ask.

    :param named: of Debian itself; security updates lie beside it, as they do on mirrors.
    :param apt: where apt is configured; where it has no mirror of Debian, deb.debian.org is asked.
    :raises BaseError: what is named is no address.
    """
    if named:
        if urlsplit(named).scheme not in ("http", "https", "file"):
            raise BaseError(f"--mirror {named!r}: write http://..., https://... or file:///...")
        plain = named.rstrip("/")
        beside = re.sub(r"/debian(?=/|$)", "/debian-security", plain)
        return Mirrors({DEBIAN: [plain], SECURITY: [beside]})
    found: dict[str, list[str]] = {DEBIAN: [], SECURITY: []}
    for uri, suite in _sources(apt):
        match = _SUITE.fullmatch(suite)
        archive = SECURITY if match and match["security"] else DEBIAN
        if match and uri not in found[archive]:
            found[archive].append(uri)
    return Mirrors({archive: found[archive] or [_DEFAULTS[archive]] for archive in found})


def _sources(apt: Path) -> Iterator[tuple[str, str]]:
    """URI and suite of all that apt knows as Debian's (sources.list(5))."""
    parts = apt / "sources.list.d"
    for path in (
        *sorted(parts.glob("*.sources")),
        apt / "sources.list",
        *sorted(parts.glob("*.list")),
    ):
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, ValueError):
            continue
        read: Callable[[Iterable[str]], Iterator[tuple[str, str]]]
        read = _deb822 if path.suffix == ".sources" else _one_line
        for uri, suite in read(lines):
            if urlsplit(uri).scheme in ("http", "https", "file", "copy"):
                yield uri, suite


def _deb822(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for stanza in stanzas(lines):
        fields = {name.lower(): value for name, value in stanza.items()}
        words = {name: value.split() for name, value in fields.items()}
        if (
            "deb" in words.get("types", ())
            and "main" in words.get("components", ())
            and fields.get("enabled", "yes").lower() not in ("no", "false")
            and _is_debians(fields.get("signed-by", ""))
        ):
            for uri in words.get("uris", ()):
                for suite in words.get("suites", ()):
                    yield uri, suite


def _one_line(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        found = _ONE_LINE.match(line.partition("#")[0].strip())
        key = _KEY.search((found["options"] or "") if found else "")
        if found and "main" in found[4].split() and _is_debians(key[1] if key else ""):
            yield found["uri"], found["suite"]


def _is_debians(key: str) -> bool:
    """Whether it may be Debian's own: others' archives use the same words, with other keys."""
    return not key or "debian-archive" in key
