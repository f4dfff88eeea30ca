"""The files of site folders. What looks as it did when it was listed is not listed again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeAlias

from sematic.oci.environment.snapshot import Survey, file_stamp, list_folder, listing_hash
from sematic.oci.errors import FileError
from sematic.oci.files import Stamp, settled
from sematic.oci.values import mutable

Remembered: TypeAlias = Mapping[str, "tuple[Stamp, str]"]
"""Folders, what they looked like, and the names that were in them."""


@mutable
class SiteFiles:
    """The files of a site folder.

    :param files: paths relative to it; those that a group has taken are gone.
    :param tops: the same by the first name of the path, complete.
    """

    site: str
    files: dict[str, None]
    tops: dict[str, list[str]]


def list_site(site: str, found: Survey, started: int, remembered: Remembered) -> SiteFiles:
    """List a site folder; what was seen on the way is added to the survey.

    :param started: when reading began (ns).
    :raises FileError: a folder cannot be listed.
    """
    listing = SiteFiles(site, {}, {})
    folders = found.watch.folders.setdefault(site, [])
    stamps = found.watch.stamps.setdefault(site, [])
    hashes = found.watch.listings.setdefault(site, [])
    texts = found.names.setdefault(site, [])
    stack: list[tuple[str, tuple[str, ...]]] = [("", ())]
    while stack:
        path, linked = stack.pop()
        host = f"{site}/{path}" if path else site
        stamp = file_stamp(host)
        known = remembered.get(host)
        names = known[1] if known and known[0] == stamp else list_folder(host)
        if stamp is None or names is None:
            raise FileError(f"cannot list {host}/, a folder of the environment")
        folders.append(path or ".")
        stamps.append(settled(stamp, started))
        hashes.append(listing_hash(names))
        texts.append(names)
        inner = f"{path}/" if path else ""
        files = []
        for name in names.split("/") if names else ():
            if name[0] == "f":
                files.append(inner + name[1:])
            elif name[0] == "d":
                stack.append((inner + name[1:], linked))
            else:
                kind, behind = _followed(f"{host}/{name[1:]}", linked)
                if kind == "d":
                    stack.append((inner + name[1:], behind))
                elif kind == "f":
                    files.append(inner + name[1:])
        listing.files.update(dict.fromkeys(files))
        if path and files:
            listing.tops.setdefault(path.partition("/")[0], []).extend(files)
        elif files:
            listing.tops.update({file: [file] for file in files})
    return listing


def _followed(host: str, linked: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """What a link leads to, and the folders that lie behind the links on the way."""
    if os.path.isfile(host):
        return "f", linked
    real = os.path.realpath(host)
    around = f"{os.path.realpath(os.path.dirname(host))}/"
    if not os.path.isdir(real) or real in linked or around.startswith(f"{real}/"):
        return "", linked
    return "d", (*linked, real)
