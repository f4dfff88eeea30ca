"""Names of images: in a registry, in an image layout on disk, in an archive file."""

from __future__ import annotations

import os
import re
from typing import Union

from sematic.oci.errors import InvalidReference
from sematic.oci.manifest import is_digest
from sematic.oci.values import frozen

# distribution-spec, "Pulling manifests": <name> and <reference>.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_HOST = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
)

DOCKER_HUB = "docker.io"


@frozen
class RegistryReference:
    """``HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]``."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The repository with its host, without tag or digest."""
        return f"{self.host}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return self.name + tag + digest


@frozen
class LayoutReference:
    """``oci-layout:DIR[:TAG][@DIGEST]``: an OCI image layout on this machine."""

    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        return f"oci-layout:{self.path}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return self.name + tag + digest


@frozen
class ArchiveReference:
    """``archive:FILE[:TAG]``: one tar file that holds an image."""

    path: str
    tag: str = ""

    @property
    def name(self) -> str:
        return f"archive:{self.path}"

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "")


Reference = Union[RegistryReference, LayoutReference, ArchiveReference]


def parse_reference(text: str) -> Reference:
    """Read the name of an image wherever it may lie.

    >>> parse_reference("registry.example.com/team/app:v1").repository
    'team/app'
    >>> parse_reference("oci-layout:build/image:v1")
    LayoutReference(path='build/image', tag='v1', digest='')
    >>> str(parse_reference("python:3.11-slim"))
    'docker.io/library/python:3.11-slim'

    :raises InvalidReference: what is wrong with it, and how one looks.
    """
    scheme, _, rest = text.partition(":")
    if scheme in ("oci-layout", "archive"):
        return _parse_path(text, scheme, rest)
    return _parse_registry(text)


def check_tag(tag: str) -> str:
    """The tag itself.

    :raises InvalidReference: no registry would take it.
    """
    if not _TAG.fullmatch(tag):
        raise InvalidReference(
            f"{tag!r} is no tag: up to 128 letters, digits, '_', '.' and '-', "
            "the first of them a letter, digit or '_'"
        )
    return tag


def check_registry(place: str) -> str:
    """The place itself: ``HOST[:PORT]``, or ``HOST[:PORT]/NAMESPACE`` for a part of it.

    :raises InvalidReference: no reference to an image begins so.
    """
    host, slash, namespace = place.partition("/")
    is_host = _names_host(host) and _HOST.fullmatch(host)
    if not is_host or (slash and not _REPOSITORY.fullmatch(namespace)):
        raise InvalidReference(
            f"{re.sub('.*@', '...@', place)!r} is no registry: write HOST[:PORT], or "
            "HOST[:PORT]/NAMESPACE for a part of it.\n"
            "A HOST has a dot or a port, or is localhost; Docker Hub is docker.io."
        )
    return place


def _names_host(text: str) -> bool:
    """Whether the first part of a reference is a host, and not Docker Hub's namespace."""
    return "." in text or ":" in text or text == "localhost" or text.startswith("[")


def _parse_path(text: str, scheme: str, rest: str) -> LayoutReference | ArchiveReference:
    path, digest = _split_digest(text, rest)
    tag = ""
    before, colon, after = path.rpartition(":")
    if colon and before and "/" not in after and _TAG.fullmatch(after):
        path, tag = before, after
    if not path or "\0" in path:
        raise InvalidReference(f"{text!r} names no path: write {scheme}:PATH or {scheme}:PATH:TAG")
    path = os.path.expanduser(path)
    if scheme == "oci-layout":
        return LayoutReference(path, tag, digest)
    if digest:
        raise InvalidReference(
            f"{text!r}: an archive holds one image and is named without a digest"
        )
    return ArchiveReference(path, tag)


def _parse_registry(text: str) -> RegistryReference:
    rest, digest = _split_digest(text, text.removeprefix("docker://"))
    first, slash, remainder = rest.partition("/")
    if slash and _names_host(first):
        host, path = first, remainder
    else:
        host, path = DOCKER_HUB, rest
    repository, colon, tag = path.partition(":")
    if host == "index.docker.io":
        host = DOCKER_HUB
    if host == DOCKER_HUB and "/" not in repository and repository:
        repository = f"library/{repository}"
    if not _HOST.fullmatch(host):
        raise InvalidReference(f"{text!r}: {host!r} is no registry host")
    if not _REPOSITORY.fullmatch(repository) or len(repository) > 255:
        raise InvalidReference(
            f"{text!r} is no image reference: {repository!r} is no repository name (lower-case "
            "letters, digits, single '.', '_', '-' between them, parts divided by '/').\n"
            "Write HOST[:PORT]/REPOSITORY[:TAG], oci-layout:DIR[:TAG] or archive:FILE."
        )
    if colon:
        try:
            check_tag(tag)
        except InvalidReference as error:
            raise InvalidReference(f"{text!r}: {error}") from None
    return RegistryReference(host, repository, tag, digest)


def _split_digest(text: str, rest: str) -> tuple[str, str]:
    name, at, digest = rest.rpartition("@")
    if not at:
        return rest, ""
    if is_digest(digest):
        return name, digest
    if re.match(r"[a-z0-9+._-]+:", digest) and not text.startswith(("oci-layout:", "archive:")):
        raise InvalidReference(
            f"{text!r}: {digest!r} is no digest (sha256:<64 hexadecimal digits>)"
        )
    return rest, ""
