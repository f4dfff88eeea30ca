"""The ordinary image: a project's sources and its environment on a base."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from sematic.oci.base import Base, find_base
from sematic.oci.base_python import (
    PYTHON_LABEL,
    USUAL_PYTHON,
    BasePython,
    cuda_of,
    find_base_python,
    recall_contents,
)
from sematic.oci.blob import Source
from sematic.oci.cache import Cache
from sematic.oci.check import check_files
from sematic.oci.compression import Compression
from sematic.oci.delivery import Delivery, deliver
from sematic.oci.environment.groups import Environment, find_environment
from sematic.oci.environment.interpreter import Interpreter, find_interpreter
from sematic.oci.environment.looking import Looking, look_file, looking
from sematic.oci.errors import BaseError, FileChanged, LayerChanged
from sematic.oci.events import Listener, Noticed, ignore
from sematic.oci.files import FileGroup, LeftOut
from sematic.oci.image import Image
from sematic.oci.layer import Layer, Made
from sematic.oci.manifest import Platform
from sematic.oci.places import Places
from sematic.oci.plan import MOST_LAYERS, LayerPlan, plan_layers, source_groups
from sematic.oci.previous import Known
from sematic.oci.reference import ArchiveReference, parse_reference
from sematic.oci.runtime import SOURCE, WORKER, ImagePython, runtime_environment, runtime_group
from sematic.oci.settings import Settings, read_settings
from sematic.oci.tar import source_date_epoch
from sematic.oci.tree.walk import find_tree

_RECIPE = b"3"
"""Counted up whenever the same files are to become another layer than before."""

_TRIES = 3

_EDITED = 1 << 20
_EDITED_LEVEL = 8
"""Of zstd, for source layers of up to so many bytes: each edit sends one of them again."""


@dataclass(frozen=True, slots=True)
class Build:
    """An image that can be delivered, and how it came to be.

    :param plans: the layers on top of the base, lowest first.
    :param left_out: what is in the project and not in the image.
    :param notes: what the user should know.
    """

    image: Image
    plans: tuple[LayerPlan, ...]
    interpreter: Interpreter
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]

    def layers(self) -> list[tuple[LayerPlan, Layer]]:
        """Every plan with its layer."""
        own = [layer for layer in self.image.layers if isinstance(layer, Layer)]
        return list(zip(self.plans, own, strict=True))


def push(
    project: str | Path = ".",
    settings: Settings | None = None,
    *,
    cache: Cache | None = None,
    places: Places | None = None,
    listener: Listener = ignore,
) -> Delivery:
    """Find a project's files, make them an image, deliver it.

    >>> push("examples/quickstart").reference            # doctest: +SKIP
    'oci-layout:/home/me/.local/share/sematic/images/quickstart@sha256:...'

    :param settings: the project's own (:func:`read_settings`) where they are not given.
    :param places: those of an earlier push, to go on with its connections.
    :raises OCIError: see :mod:`sematic.oci.errors`; nothing can then be seen of the image.
    """
    project = Path(project)
    settings = settings or read_settings(project)
    cache = cache or Cache()
    places = places or Places(settings.destination(), memo=cache, listener=listener)
    for _ in range(_TRIES - 1):
        try:
            return _push(project, settings, cache, places, listener)
        except (FileChanged, LayerChanged) as error:
            listener(Noticed(f"{error}; looking again"))
    return _push(project, settings, cache, places, listener)


def _push(
    project: Path, settings: Settings, cache: Cache, places: Places, listener: Listener
) -> Delivery:
    built = build(project, settings, cache=cache, places=places, listener=listener)
    for note in built.notes:
        listener(Noticed(note))
    return deliver(
        built.image,
        places.destination(settings.destination(), settings.name),
        settings.all_tags(),
        listener=listener,
        known=Known(cache, _previous(settings, places)),
    )


def _previous(settings: Settings, places: Places) -> Source | None:
    """The image that the first of the tags stands for until now."""
    reference = settings.destination()
    if isinstance(reference, ArchiveReference):
        return None
    return places.source(replace(reference, tag=settings.all_tags()[0]))


def build(
    project: str | Path,
    settings: Settings | None = None,
    *,
    cache: Cache | None = None,
    places: Places | None = None,
    listener: Listener = ignore,
) -> Build:
    """Plan the image of a project. Nothing is read that is remembered, and nothing is written.

    :raises OCIError: see :mod:`sematic.oci.errors`.
    """
    project = Path(project)
    settings = settings or read_settings(project)
    cache = cache or Cache()
    places = places or Places(settings.destination(), memo=cache, listener=listener)
    aside = ThreadPoolExecutor(1, "base")  # the registry answers while files are found
    listed = look_file(cache.folder, project) if settings.environment else None
    with looking(listed) as beside:
        scanned = beside.began
        try:
            asked = aside.submit(_base, settings, cache, places, listener)
            found = _find(project, settings, cache, beside)
            base, python = asked.result()
        finally:
            aside.shutdown(wait=False)
    image_python = _image_python(base, python, found.interpreter, settings)
    platform = base.platform if base else _platform(settings) or Platform.of_host()
    roots = [f"/{SOURCE}", *_source_roots(project, settings)]
    free = MOST_LAYERS - (len(base.layers) if base else 0)
    groups = [runtime_group(image_python, roots), *found.groups]
    plans = plan_layers(groups, min(settings.layers, free))
    runs_on = f"{platform} {image_python.version} {python.libc if python else ''}"
    layers = [_layer(plan, settings, runs_on, cache, scanned) for plan in plans]
    _check(plans, layers, platform, image_python, python.libc if python else "")
    image = _image(base, platform, settings, image_python).append(*layers)
    notes = [*found.notes, *_notes(settings, found.left_out)]
    if base is not None:
        notes += _cuda_notes(base, cache, found.groups)
    return Build(image, plans, found.interpreter, found.left_out, tuple(notes))


@dataclass(frozen=True, slots=True)
class _Found:
    """The files of a project and of its environment."""

    interpreter: Interpreter
    groups: tuple[FileGroup, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def _find(project: Path, settings: Settings, cache: Cache, beside: Looking) -> _Found:
    """The environment, the project, and source trees of editable installs outside it."""
    interpreter = find_interpreter(settings.python or None, project, cache)
    tree = find_tree(
        project, SOURCE, include=settings.include, exclude=settings.exclude, memo=cache
    )
    environment = Environment((), (), (), ())
    if settings.environment:
        environment = find_environment(interpreter, project=project, memo=cache, beside=beside)
    groups = [*environment.groups, *source_groups(tree.entries, SOURCE)]
    left_out = [*tree.left_out]
    there = {entry.path for entry in tree.entries}
    notes = [
        f"{folder} is needed by an editable install, but rules leave it out of the image"
        for folder in environment.inside
        if folder not in ("", ".") and f"{SOURCE}/{folder}" not in there
    ]
    for root in environment.roots:
        tree = find_tree(root.folder, root.prefix, memo=cache)
        groups += source_groups(tree.entries, root.prefix, root.name)
        left_out += [LeftOut(f"{root.name}: {o.path}", o.rule, o.weight) for o in tree.left_out]
    return _Found(
        interpreter,
        tuple(groups),
        (*left_out, *environment.left_out),
        (*environment.notes, *notes),
    )


def _base(
    settings: Settings, cache: Cache, places: Places, listener: Listener
) -> tuple[Base | None, BasePython | None]:
    if settings.base in ("", "none"):
        return None, None
    source = places.source(parse_reference(settings.base))
    base = find_base(source, cache, _platform(settings))
    return base, find_base_python(base, cache, listener)


def _platform(settings: Settings) -> Platform | None:
    return Platform.parse(settings.platform) if settings.platform else None


def _image_python(
    base: Base | None, python: BasePython | None, interpreter: Interpreter, settings: Settings
) -> ImagePython:
    """The image's interpreter: the base's, which must be such that the environment runs on it."""
    if base is None or python is None:
        return ImagePython(interpreter.version, abiflags=interpreter.abiflags)
    if not settings.environment:
        return ImagePython(python.version, python.path)
    own = f"{interpreter.implementation} {interpreter.version}{interpreter.abiflags}"
    if own != f"cpython {python.version}":
        raise BaseError(
            f"base image {base.name} has Python {python.version}, and the environment of "
            f"{interpreter.executable} is for Python {interpreter.version}"
            f"{interpreter.abiflags} ({interpreter.implementation}).\n"
            "Name an environment of the base's version with --python, or another base with --base."
        )
    return ImagePython(python.version, python.path)


def _source_roots(project: Path, settings: Settings) -> Iterable[str]:
    """Folders of the project that go on sys.path: those named, else src if it is no package."""
    if settings.source_roots:
        return [f"/{SOURCE}/{root.strip('/')}" for root in settings.source_roots]
    source = project / "src"
    if source.is_dir() and not (source / "__init__.py").exists():
        return [f"/{SOURCE}/src"]
    return []


def _layer(plan: LayerPlan, settings: Settings, runs_on: str, cache: Cache, scanned: int) -> Layer:
    """:param runs_on: what the files were checked against."""
    compression = _compression(plan, settings)
    facts = f"{source_date_epoch()} {compression} {runs_on}".encode()
    fingerprint = hashlib.blake2b(
        b"\0".join((_RECIPE, facts, plan.fingerprint)), digest_size=16
    ).digest()

    def keep(made: Made) -> None:
        cache.remember_layer(fingerprint, made, compression, scanned)

    return Layer(
        plan.name,
        plan.entries,
        compression=compression,
        format=settings.format,
        made=cache.layer(fingerprint, plan.newest),
        keep=keep,
        size=plan.size,
    )


def _compression(plan: LayerPlan, settings: Settings) -> Compression:
    chosen = settings.chosen_compression()
    is_edited = plan.kind == "source" and plan.size <= _EDITED
    if is_edited and not settings.compression and chosen.algorithm == "zstd":
        return replace(chosen, level=_EDITED_LEVEL)
    return chosen


def _check(
    plans: Sequence[LayerPlan],
    layers: Sequence[Layer],
    platform: Platform,
    python: ImagePython,
    libc: str,
) -> None:
    """Check what has not been checked before: the groups of layers that are not remembered."""
    groups = [
        group
        for plan, layer in zip(plans, layers, strict=True)
        if layer.made is None
        for group in plan.groups
    ]
    check_files(groups, platform, python.version, libc)


def _image(base: Base | None, platform: Platform, settings: Settings, python: ImagePython) -> Image:
    image = Image(platform, base, format=settings.format)
    return image.configured(
        env={**runtime_environment(image.environment()), **settings.env},
        labels={**_python_label(base, python), **settings.labels},
        entrypoint=[f"/{WORKER}"],
        working_dir=f"/{SOURCE}",
    ).annotated({"org.opencontainers.image.title": settings.name})


def _python_label(base: Base | None, python: ImagePython) -> dict[str, str]:
    """What an image that takes this one for its base must know, where the label can say it."""
    if base is None or python.path != USUAL_PYTHON:
        return {}
    return {PYTHON_LABEL: python.version}


def _cuda_notes(base: Base, cache: Cache, groups: Iterable[FileGroup]) -> Iterable[str]:
    """What is said where CUDA would be in the image twice."""
    own = [group.name for group in groups if group.key.startswith("nvidia-")]
    there = cuda_of(base, recall_contents(base, cache)) if own else ()
    if there:
        yield (
            f"CUDA is in the image twice: the base has {', '.join(there)}, the environment "
            f"{', '.join(own)}; what comes with the environment is used. "
            "A base without CUDA (worker) spares that."
        )


def _notes(settings: Settings, left_out: Sequence[LeftOut]) -> Iterable[str]:
    if not settings.base:
        yield "no base: the image has no interpreter of its own; name one with --base to run it"
    secrets = [item.path for item in left_out if item.weight == "secret"]
    if secrets:
        yield f"left out, as they look like credentials: {', '.join(secrets)}"
    for item in left_out:
        if item.weight == "refused":
            yield f"left out {item.path}: {item.rule}"
