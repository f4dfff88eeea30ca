"""The ordinary image: a project's sources and its environment on a base."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sematic.oci.blob import Source
from sematic.oci.cache import Cache
from sematic.oci.delivery import Delivery, deliver
from sematic.oci.errors import FileChanged, LayerChanged, OCIError
from sematic.oci.events import Listener, Noticed, ignore
from sematic.oci.index import Index
from sematic.oci.places import Places
from sematic.oci.previous import Known
from sematic.oci.project_image import Build, build_all
from sematic.oci.reference import ArchiveReference
from sematic.oci.settings import Settings, read_settings
from sematic.oci.values import replace

_TRIES = 3

Check = Callable[[Build], None]


def push(
    project: str | Path = ".",
    settings: Settings | None = None,
    *,
    cache: Cache | None = None,
    places: Places | None = None,
    listener: Listener = ignore,
    check: Check = lambda built: None,
) -> Delivery:
    """Find a project's files, make them an image, deliver it.

    >>> push("examples/quickstart").reference            # doctest: +SKIP
    'oci-layout:/home/me/.local/share/sematic/images/quickstart@sha256:...'

    :param settings: the project's own (:func:`read_settings`) where they are not given.
    :param places: those of an earlier push, to go on with its connections.
    :param check: looks at what is to be delivered, and raises what is wrong with it.
    :raises OCIError: see :mod:`sematic.oci.errors`; nothing can then be seen of the image.
    """
    project = Path(project)
    settings = settings or read_settings(project)
    cache = cache or Cache()
    places = places or Places(settings.destination(), memo=cache, listener=listener)
    believes = True
    for left in reversed(range(_TRIES)):
        try:
            return _push(project, settings, cache, places, listener, check, believes)
        except (FileChanged, LayerChanged) as error:
            if not left:
                raise
            believes = believes and not isinstance(error, LayerChanged)
            listener(Noticed(f"{error}; looking again"))
    raise AssertionError("the last try returns or raises")


def _push(
    project: Path,
    settings: Settings,
    cache: Cache,
    places: Places,
    listener: Listener,
    check: Check,
    believes: bool,
) -> Delivery:
    """:param believes: what others say of layers."""
    destination = places.destination(
        settings.destination(), settings.name, tag=settings.all_tags()[0]
    )
    built = build_all(
        project, settings, cache=cache, places=places, listener=listener, believes=believes
    )
    for note in dict.fromkeys(note for each in built for note in each.notes):
        listener(Noticed(note))
    for each in built:
        check(each)
    known = Known(cache, _previous(settings, places))
    delivery = deliver(
        Index([each.image for each in built]) if settings.is_index() else built[0].image,
        destination,
        settings.all_tags(),
        listener=listener,
        known=known,
    )
    if delivery.sent:
        known.delivered(delivery.digest)
    for each in built:
        _tell(each, listener)
    return delivery


def _tell(built: Build, listener: Listener) -> None:
    """Let others know of wheels and layers: a favour to them, which may fail."""
    try:
        built.tell()
    except OCIError as error:
        listener(Noticed(f"others cannot be told of these layers: {error}"))


def _previous(settings: Settings, places: Places) -> Source | None:
    """The image that the first of the tags stands for until now."""
    reference = settings.destination()
    if isinstance(reference, ArchiveReference):
        return None
    return places.source(replace(reference, tag=settings.all_tags()[0]))
