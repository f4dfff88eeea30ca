"""Where the files of an environment lie on this machine, and where in the image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from sematic.oci.environment.interpreter import Interpreter
from sematic.oci.values import frozen

VENV = "sematic/venv"
SOURCE = "sematic/src"
EDITABLE = "sematic/editable"


class Site(NamedTuple):
    """A folder of importable files, as site-packages.

    :param prefix: the folder whose ``bin`` and ``share`` belong to it.
    """

    folder: str
    prefix: str


class Place(NamedTuple):
    """A file below a folder that goes into the image as a whole.

    :param base: the folder on this machine.
    :param image: the same folder in the image.
    :param path: the file, relative to both.
    """

    base: str
    image: str
    path: str


@frozen
class Prefixes:
    """The folders of an environment.

    :param library: where the image's importable files lie.
    """

    sites: tuple[Site, ...]
    library: str

    @classmethod
    def of(cls, interpreter: Interpreter) -> Prefixes:
        sites = [Site(folder, _prefix_of(folder)) for folder in interpreter.site_folders]
        library = f"{VENV}/lib/{interpreter.library}/site-packages"
        return cls(tuple(sites), library)

    def place(self, host: str) -> Place | None:
        """Where a file goes; None for one that lies outside the environment.

        :param host: absolute and normal.
        """
        for folder, image in self._pairs():
            if host.startswith(folder + "/"):
                return Place(folder, image, host[len(folder) + 1 :])
        return None

    def place_really(self, host: str) -> Place | None:
        """The same, by way of links: lib64 may be a link to lib."""
        found = self.place(host)
        if found is None:
            folder, name = os.path.split(host)
            real = Prefixes(tuple(Site(*map(os.path.realpath, s)) for s in self.sites), "")
            place = real.place(os.path.join(os.path.realpath(folder), name))
            if place is not None:
                bases = [pair[0] for pair in real._pairs()]
                folder, image = self._pairs()[bases.index(place.base)]
                return Place(folder, image, place.path)
        return found

    def _pairs(self) -> Sequence[tuple[str, str]]:
        inner = [(site.folder, self.library) for site in self.sites]
        scripts = [(f"{site.prefix}/bin", f"{VENV}/bin") for site in self.sites]
        return inner + scripts + [(site.prefix, VENV) for site in self.sites]


def _prefix_of(site: str) -> str:
    """``/usr`` for ``/usr/lib/python3/dist-packages``: installers think of it in this way too."""
    return os.path.dirname(os.path.dirname(os.path.dirname(site)))
