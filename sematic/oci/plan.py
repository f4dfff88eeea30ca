"""Which file goes into which layer.

Packing depends on names and not on what else there is, so that one change is one layer:

- a large distribution has a layer of its own; the others share a fixed number of layers, each
  chosen by a hash of its name;
- source files share layers in the same way, so that an edit sends kilobytes again;
- what is least likely to change lies lowest.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Sequence

from sematic.oci.errors import SettingsError
from sematic.oci.files import FileEntry, FileGroup, GroupKind
from sematic.oci.values import frozen

MOST_LAYERS = 127
"""Layers that a container engine can stack (overlayfs in Docker and containerd)."""

BUDGET = 56
_LARGE_DISTRIBUTION = 4 << 20
_LARGE_FILE = 1 << 20
_LARGE_FOLDER = 256 << 10
_LARGE_TREE = 16 << 20
_FILE_KEY = "file:"
_SOURCE_LAYERS = (1, 2, 4, 8, 16, 32, 64)
"""Few counts, so that a project that grows is seldom packed anew."""

_SOURCE_LAYER = 64 << 10
_LAYER_WEIGHT = 4 << 10
"""With as many layers as each of them has this number of bytes, an edit sends about as much of a
layer as of manifest and config, which name all of them. Pulls pay for layers too: docs/design.md.
"""

_ORDER: tuple[GroupKind, ...] = ("runtime", "distribution", "unowned", "source")

FEWEST_LAYERS = len(_ORDER)
"""One of each kind."""


@frozen
class LayerPlan:
    """One layer to be: its name and the groups that go into it.

    :param fingerprint: differs whenever anything in it may differ; needs no reading.
    :param newest: the latest mtime or ctime (ns) of its files.
    """

    name: str
    groups: tuple[FileGroup, ...]

    @property
    def kind(self) -> GroupKind:
        return self.groups[0].kind

    @property
    def size(self) -> int:
        return sum(group.size for group in self.groups)

    @property
    def count(self) -> int:
        return sum(group.count for group in self.groups)

    @property
    def newest(self) -> int:
        return max(group.newest for group in self.groups)

    @property
    def is_of_content(self) -> bool:
        """Whether its fingerprint tells of content alone, and so is the same on every machine."""
        return self.kind == "distribution" and not self.newest

    @property
    def is_portable(self) -> bool:
        """Whether there is nothing in it that runs on one platform only."""
        return all(group.is_portable for group in self.groups)

    @property
    def fingerprint(self) -> bytes:
        return b"".join(group.fingerprint for group in self.groups)

    def entries(self) -> Iterable[FileEntry]:
        """What goes in, with every folder on the way there.

        An engine that makes folders of its own accord does so with modes of its own choice.
        """
        folders: set[str] = set()
        for group in self.groups:
            for entry in group.entries():
                folder = os.path.dirname(entry.path)
                while folder and folder not in folders:
                    folders.add(folder)
                    yield FileEntry.folder(folder)
                    folder = os.path.dirname(folder)
                yield entry


def plan_layers(groups: Iterable[FileGroup], budget: int = BUDGET) -> tuple[LayerPlan, ...]:
    """Pack groups into at most ``budget`` layers, lowest first.

    :raises SettingsError: the budget is too small for what there is.
    """
    if budget < FEWEST_LAYERS:
        raise SettingsError(
            f"only {budget} layers are left above the base, and {FEWEST_LAYERS} are the least: "
            f"images have at most {MOST_LAYERS}, so take a base with fewer"
        )
    by_kind: dict[GroupKind, list[FileGroup]] = {kind: [] for kind in _ORDER}
    for group in groups:
        by_kind[group.kind].append(group)
    free = budget - 2  # one layer each for runtime and unowned
    sources = max(1, free * 3 // 5)
    plans = [
        _together("runtime", by_kind["runtime"]),
        *_distributions(by_kind["distribution"], free - sources),
        _together("files of no distribution", by_kind["unowned"]),
        *_sources(by_kind["source"], sources),
    ]
    return tuple(plan for plan in plans if plan is not None)


def source_groups(entries: Sequence[FileEntry], root: str, name: str = "") -> list[FileGroup]:
    """Groups of a source tree: each file; in a large tree a folder's own files, if they are few.

    :param root: where the tree lies in the image.
    :param name: what stands before the names of its folders; nothing for the project itself.
    """
    folders: dict[str, list[FileEntry]] = {}
    groups: list[FileGroup] = []
    is_large = sum(e.size for e in entries if e.size < _LARGE_FILE) > _LARGE_TREE
    for entry in entries:
        folder = entry.path if entry.kind == "folder" else os.path.dirname(entry.path)
        if entry.size >= _LARGE_FILE:
            title = _title(name, entry.path, root)
            groups.append(FileGroup.of(title, "source", f"{_FILE_KEY}{title}", [entry]))
        else:
            folders.setdefault(folder, []).append(entry)
    for folder, inside in folders.items():
        title = _title(name, folder, root)
        if is_large and sum(entry.size for entry in inside) <= _LARGE_FOLDER:
            groups.append(FileGroup.of(title, "source", title, inside))
        else:
            groups += [FileGroup.of(title, "source", entry.path, [entry]) for entry in inside]
    return groups


def _title(name: str, path: str, root: str) -> str:
    relative = path[len(root) :].strip("/")
    return "/".join(part for part in (name, relative) if part) or "."


def _together(name: str, groups: Sequence[FileGroup]) -> LayerPlan | None:
    return LayerPlan(name, _by_key(groups)) if groups else None


def _distributions(groups: Sequence[FileGroup], budget: int) -> list[LayerPlan]:
    """The largest alone, as far as there are layers for half of the budget; the rest by name."""
    shared = max(1, budget // 2)
    large = sorted((g for g in groups if g.size >= _LARGE_DISTRIBUTION), key=_largest_first)
    alone = large[: budget - shared]
    names = {group.key for group in alone}
    rest = [group for group in groups if group.key not in names]
    return [LayerPlan(g.name, (g,)) for g in alone] + _packed("distributions", rest, shared)


def _sources(groups: Sequence[FileGroup], budget: int) -> list[LayerPlan]:
    """Large files lowest; the folders above them, by name."""
    large = sorted((g for g in groups if g.key.startswith(_FILE_KEY)), key=_largest_first)
    alone = large[: budget // 4]
    names = {group.key for group in alone}
    rest = [group for group in groups if group.key not in names]
    size = sum(group.size for group in rest)
    wanted = min(size / _SOURCE_LAYER, math.sqrt(size / _LAYER_WEIGHT))
    counts = [count for count in _SOURCE_LAYERS if count <= max(1, budget - len(alone))]
    shared = next((count for count in counts if count >= wanted), counts[-1])
    return [LayerPlan(f"source {g.name}", (g,)) for g in alone] + _packed("source", rest, shared)


def _packed(word: str, groups: Sequence[FileGroup], count: int) -> list[LayerPlan]:
    """Groups in so many layers, each group in the one that the hash of its key says."""
    packs: dict[int, list[FileGroup]] = {}
    for group in groups:
        digest = hashlib.sha256(os.fsencode(group.key)).digest()
        packs.setdefault(int.from_bytes(digest[:8], "big") % count, []).append(group)
    return [LayerPlan(_names(word, packs[i]), _by_key(packs[i])) for i in sorted(packs)]


def _names(word: str, groups: Sequence[FileGroup]) -> str:
    """``source app/api, app/models and 3 more``."""
    names = sorted({group.name for group in groups})
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{word} {shown}"


def _largest_first(group: FileGroup) -> tuple[int, str]:
    return -group.size, group.key


def _by_key(groups: Iterable[FileGroup]) -> tuple[FileGroup, ...]:
    return tuple(sorted(groups, key=lambda group: os.fsencode(group.key)))
