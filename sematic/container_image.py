"""The image of a run: given, or built and pushed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sematic.config import IMAGE_VARIABLE as VARIABLE
from sematic.config import Project, find_project
from sematic.errors import ConfigurationError
from sematic.oci.errors import OCIError
from sematic.oci.events import Listener, ignore
from sematic.oci.memo import Memo
from sematic.oci.reference import ArchiveReference, RegistryReference, parse_reference
from sematic.oci.values import replace

if TYPE_CHECKING:
    from sematic.oci.project_image import Build


def has_container_image() -> bool:
    """Whether there is an image for a run: given, or to be made as the configuration says.

    It never raises, builds nothing, and asks no registry.
    """
    try:
        if given := os.environ.get(VARIABLE):
            return not isinstance(parse_reference(given), ArchiveReference)
        project = find_project()
        return not isinstance(project.image.destination(), ArchiveReference)
    except Exception:
        return False


def container_image(project: Project, listener: Listener = ignore) -> str:
    """The image of a run, by digest: ``SEMATIC_CONTAINER_IMAGE``, else one that is made now.

    :raises ConfigurationError: it is no image that pods can run.
    :raises OCIError: it cannot be built or pushed.
    """
    if given := os.environ.get(VARIABLE):
        return _by_digest(given)
    if isinstance(project.image.destination(), ArchiveReference):
        raise ConfigurationError(
            f"{project.image.repository}: pods cannot run an archive; "
            "name a registry or an image layout as [tool.sematic] repository"
        )
    from sematic.oci.cache import Cache
    from sematic.oci.project import push

    cache = Cache()
    _check_environment(project, cache)
    settings = replace(project.image, base=project.image.base or "none")  # nothing to be noted

    def check(built: Build) -> None:
        _check_requirements(project, built)

    return push(project.folder, settings, cache=cache, listener=listener, check=check).reference


def _check_requirements(project: Project, built: Build) -> None:
    """Refuse an image from requirements whose pods could not start."""
    if not project.image.requirements or _has_worker(project):
        return
    if not any(group.key == "sematic" for plan in built.plans for group in plan.groups):
        raise ConfigurationError(
            f"{built.environment} does not require sematic, which runs the steps.\nAdd it there."
        )


def _check_environment(project: Project, memo: Memo) -> None:
    """Refuse to make an image whose pods could not start: their worker is part of sematic."""
    from importlib.metadata import Distribution

    from sematic.oci.environment.interpreter import find_interpreter

    settings = project.image
    if not settings.environment or settings.requirements:
        return  # whoever says so has a base with all that is needed, or it is looked at later
    interpreter = find_interpreter(settings.python or None, project.folder, memo)
    folders = [*interpreter.site_folders]
    is_installed = any(Distribution.discover(name="sematic", path=folders))
    if not is_installed and not _has_worker(project):
        raise ConfigurationError(
            f"{interpreter.prefix} goes into the image ({interpreter.chosen}) and has no sematic, "
            "which runs the steps.\n"
            "Install it there, or name another environment as [tool.sematic] python."
        )


def _has_worker(project: Project) -> bool:
    """Whether the project's own sources are sematic's."""
    return any((root / "sematic/resolvers/worker.py").is_file() for root in project.roots())


def _by_digest(given: str) -> str:
    """A given image with the digest of its tag, as far as its registry can be asked from here."""
    try:
        reference = parse_reference(given)
    except OCIError as error:
        raise ConfigurationError(f"{VARIABLE}={given}: {error}") from None
    if isinstance(reference, ArchiveReference):
        raise ConfigurationError(f"{VARIABLE}={given}: pods cannot run an archive")
    if reference.digest:
        return f"{reference.name}@{reference.digest}"
    from sematic.oci.places import open_source

    try:
        digest = open_source(reference).head(reference.tag or "latest")
    except OCIError:
        if isinstance(reference, RegistryReference):
            return str(reference)  # the cluster may reach what this machine does not
        raise
    if digest is None:
        raise ConfigurationError(
            f"{VARIABLE}={given}: there is no such image; push it first, or correct the name"
        )
    return f"{reference.name}@{digest}"
