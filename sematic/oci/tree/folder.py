"""One folder of a tree that is walked: which of its names go in, and what is left out."""

from __future__ import annotations

import os
import stat
from typing import Any

from sematic.oci.errors import FileError
from sematic.oci.files import FileEntry, LeftOut, stamp_of
from sematic.oci.tree.decisions import IN, KEY, Decisions
from sematic.oci.tree.ignore import Rules, Scope, Verdict
from sematic.oci.tree.links import Link, Region, judge, special
from sematic.oci.tree.listing import Listing
from sematic.oci.tree.rules import PRIVATE_KEY, secret_on_way
from sematic.oci.values import frozen


@frozen
class Folder:
    """A folder that is to be listed.

    :param host: where it lies on this machine.
    :param path: relative to the tree's root; empty for the root.
    :param placed: in the image.
    :param scope: the ignore files of the folders above it.
    :param hidden: it is left out; only what an include pattern matches goes in.
    """

    host: str
    path: str
    placed: str
    scope: Scope
    regions: tuple[Region, ...]
    verdict: Verdict = IN
    hidden: bool = False

    def path_of(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def placed_of(self, name: str) -> str:
        return f"{self.placed}/{name}" if self.placed else name

    def takes(self, verdict: Verdict) -> bool:
        """Whether a name in it goes in."""
        return verdict.inside and (verdict.forced or not self.hidden)


class Taken:
    """What has been taken of a folder.

    :param scope: the ignore files that count in it.
    """

    def __init__(self, folder: Folder, scope: Scope, rules: Rules, decisions: Decisions) -> None:
        self._folder = folder
        self._scope = scope
        self._rules = rules
        self._decisions = decisions
        self.names = ""
        """Of files that go in whatever they hold, with NULs between."""
        self.entries: list[FileEntry] = []
        """Of all else that goes in, but folders."""
        self.folders: list[Folder] = []
        """Those that are to be listed next."""
        self.left_out: list[LeftOut] = []

    def take(self, listing: Listing) -> None:
        """Everything that goes in.

        :raises FileError: something cannot be looked at.
        """
        folder = self._folder
        decided = self._decisions.of(folder.path, self._scope, folder.verdict.forced, listing)
        self.names = "" if folder.hidden else listing.joined
        if decided:
            verdicts = {w: IN if parts is None else Verdict(*parts) for w, parts in decided.items()}
            for word, verdict in verdicts.items():
                self._take(word[0], word[1:], verdict)
            files = {word[1:]: verdict for word, verdict in verdicts.items() if word[0] == "f"}
            names = [] if folder.hidden else [n for n in listing.files if n not in files]
            names += [n for n, v in files.items() if folder.takes(v) and not n.endswith(KEY)]
            self.names = "\0".join(names)

    def leave_out(self, path: str, rule: str, weight: Any = "rule") -> None:
        # What lies in a folder that is itself left out has been told already; what an include
        # pattern asked for and cannot go in has not.
        if not self._folder.hidden or weight == "refused":
            self.left_out.append(LeftOut(path, rule, weight))

    def _take(self, kind: str, name: str, verdict: Verdict) -> None:
        """A name that a rule may be about."""
        path = self._folder.path_of(name)
        if not verdict.inside:
            self.leave_out(path + "/" if kind == "d" else path, verdict.rule, verdict.weight)
        if kind == "d":
            self._take_folder(name, path, verdict)
        elif self._folder.takes(verdict):
            if kind == "l":
                self._take_link(name, path, verdict)
            elif kind == "s" or name.endswith(KEY):
                self._take_file(name, path)

    def _take_folder(self, name: str, path: str, verdict: Verdict) -> None:
        folder = self._folder
        takes = folder.takes(verdict)
        if takes or verdict.reached or self._may_hold_more(path, verdict):
            self._enter(f"{folder.host}/{name}", name, folder.regions, verdict, not takes)

    def _may_hold_more(self, path: str, verdict: Verdict) -> bool:
        return self._folder.hidden and verdict.inside and self._rules.reaches(os.fsencode(path))

    def _enter(
        self, host: str, name: str, regions: tuple[Region, ...], verdict: Verdict, hidden: bool
    ) -> None:
        place = self._folder.path_of(name), self._folder.placed_of(name)
        self.folders.append(Folder(host, *place, self._scope, regions, verdict, hidden))

    def _take_file(self, name: str, path: str, status: os.stat_result | None = None) -> None:
        host = f"{self._folder.host}/{name}"
        try:
            status = status or os.lstat(host)
        except FileNotFoundError:
            return
        except OSError as error:
            raise FileError(f"cannot look at {host}: {error.strerror}") from None
        if not stat.S_ISREG(status.st_mode):
            self.leave_out(path, special(status.st_mode), "refused")
        elif name.endswith(KEY) and self._is_private(host, path, status):
            self.leave_out(path, PRIVATE_KEY, "secret")
        else:
            placed = self._folder.placed_of(name)
            self.entries.append(FileEntry.from_stat(placed, host, status))

    def _take_link(self, name: str, path: str, verdict: Verdict) -> None:
        folder = self._folder
        try:
            link = judge(f"{folder.host}/{name}", path, folder.regions)
        except FileNotFoundError:
            return
        if link.fate == "link":
            self.entries.append(FileEntry.link(folder.placed_of(name), link.text))
        elif link.fate == "refused":
            self.leave_out(path, link.text, "refused")
        elif self._leads_to_secret(link, path):
            self.leave_out(path, f"secret: a link to {link.text}", "secret")
        elif link.fate == "file":
            self._take_file(name, path, link.status)
        elif self._rules.names(os.fsencode(path)):
            regions = (*folder.regions, Region(link.text, path))
            self._enter(link.text, name, regions, verdict, False)
        else:
            rule = (
                f"a link to a folder outside the project: {link.text}; "
                "name it in [tool.sematic] include to have it copied"
            )
            self.leave_out(path, rule, "refused")

    def _leads_to_secret(self, link: Link, path: str) -> bool:
        if self._rules.names_exactly(os.fsencode(path)):
            return False
        return secret_on_way(os.fsencode(link.text)) is not None

    def _is_private(self, host: str, path: str, status: os.stat_result) -> bool:
        """Whether a .pem file holds a private key that no include pattern asks for by name."""
        if self._rules.names_exactly(os.fsencode(path)):
            return False
        return self._decisions.is_key(path, stamp_of(status), lambda: _content(host))


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 22)
    except OSError as error:
        raise FileError(f"cannot read {path}, which may be a key: {error.strerror}") from None
