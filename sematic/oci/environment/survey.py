"""Reading an environment: which files it has, and which group each belongs to."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence

from sematic.oci.environment.distributions import (
    Distribution,
    distribution_in,
    is_bytecode,
    listed_files,
    read_text,
    stays_out,
)
from sematic.oci.environment.editable import Editables, Owner
from sematic.oci.environment.prefixes import VENV, Prefixes
from sematic.oci.environment.scripts import console_scripts
from sematic.oci.environment.sites import Remembered, SiteFiles, list_site
from sematic.oci.environment.snapshot import (
    Contents,
    Made,
    Part,
    Script,
    Survey,
    list_folder,
)
from sematic.oci.files import LeftOut
from sematic.oci.values import field, mutable

_SHOWN = 5


@mutable
class _Claim:
    """The files of one group, while it is being put together."""

    parts: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    scripts: list[Script] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)

    def add(self, base: str, image: str, path: str) -> None:
        self.parts.setdefault((base, image), []).append(path)

    def contents(
        self, name: str, kind: str, key: str, record: tuple[str, str] | None = None
    ) -> Contents:
        parts = [
            Part(base, image, "\0".join(_sorted(paths)))
            for (base, image), paths in self.parts.items()
        ]
        return Contents.of(name, kind, key, parts, sorted(self.scripts), record, sorted(self.made))


def survey(prefixes: Prefixes, project: str, remembered: Remembered | None = None) -> Survey:
    """Read an environment.

    :param remembered: of its folders; those that look the same are not listed again.
    :raises ProjectError: an editable install that cannot be taken along.
    :raises FileError: a folder cannot be listed.
    """
    return _Surveyor(prefixes, project, remembered or {}).run()


class _Surveyor:
    def __init__(self, prefixes: Prefixes, project: str, remembered: Remembered) -> None:
        self._prefixes = prefixes
        self._remembered = remembered
        self._started = time.time_ns()
        self._editables = Editables(prefixes, project)
        self._found = Survey()
        self._taken: set[str] = set()
        self._listings: dict[str, SiteFiles] = {}

    def run(self) -> Survey:
        found = self._found
        for site in self._prefixes.sites:
            self._listings[site.folder] = list_site(
                site.folder, found, self._started, self._remembered
            )
        kept = list(self._distributions())
        claims = {id(d): self._claim(d) for d in kept}
        # A distribution that lists its files knows better than one that names its packages.
        for distribution in kept:
            found.groups.append(self._group(distribution, claims[id(distribution)]))
        unowned = self._unowned()
        if unowned.count:
            found.groups.append(unowned)
        found.roots = self._editables.roots
        found.inside = sorted(self._editables.inside, key=os.fsencode)
        found.left_out += [LeftOut(p, why, "refused") for p, why in self._editables.refused]
        found.watch.assumed = self._editables.assumed
        for path in self._editables.watched:
            self._watch(path)
        return found

    # What there is

    def _distributions(self) -> Iterator[Distribution]:
        """Each distribution once: the first on sys.path is the one that is imported."""
        first: dict[str, Distribution] = {}
        for site, listing in self._listings.items():
            # Debian's packages may have metadata of both kinds: the one with a RECORD knows more.
            tops = listing.tops
            for top in sorted(tops, key=lambda top: (f"{top}/RECORD" not in tops[top], top)):
                # pip renames with a tilde what it is about to remove, and may leave it behind.
                distribution = None if top.startswith("~") else distribution_in(site, top)
                if distribution is None:
                    continue
                other = first.setdefault(distribution.key, distribution)
                if other is distribution:
                    yield distribution
                else:
                    self._shadow(distribution, other, listing)

    def _shadow(self, hidden: Distribution, first: Distribution, listing: SiteFiles) -> None:
        if (hidden.site, hidden.version) != (first.site, first.version):
            self._found.notes.append(
                f"{hidden.title} in {hidden.site} is left out: "
                f"{first.title} comes first on sys.path"
            )
        self._watch(hidden.metadata("RECORD"))
        shared = set(listed_files(first, {}) or ()) if hidden.site == first.site else set()
        mine = [*(listed_files(hidden, listing.tops) or ()), *listing.tops[hidden.folder]]
        for path in mine:
            if path not in shared:
                listing.files.pop(os.path.normpath(path), None)

    # What belongs to whom

    def _claim(self, distribution: Distribution) -> _Claim:
        """The files of a distribution; nobody else can have them afterwards."""
        listing = self._listings[distribution.site]
        claim = _Claim()
        listed = listed_files(distribution, listing.tops)
        for name in ("RECORD", "installed-files.txt", "top_level.txt", "direct_url.json"):
            self._watch(distribution.metadata(name))
        scripts = console_scripts(distribution.read("entry_points.txt") or "")
        self._watch(distribution.metadata("entry_points.txt"))
        others = self._take_plain(claim, distribution, listing, listed or ())
        importable = bool(claim.parts)
        for path in others:
            if path in listing.files:
                del listing.files[path]
                self._take(claim, distribution, listing.site, path)
                importable |= not path.startswith(distribution.folder + "/")
            elif f"{self._prefixes.library}/{path}" in self._taken:
                importable = True  # another one's as well, which has it
            elif not is_bytecode(path) and path not in listing.tops:
                importable |= self._take_elsewhere(claim, distribution, path, scripts)
        for path in listing.tops[distribution.folder]:
            if path in listing.files:
                del listing.files[path]
                self._take(claim, distribution, listing.site, path)
        named = any(not p.startswith(distribution.folder) for p in listed or ())
        if named and not importable and not claim.made:
            self._found.notes.append(f"{distribution.title}: its files are gone")
        return claim

    def _take_plain(
        self, claim: _Claim, distribution: Distribution, listing: SiteFiles, paths: Sequence[str]
    ) -> list[str]:
        """Take what is but a file in a folder, as most are; the paths of what else there is."""
        metadata = f"{distribution.folder}/"
        files, taken, library = listing.files, self._taken, self._prefixes.library
        plain = {
            path: image
            for path in paths
            if path in files and "/" in path and not path.startswith(metadata)
            if not is_bytecode(path) and (image := f"{library}/{path}") not in taken
        }
        if plain:
            claim.parts[listing.site, library] = [*plain]
        taken.update(plain.values())
        for path in plain:
            del files[path]
        return [path for path in paths if path not in plain and not path.endswith(".pyc")]

    def _take(self, claim: _Claim, distribution: Distribution, site: str, path: str) -> None:
        if stays_out(path, distribution.folder):
            return
        if path == f"{distribution.folder}/direct_url.json" and distribution.is_local:
            return
        image = f"{self._prefixes.library}/{path}"
        if image in self._taken:
            return
        self._taken.add(image)
        if "/" not in path and path.endswith(".pth"):
            owner = Owner(distribution.key, distribution.title, distribution.is_editable)
            self._take_pth(claim, site, path, owner)
        else:
            claim.add(site, self._prefixes.library, path)

    def _take_elsewhere(
        self, claim: _Claim, distribution: Distribution, path: str, scripts: dict[str, str]
    ) -> bool:
        """Take a file that lies outside the distribution's own site folder, if it is there."""
        host = os.path.normpath(os.path.join(distribution.site, path))
        if host.startswith(distribution.site + "/"):
            inner = host[len(distribution.site) + 1 :]
            listing = self._listings[distribution.site]
            if inner in listing.files:
                del listing.files[inner]
                self._take(claim, distribution, distribution.site, inner)
                return True
            return False
        if not os.path.isfile(host):
            return False
        place = self._prefixes.place_really(host)
        if place is None:
            rule = f"outside the environment, though {distribution.title} lists it"
            self._found.left_out.append(LeftOut(host, rule, "refused"))
            return False
        image = f"{place.image}/{place.path}"
        if image in self._taken:
            return False
        self._taken.add(image)
        if place.base in self._listings:
            self._listings[place.base].files.pop(place.path, None)
        if place.image == f"{VENV}/bin":
            self._watch(host)
            if _is_script(host):
                claim.scripts.append(Script(host, image, scripts.get(place.path, "")))
                return True
        claim.add(place.base, place.image, place.path)
        return True

    def _take_pth(self, claim: _Claim, site: str, path: str, owner: Owner) -> None:
        host = f"{site}/{path}"
        text = read_text(host) or ""
        self._watch(host)
        made = self._editables.rewrite(site, text, owner)
        if _lines(made) == _lines(text):
            claim.add(site, self._prefixes.library, path)
        elif made:
            data = made.encode(errors="surrogateescape")
            claim.made.append(Made(f"{self._prefixes.library}/{path}", data))

    def _group(self, distribution: Distribution, claim: _Claim) -> Contents:
        self._add_editable(claim, distribution.key)
        record = None
        if distribution.folder.endswith(".dist-info"):
            path = f"{self._prefixes.library}/{distribution.folder}/RECORD"
            host = distribution.metadata("RECORD")
            if os.path.isfile(host):
                record = (host, path)
        return claim.contents(distribution.title, "distribution", distribution.key, record)

    def _add_editable(self, claim: _Claim, key: str) -> None:
        """Finders go away, and what stands in their place is added."""
        gone = self._editables.gone
        for (base, _), paths in claim.parts.items():
            paths[:] = [path for path in paths if f"{base}/{path}" not in gone]
        claim.made += [Made(path, b"", to) for path, to in self._editables.links.get(key, ())]
        for host, path in self._editables.modules.get(key, ()):
            folder, name = os.path.split(host)
            image, renamed = os.path.split(path)
            if name == renamed:
                claim.add(folder, image, name)
            else:
                self._found.left_out.append(LeftOut(host, f"a module named {renamed}", "refused"))

    def _unowned(self) -> Contents:
        """What no distribution lists, first in the first site folder."""
        claim = _Claim()
        names: list[str] = []
        for site, listing in self._listings.items():
            for path in sorted(listing.files, key=os.fsencode):
                image = f"{self._prefixes.library}/{path}"
                if image in self._taken or stays_out(path) or path.startswith("~"):
                    continue
                self._taken.add(image)
                names.append(path)
                if path.endswith(".egg-link"):
                    self._take_egg_link(claim, f"{site}/{path}")
                elif "/" not in path and path.endswith(".pth"):
                    self._take_pth(claim, site, path, Owner())
                else:
                    claim.add(site, self._prefixes.library, path)
        self._add_editable(claim, "")
        contents = claim.contents("files of no distribution", "unowned", "unowned")
        if contents.count:
            self._found.notes.append(_unowned_note(names))
        return contents

    def _take_egg_link(self, claim: _Claim, host: str) -> None:
        """The metadata of a ``setup.py develop`` install, from the source tree it lies in."""
        self._watch(host)
        folder = (read_text(host) or "").partition("\n")[0].strip()
        stem = os.path.basename(host).removesuffix(".egg-link")
        for name in (f"{stem}.egg-info", f"{stem.replace('-', '_')}.egg-info"):
            listed = list_folder(os.path.join(folder, name))
            for file in listed.split("/") if listed else ():
                claim.add(folder, self._prefixes.library, f"{name}/{file[1:]}")

    def _watch(self, path: str) -> None:
        if path not in self._found.watch.files:
            self._found.watch.watch_file(path, self._started)


def _sorted(paths: list[str]) -> list[str]:
    """In the order of their bytes."""
    if all(map(str.isascii, paths)):
        return sorted(paths)
    return sorted(paths, key=os.fsencode)


def _is_script(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _unowned_note(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"files of no distribution go in as well: {', '.join(names[:_SHOWN])}{more}"
