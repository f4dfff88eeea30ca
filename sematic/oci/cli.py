"""The command ``sematic-oci``. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import gc
import sys

from sematic.oci.folders import cache_path
from sematic.oci.looking import look_file, start
from sematic.oci.options import read_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from sematic.oci.events import Event, Listener
    from sematic.oci.settings import Settings

_LARGE = 4 << 20
"""A layer of more bytes is made as it is sent, not in memory at once."""

# What the commands need is imported when one runs: an environment is looked at meanwhile.


def main(arguments: Sequence[str] | None = None, *, is_alone: bool = False) -> int:
    """Run the command; the exit code: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C.

    :param is_alone: this process does nothing else, and has one thread.
    """
    options = read_options(sys.argv[1:] if arguments is None else arguments)
    command = _COMMANDS[options.command]
    if command in (_push, _plan):
        start(look_file(cache_path(), options.project, "tree"), fork=is_alone)
        if not (options.no_environment or options.requirements):
            start(look_file(cache_path(), options.project, "environment"), fork=is_alone)
    from sematic.oci.commands import perform
    from sematic.oci.errors import OCIError

    comfort = "; the next push carries on" if command is _push else ""
    return perform(
        lambda: command(options),
        "sematic-oci",
        OCIError,
        debug=options.debug,
        interrupted=f"interrupted{comfort}",
    )


def _push(options: argparse.Namespace) -> int:
    from sematic.oci.progress import shown
    from sematic.oci.project import push

    settings = _settings(options)
    notes: list[str] = []
    with shown(options.quiet) as show:
        delivery = push(options.project, settings, listener=_noting(show, notes))
    if options.image_refs:
        _write_reference(options.image_refs, delivery.reference)
    if not options.quiet:
        from sematic.oci.commands import say
        from sematic.oci.report import delivery_text

        say(delivery_text(delivery))
    if options.json:
        from sematic.oci.report import delivery_json

        _print_json(delivery_json(delivery, notes))
    else:
        print(delivery.reference)
    return 0


def _plan(options: argparse.Namespace) -> int:
    from sematic.oci.cache import Cache
    from sematic.oci.places import open_destination
    from sematic.oci.progress import shown
    from sematic.oci.project_image import build_all
    from sematic.oci.report import plan_json, plan_text

    settings = _settings(options)
    cache = Cache()
    with shown(options.quiet) as show:
        built = build_all(options.project, settings, cache=cache, listener=show)
    destination = open_destination(settings.destination(), memo=cache)
    plans = [plan_json(each, destination) for each in built]
    if options.json:
        _print_json(plans if settings.is_index() else plans[0])
    else:
        texts = ["\n".join(plan_text(p, b.left_out)) for p, b in zip(plans, built, strict=True)]
        print("\n\n".join(texts))
    return 0


def _lock(options: argparse.Namespace) -> int:
    from pathlib import Path

    from sematic.oci.cache import Cache
    from sematic.oci.errors import SettingsError
    from sematic.oci.progress import shown
    from sematic.oci.project_image import find_lock

    settings = _settings(options)
    with shown(options.quiet) as show:
        text = find_lock(options.project, settings, cache=Cache(), listener=show)
    path = Path(options.output or Path(options.project, "pylock.toml"))
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror}") from None
    print(path)
    return 0


def _inspect(options: argparse.Namespace) -> int:
    from sematic.oci.base import find_base
    from sematic.oci.cache import Cache
    from sematic.oci.manifest import Platform
    from sematic.oci.places import open_source
    from sematic.oci.reference import parse_reference
    from sematic.oci.report import image_json, image_text

    platform = Platform.parse(options.platform) if options.platform else None
    cache = Cache()
    source = open_source(parse_reference(options.reference), memo=cache)
    image = image_json(find_base(source, cache, platform))
    if options.json:
        _print_json(image)
    else:
        print("\n".join(image_text(image)))
    return 0


def _login(options: argparse.Namespace) -> int:
    from sematic.oci.logins import login

    return login(options)


def _logout(options: argparse.Namespace) -> int:
    from sematic.oci.logins import logout

    return logout(options)


def _base_build(options: argparse.Namespace) -> int:
    from sematic.oci.bases.cli import build

    return build(options)


def _base_lock(options: argparse.Namespace) -> int:
    from sematic.oci.bases.cli import lock

    return lock(options)


def _base_check(options: argparse.Namespace) -> int:
    from sematic.oci.bases.cli import check

    return check(options)


def _cache_info(options: argparse.Namespace) -> int:
    from sematic.oci.cache import Cache
    from sematic.oci.report import size_text

    info = Cache().info()
    print(f"{info.path}: {size_text(info.size)}, {info.layers} layers, {info.values} values")
    return 0


def _cache_prune(options: argparse.Namespace) -> int:
    from sematic.oci.cache import Cache

    days = 0 if options.all else options.days
    print(f"forgot {Cache().prune(days)} things")
    return 0


def _print_json(document: object) -> None:
    import json

    print(json.dumps(document, indent=2))


def _settings(options: argparse.Namespace) -> Settings:
    from pathlib import Path

    from sematic.oci.settings import read_settings

    return read_settings(
        Path(options.project),
        repository=options.to,
        base=options.base,
        platform=options.platform,
        python=options.python,
        environment=False if options.no_environment else None,
        requirements=tuple(options.requirements) or None,
        extras=tuple(options.extra) or None,
        groups=tuple(options.group) or None,
        upgrade=options.upgrade or None,
        env=_pairs(options.env, "--env"),
        labels=_pairs(options.label, "--label"),
        tags=tuple(options.tag),
        compression=options.compression,
        format=options.format,
    )


def _pairs(texts: Sequence[str], option: str) -> Mapping[str, str]:
    from sematic.oci.errors import SettingsError

    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise SettingsError(f"{option} {text!r}: write {option} NAME=VALUE")
        pairs[key] = value
    return pairs


def _write_reference(path: str, reference: str) -> None:
    from sematic.oci.errors import SettingsError

    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"{reference}\n")
    except OSError as error:
        raise SettingsError(
            f"{reference} was pushed, but cannot write --image-refs {path}: {error.strerror}"
        ) from None


def _noting(show: Listener, notes: list[str]) -> Listener:
    from sematic.oci.events import Noticed, Started

    is_small = True

    def listen(event: Event) -> None:
        nonlocal is_small
        if isinstance(event, Noticed):
            notes.append(event.message)
        elif is_small and isinstance(event, Started) and event.size > _LARGE:
            from sematic.oci.memory import give_back_large  # before it has buffers

            is_small = False
            give_back_large()
        show(event)

    return listen


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "push": _push,
    "plan": _plan,
    "lock": _lock,
    "inspect": _inspect,
    "login": _login,
    "logout": _logout,
    "cache info": _cache_info,
    "cache prune": _cache_prune,
    "base build": _base_build,
    "base lock": _base_lock,
    "base check": _base_check,
}


def run() -> None:
    """Run the command and exit."""
    gc.set_threshold(100_000)  # it makes few cycles, and looking for them is a tenth of an edit
    from sematic.oci.commands import leave

    leave(main(is_alone=True))


if __name__ == "__main__":
    run()
