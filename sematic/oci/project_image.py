"""The ordinary image as a plan: a project's sources and what they need, on a base."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from sematic.oci.base import Base, find_base
from sematic.oci.base_python import (
    PYTHON_LABEL,
    USUAL_PYTHON,
    BasePython,
    cuda_of,
    find_base_python,
    recall_contents,
)
from sematic.oci.cache import Cache
from sematic.oci.check import check_files
from sematic.oci.environment.interpreter import Interpreter
from sematic.oci.environment.notified import looking_again
from sematic.oci.errors import BaseError
from sematic.oci.events import Listener, Noticed, ignore
from sematic.oci.files import FileGroup, LeftOut
from sematic.oci.image import Image
from sematic.oci.layer import Layer
from sematic.oci.looking import look_file, looking
from sematic.oci.manifest import Platform
from sematic.oci.places import Places
from sematic.oci.plan import MOST_LAYERS, LayerPlan, plan_layers
from sematic.oci.project_files import find_project_files, running_python
from sematic.oci.recipes import Recipes
from sematic.oci.reference import parse_reference
from sematic.oci.runtime import SOURCE, WORKER, ImagePython, runtime_environment, runtime_group
from sematic.oci.settings import Settings, read_settings
from sematic.oci.values import frozen, replace

if TYPE_CHECKING:
    from sematic.oci.requirements.environment import Required
    from sematic.oci.requirements.target import Target
    from sematic.oci.wheels.catalogue import Catalogue


@frozen
class Build:
    """An image that can be delivered, and how it came to be.

    :param plans: the layers on top of the base, lowest first.
    :param environment: what went in beside the sources: an interpreter's, or files of requirements.
    :param python: major and minor of the image's interpreter.
    :param left_out: what is in the project and not in the image.
    :param notes: what the user should know.
    :param tell: lets others know of its layers, once they are delivered; whether that was news.
    """

    image: Image
    plans: tuple[LayerPlan, ...]
    environment: str
    python: str
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    tell: Callable[[], bool] = lambda: False

    def layers(self) -> list[tuple[LayerPlan, Layer]]:
        """Every plan with its layer."""
        own = [layer for layer in self.image.layers if isinstance(layer, Layer)]
        return list(zip(self.plans, own, strict=True))


def build(
    project: str | Path,
    settings: Settings | None = None,
    *,
    cache: Cache | None = None,
    places: Places | None = None,
    listener: Listener = ignore,
) -> Build:
    """Plan the image of a project. Nothing is read that is remembered, and nothing is written.

    :param settings: for one platform.
    :raises OCIError: see :mod:`sematic.oci.errors`.
    """
    (built,) = build_all(project, settings, cache=cache, places=places, listener=listener)
    return built


def build_all(
    project: str | Path,
    settings: Settings | None = None,
    *,
    cache: Cache | None = None,
    places: Places | None = None,
    listener: Listener = ignore,
    believes: bool = True,
) -> tuple[Build, ...]:
    """The same for each platform that the settings name. What is the same in all is one layer.

    :param believes: what others say of the layers that wheels become.
    """
    project = Path(project)
    settings = settings or read_settings(project)
    cache = cache or Cache()
    places = places or Places(settings.destination(), memo=cache, listener=listener)
    shared: dict[bytes, Layer] = {}
    each = [replace(settings, platform=name) for name in settings.platforms()]
    return tuple(_build(project, one, cache, places, listener, shared, believes) for one in each)


def _build(
    project: Path,
    settings: Settings,
    cache: Cache,
    places: Places,
    listener: Listener,
    shared: dict[bytes, Layer],
    believes: bool,
) -> Build:
    """:param shared: layers by their fingerprints; those that are made here are added."""
    aside = ThreadPoolExecutor(1, "base")  # the registry answers while files are found
    is_looked_at = settings.environment and not settings.requirements
    installed = look_file(cache.folder, project, "environment") if is_looked_at else None
    own = look_file(cache.folder, project, "tree")
    with looking(own) as tree, looking_again(installed) as environment:
        scanned = min(tree.began, environment.began)
        try:
            asked = aside.submit(_base, settings, cache, places, listener)
            found = find_project_files(project, settings, cache, tree, environment)
            base, python = asked.result()
        finally:
            aside.shutdown(wait=False)
    image_python = _image_python(base, python, found.interpreter, settings)
    platform = base.platform if base else _platform(settings) or Platform.of_host()
    libc = python.libc if python else ""
    catalogue, required = None, None
    if settings.requirements:
        catalogue = _catalogue(settings, places, cache)
        target = _target(image_python.version, platform, python)
        required = _required(settings, target, project, cache, listener, catalogue)
        found = found.with_required(required.groups, required.notes)
    roots = [f"/{SOURCE}", *_source_roots(project, settings)]
    free = MOST_LAYERS - (len(base.layers) if base else 0)
    groups = [runtime_group(image_python, roots), *found.groups]
    plans = plan_layers(groups, min(settings.layers, free))
    runs_on = f"{platform} {image_python.version} {libc}"
    witness = catalogue if believes else None
    recipes = Recipes(settings, runs_on, cache, scanned, witness, shared)
    layers = [recipes.layer(plan) for plan in plans]
    _check(plans, layers, platform, image_python, libc)
    image = _image(base, platform, settings, image_python).append(*layers)
    notes = [*found.notes, *_notes(settings, found.left_out)]
    if base is not None:
        notes += _cuda_notes(base, cache, found.groups)
    built = Build(
        image, plans, found.environment, image_python.version, found.left_out, tuple(notes)
    )
    if catalogue is None or required is None:
        return built
    return replace(built, tell=lambda: _told(built, required, recipes, catalogue))


def find_lock(
    project: str | Path,
    settings: Settings,
    *,
    cache: Cache | None = None,
    listener: Listener = ignore,
) -> str:
    """What a project requires, as a lock file for every platform (PEP 751).

    :raises OCIError: see :mod:`sematic.oci.errors`.
    """
    from sematic.oci.requirements.resolution import Wanted, lock

    cache = cache or Cache()
    one = replace(settings, platform=settings.platforms()[0])
    _, python = _base(one, cache, Places(memo=cache, listener=listener), listener)
    version = python.version if python else running_python()
    answer = lock(Wanted.of(settings), version, Path(project))
    for warning in answer.warnings:
        listener(Noticed(warning))
    return answer.output


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


def _target(version: str, platform: Platform, base: BasePython | None) -> Target:
    """What requirements are resolved for: what the base has, else what most have."""
    from sematic.oci.requirements.target import Target

    if base is None or not base.libc:
        return Target(version, platform)
    return Target(version, platform, base.libc, base.libc_version)


def _required(
    settings: Settings,
    target: Target,
    project: Path,
    cache: Cache,
    listener: Listener,
    catalogue: Catalogue | None,
) -> Required:
    """What the requirements come to."""
    from sematic.oci.requirements.environment import find_required
    from sematic.oci.requirements.resolution import Wanted

    return find_required(Wanted.of(settings), target, project, cache, listener, catalogue)


def _catalogue(settings: Settings, places: Places, cache: Cache) -> Catalogue | None:
    """What others say of wheels where the image goes."""
    from sematic.oci.wheels.catalogue import Catalogue

    repository = places.artifacts(settings.destination())
    return Catalogue(repository, cache) if repository is not None else None


def _told(built: Build, required: Required, recipes: Recipes, catalogue: Catalogue) -> bool:
    """Tell others of the wheels and of the layers that they became."""
    made = {
        recipes.fingerprint(plan): layer.made
        for plan, layer in built.layers()
        if plan.is_of_content and layer.made is not None
    }
    return catalogue.publish(built.python, required.facts(), made)


def _image_python(
    base: Base | None,
    python: BasePython | None,
    interpreter: Interpreter | None,
    settings: Settings,
) -> ImagePython:
    """The image's interpreter: the base's, which must be such that the environment runs on it."""
    if base is None or python is None:
        if interpreter is None:
            return ImagePython(running_python())
        return ImagePython(interpreter.version, abiflags=interpreter.abiflags)
    if interpreter is None or not settings.environment:
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
