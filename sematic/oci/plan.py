"""Which file goes into which layer.

Packing depends on names and sizes, and as little as can be on what else there is, so that one
change is one layer:

- a distribution has a layer of its own; where there are too many, the small ones share the layers
  that are left, each chosen by a hash of its name;
- source files share layers with those of about their size, so that an edit sends kilobytes;
- what is least likely to change lies lowest.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Sequence

from sematic.oci.errors import SettingsError
from sematic.oci.files import FileEntry, FileGroup, GroupKind
from sematic.oci.values import frozen, replace

MOST_LAYERS = 127
"""Layers that a container engine can stack (overlayfs in Docker and containerd)."""

BUDGET = 80
_LARGE_DISTRIBUTION = 1 << 20
_LARGE_FILE = 1 << 20
_LARGE_FOLDER = 256 << 10
_LARGE_TREE = 16 << 20
_FILE_KEY = "file:"
_HEADER = 512
"""Bytes of a tar for each entry, beside its content."""

_LAYER_COST = 2000
"""Bytes of source, of which a quarter is sent, that are as much as a layer costs every edit: some
250 in manifest and config, and what a layer more costs who pulls (docs/design.md).
"""
_LEAST_SOURCE = 32 << 10
"""Bytes of source that are worth a layer, however often they are edited."""

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


def tree_groups(folders: Sequence[FileGroup], root: str, name: str = "") -> list[FileGroup]:
    """Groups of a source tree: each file; in a large tree a folder's own files, if they are few.

    No more entries are made than are needed.

    :param folders: named by their paths relative to the tree's root.
    :param root: where the tree lies in the image.
    :param name: what stands before the names of its folders; nothing for the project itself.
    """
    small = [folder for folder in folders if folder.size < _LARGE_FILE]
    large = [e for folder in folders if folder.size >= _LARGE_FILE for e in folder.entries()]
    size = sum(folder.size for folder in small)
    most = _whole_folder(size + sum(e.size for e in large if e.size < _LARGE_FILE))
    whole = [folder for folder in small if folder.size <= most]
    entries = [e for folder in small if folder.size > most for e in folder.entries()]
    if name:
        titles = [_title(name, "" if f.name == "." else f.name, "") for f in whole]
        whole = [replace(f, name=t, key=t) for f, t in zip(whole, titles, strict=True)]
    return [*whole, *_divided([*entries, *large], root, name, most)]


def _whole_folder(size: int) -> int:
    """The most bytes of a folder that is not divided, in a tree of a size: none in a small one.

    In a very large one a fraction of a layer, which changes seldom as the tree grows.
    """
    if size <= _LARGE_TREE:
        return -1
    return min(_LARGE_FILE, max(_LARGE_FOLDER, 1 << size.bit_length() >> 9))


def _divided(entries: Sequence[FileEntry], root: str, name: str, most: int) -> list[FileGroup]:
    """:param most: bytes of a folder that is not divided."""
    folders: dict[str, list[FileEntry]] = {}
    groups: list[FileGroup] = []
    for entry in entries:
        folder = entry.path if entry.kind == "folder" else os.path.dirname(entry.path)
        if entry.size >= _LARGE_FILE:
            title = _title(name, entry.path, root)
            groups.append(FileGroup.of(title, "source", f"{_FILE_KEY}{title}", [entry]))
        else:
            folders.setdefault(folder, []).append(entry)
    for folder, inside in folders.items():
        title = _title(name, folder, root)
        if sum(entry.size for entry in inside) <= most:
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
    """Each alone; of more than there are layers for only the largest, and the rest by name."""
    groups = sorted(groups, key=_largest_first)
    alone = groups
    if len(groups) > budget:
        large = [group for group in groups if group.size >= _LARGE_DISTRIBUTION]
        alone = large[: budget - max(1, budget // 4)]
    packs = _hashed(groups[len(alone) :], budget - len(alone))
    plans = [LayerPlan(group.name, (group,)) for group in alone]
    return plans + [_shared("distributions", pack) for pack in packs]


def _sources(groups: Sequence[FileGroup], budget: int) -> list[LayerPlan]:
    """Large files lowest; above them the others, those of a size together."""
    large = sorted((g for g in groups if g.key.startswith(_FILE_KEY)), key=_largest_first)
    alone = large[: budget // 4]
    names = {group.key for group in alone}
    rest = [group for group in groups if group.key not in names]
    plans = [LayerPlan(f"source {group.name}", (group,)) for group in alone]
    return plans + [_shared("source", pack) for pack in _by_size(rest, budget - len(alone))]


def _by_size(groups: Iterable[FileGroup], most: int) -> list[list[FileGroup]]:
    """Packs of groups whose files are of about one size, the largest first.

    An edit sends the pack that its file is in. Most files are small, and would be sent with large
    ones that are edited less often, byte for byte. That a file is edited is taken to be as likely
    as the root of its size is large. Then a class of files costs least in as many packs as the root
    of its bytes, times the share of edits that hit it, by the cost of a layer.
    """
    classes: dict[int, list[FileGroup]] = {}
    for group in sorted(groups, key=_magnitude):
        classes.setdefault(_magnitude(group), []).append(group)
    while len(classes) > most:
        least, next_one, *_ = classes
        classes[next_one] += classes.pop(least)
    counts = _counts(list(classes.values()), most)
    packs = [_hashed(each, count) for each, count in zip(classes.values(), counts, strict=True)]
    return [pack for each in reversed(packs) for pack in each]


def _magnitude(group: FileGroup) -> int:
    """The class of a group by the mean size of its files: 0 below 2 KiB, 1 below 8, 2 below 32."""
    return ((group.size // group.count >> 11).bit_length() + 1) // 2


def _counts(classes: Sequence[Iterable[FileGroup]], most: int) -> list[int]:
    """How many packs each class has, which are at most so many in all."""
    sizes = [sum(map(_tar_size, groups)) for groups in classes]
    edits = [sum(map(_edits, groups)) for groups in classes]
    wanted = [
        min(math.sqrt(size * edit / sum(edits) / _LAYER_COST), size / _LEAST_SOURCE)
        for size, edit in zip(sizes, edits, strict=True)
    ]
    shrink = min(1.0, most / max(1.0, sum(wanted)))
    counts = [max(1, round(count * shrink)) for count in wanted]
    while sum(counts) > most:
        counts[counts.index(max(counts))] -= 1
    return counts


def _tar_size(group: FileGroup) -> int:
    return group.size + _HEADER * group.count


def _edits(group: FileGroup) -> int:
    """How likely an edit is, of as many files as the group has, each of the mean size."""
    return math.isqrt(_tar_size(group) * group.count)


def _hashed(groups: Iterable[FileGroup], count: int) -> list[list[FileGroup]]:
    """Groups in so many packs, each in the one that a hash of its key says.

    Of one pack more only one is divided, and all others stay as they are (linear hashing).
    """
    packs: dict[int, list[FileGroup]] = {}
    for group in groups:
        digest = hashlib.sha256(os.fsencode(group.key)).digest()
        power = 1 << (count.bit_length() - 1)
        slot = int.from_bytes(digest[:8], "big") % (2 * power)
        packs.setdefault(slot if slot < count else slot - power, []).append(group)
    return [packs[slot] for slot in sorted(packs)]


def _shared(word: str, groups: Sequence[FileGroup]) -> LayerPlan:
    """A layer of several groups: ``source app/api and 3 more``."""
    first, *others = sorted({group.name for group in groups})
    more = f" and {len(others)} more" if others else ""
    return LayerPlan(f"{word} {first}{more}", _by_key(groups))


def _largest_first(group: FileGroup) -> tuple[int, str]:
    return -group.size, group.key


def _by_key(groups: Iterable[FileGroup]) -> tuple[FileGroup, ...]:
    return tuple(sorted(groups, key=lambda group: os.fsencode(group.key)))
