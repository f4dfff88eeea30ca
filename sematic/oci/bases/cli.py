"""The commands ``sematic-oci base build``, ``base lock`` and ``base check``."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from sematic.oci.base import find_base
from sematic.oci.base_check import check_base, check_text
from sematic.oci.bases.build import Origin, base_image
from sematic.oci.bases.lock import lock_names, locks_folder, read_lock
from sematic.oci.bases.locking import lock_cuda, lock_worker
from sematic.oci.bases.mirrors import find_mirrors
from sematic.oci.bases.recipes import DEFAULT_PYTHON, PLATFORMS, SUITES, Recipe, recipe
from sematic.oci.bases.store import Store
from sematic.oci.bases.wheels import WheelIndex, index_url
from sematic.oci.cache import PACKAGES, Cache
from sematic.oci.commands import say
from sematic.oci.compression import Compression
from sematic.oci.delivery import Delivery, deliver
from sematic.oci.errors import LayerChanged
from sematic.oci.events import Listener, Noticed
from sematic.oci.image import Image
from sematic.oci.index import Index
from sematic.oci.manifest import Platform
from sematic.oci.places import Places
from sematic.oci.progress import shown
from sematic.oci.reference import parse_reference
from sematic.oci.report import delivery_json, delivery_text

_TRIES = 3
_COMPRESSION = "zstd:9"  # a base is made once and pulled often


def build(options: argparse.Namespace) -> int:
    """``base build``: the reference by digest on stdout."""
    recipes = _recipes(options)
    with shown(options.quiet) as show, tempfile.TemporaryDirectory(prefix="sematic-") as scratch:
        delivery = _deliver(options, recipes, Path(scratch), show)
    if not options.quiet:
        say(delivery_text(delivery))
    print(json.dumps(delivery_json(delivery, ()), indent=2) if options.json else delivery.reference)
    return 0


def _deliver(
    options: argparse.Namespace, recipes: list[Recipe], scratch: Path, show: Listener
) -> Delivery:
    cache = Cache()
    target = parse_reference(options.to)
    origin = Origin(
        find_mirrors(options.mirror or ""),
        WheelIndex(index_url()),
        Store(cache.folder / PACKAGES),
        show,
    )
    compression = Compression.parse(options.compression or _COMPRESSION)
    folder = _locks(options)
    images = []
    for each in recipes:
        own = scratch / each.platform.architecture
        own.mkdir()
        lock = read_lock(each, folder)
        images.append(base_image(each, lock, origin, own, cache, compression))
    made: Image | Index = images[0] if len(images) == 1 else Index(images)
    places = Places(target, memo=cache, listener=show)
    tags = [target.tag or "latest", *options.tag]
    for _ in range(_TRIES - 1):
        try:
            return deliver(made, places.destination(target, options.name), tags, listener=show)
        except LayerChanged as error:  # it is remembered of another version of this code
            show(Noticed(f"{error}; once more"))
    return deliver(made, places.destination(target, options.name), tags, listener=show)


def lock(options: argparse.Namespace) -> int:
    """``base lock``: every lock anew, and the files that changed on stdout."""
    folder = _locks(options)
    folder.mkdir(parents=True, exist_ok=True)
    mirrors, index = find_mirrors(options.mirror or ""), WheelIndex(index_url())
    texts: dict[str, str] = {}
    with shown(options.quiet) as show:
        for python in SUITES:
            for platform, locked in lock_worker(python, PLATFORMS, mirrors, show).items():
                texts[lock_names(Recipe("worker", python, platform))[0]] = locked.text()
        for platform in PLATFORMS:
            name = lock_names(Recipe("cuda", DEFAULT_PYTHON, platform))[1]
            texts[name] = lock_cuda(platform, index).text()
    for name, text in texts.items():
        path = folder / name
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(path)
    return 0


def check(options: argparse.Namespace) -> int:
    """``base check``: exit code 1 if the image cannot be a base."""
    platform = Platform.parse(options.platform) if options.platform else None
    cache = Cache()
    with shown(options.quiet) as show:
        source = Places(memo=cache, listener=show).source(parse_reference(options.reference))
        found = check_base(find_base(source, cache, platform), cache, show)
    print(json.dumps(found.to_dict(), indent=2) if options.json else "\n".join(check_text(found)))
    return 0 if found.is_base else 1


def _recipes(options: argparse.Namespace) -> list[Recipe]:
    texts = [text.strip() for text in (options.platform or "").split(",") if text.strip()]
    platforms = [Platform.parse(text) for text in texts] or [Platform.of_host()]
    return [
        recipe(options.name, options.python or DEFAULT_PYTHON, platform) for platform in platforms
    ]


def _locks(options: argparse.Namespace) -> Path:
    return Path(options.locks) if options.locks else locks_folder()
