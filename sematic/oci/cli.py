"""The command ``sematic-oci``. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import argparse
import gc
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sematic.oci.commands import leave, perform, say
from sematic.oci.environment.looking import look_file, start
from sematic.oci.errors import OCIError, SettingsError
from sematic.oci.folders import cache_folder

if TYPE_CHECKING:
    from sematic.oci.events import Event, Listener
    from sematic.oci.settings import Settings

# What the commands need is imported when one runs: an environment is looked at meanwhile.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    if command in (_push, _plan) and not (options.no_environment or options.requirements):
        start(look_file(cache_folder(), options.project))
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
        from sematic.oci.report import delivery_text

        say(delivery_text(delivery))
    if options.json:
        from sematic.oci.report import delivery_json

        print(json.dumps(delivery_json(delivery, notes), indent=2))
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
        print(json.dumps(plans if settings.is_index() else plans[0], indent=2))
    else:
        texts = ["\n".join(plan_text(p, b.left_out)) for p, b in zip(plans, built, strict=True)]
        print("\n\n".join(texts))
    return 0


def _lock(options: argparse.Namespace) -> int:
    from sematic.oci.cache import Cache
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
    print(json.dumps(image, indent=2) if options.json else "\n".join(image_text(image)))
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


def _settings(options: argparse.Namespace) -> Settings:
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
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise SettingsError(f"{option} {text!r}: write {option} NAME=VALUE")
        pairs[key] = value
    return pairs


def _write_reference(path: str, reference: str) -> None:
    try:
        Path(path).write_text(f"{reference}\n", encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"{reference} was pushed, but cannot write --image-refs {path}: {error.strerror}"
        ) from None


def _noting(show: Listener, notes: list[str]) -> Listener:
    from sematic.oci.events import Moved, Noticed

    is_small = True

    def listen(event: Event) -> None:
        nonlocal is_small
        if isinstance(event, Noticed):
            notes.append(event.message)
        elif is_small and isinstance(event, Moved) and event.fraction < 1:
            from sematic.oci.memory import give_back_large

            is_small = False
            give_back_large()
        show(event)

    return listen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sematic-oci",
        description="Put a Python project and its environment into a container image.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    add = commands.add_parser("push", help="build the image and deliver it")
    _add_project_options(add)
    add.add_argument("--image-refs", metavar="FILE", help="write the image's reference to a file")
    add.set_defaults(command=_push)

    add = commands.add_parser("plan", help="say what push would do")
    _add_project_options(add)
    add.set_defaults(command=_plan)

    add = commands.add_parser("lock", help="write a pylock.toml of what is required")
    add.add_argument("--output", metavar="FILE", help="default: pylock.toml in the project folder")
    _add_project_options(add)
    add.set_defaults(command=_lock)

    add = commands.add_parser("inspect", help="say what an image is made of")
    _add_image_options(add)
    add.set_defaults(command=_inspect)

    add = commands.add_parser("login", help="keep credentials for a registry")
    add.add_argument("host", metavar="HOST", help="HOST[:PORT], or HOST[:PORT]/NAMESPACE")
    add.add_argument("-u", "--username", metavar="NAME", help="asked for if not given")
    add.add_argument("--password-stdin", action="store_true", help="read it there; do not ask")
    add.add_argument("-p", "--password", nargs="?", action=_Exposed, help=argparse.SUPPRESS)
    _add_talk_options(add)
    add.set_defaults(command=_login)

    add = commands.add_parser("logout", help="forget the credentials for a registry")
    add.add_argument("host", metavar="HOST", help="as for login")
    _add_talk_options(add)
    add.set_defaults(command=_logout)

    _add_base_commands(commands.add_parser("base", help="base images: made, locked, checked"))

    cache = commands.add_parser("cache", help="what this machine remembers")
    verbs = cache.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add = verbs.add_parser("info", help="where it is and how large")
    _add_common_options(add)
    add.set_defaults(command=_cache_info)
    add = verbs.add_parser("prune", help="forget what is no longer used")
    add.add_argument("--days", type=float, default=30, help="not used for so long (default 30)")
    add.add_argument("--all", action="store_true", help="forget everything")
    _add_common_options(add)
    add.set_defaults(command=_cache_prune)
    return parser


def _add_base_commands(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add = verbs.add_parser("build", help="make one of the project's own from its lock")
    add.add_argument("name", metavar="worker|cuda", help="which")
    add.add_argument("--python", metavar="3.11|3.13", help="its Python (default 3.11)")
    add.add_argument("--platform", metavar="OS/CPU,...", help="default: linux on this CPU")
    add.add_argument("--to", metavar="REF", required=True, help="as for push")
    add.add_argument("--tag", metavar="T", action="append", default=[], help="repeatable")
    add.add_argument("--compression", metavar="ALG[:LEVEL]", help="zstd:9 (default), gzip, ...")
    _add_lock_options(add)
    add.set_defaults(command=_base_build)

    add = verbs.add_parser("lock", help="lock the packages that there are today")
    _add_lock_options(add)
    add.set_defaults(command=_base_lock)

    add = verbs.add_parser("check", help="say what an image has as a base")
    _add_image_options(add)
    add.set_defaults(command=_base_check)


def _add_image_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("reference", metavar="REF", help="a registry's image or oci-layout:DIR[:TAG]")
    add("--platform", metavar="OS/CPU", help="which image of an index")
    _add_common_options(parser)


def _add_lock_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--mirror", metavar="URL", help="of Debian (default: that of this machine's apt)")
    add("--locks", metavar="DIR", help="where the lock files are (default: the project's own)")
    _add_common_options(parser)


def _add_project_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("project", metavar="PROJECT", nargs="?", default=".", help="project folder (default .)")
    add(
        "--to",
        metavar="REF",
        help="HOST[:PORT]/REPO[:TAG], oci-layout:DIR[:TAG] or archive:FILE (default: "
        "[tool.sematic] repository, then SEMATIC_REPOSITORY, then a layout in the data folder)",
    )
    add("--base", metavar="REF", help="image to append to, or none")
    add(
        "--platform",
        metavar="OS/CPU[,...]",
        help="as linux/amd64 (default: the base's or this CPU); several with --requirements",
    )
    add("--python", metavar="PATH", help="interpreter whose environment goes in")
    add("--no-environment", action="store_true", help="leave the installed distributions out")
    add(
        "--requirements",
        metavar="FILE",
        action="append",
        default=[],
        help="requirements.txt, pylock.toml, uv.lock, poetry.lock or pyproject.toml: what goes in "
        "in place of an environment (repeatable)",
    )
    add("--extra", metavar="NAME", action="append", default=[], help="of a pyproject.toml or lock")
    add("--group", metavar="NAME", action="append", default=[], help="of dependencies, likewise")
    add("--upgrade", action="store_true", help="resolve requirements anew")
    add("--env", metavar="K=V", action="append", default=[], help="set a variable in the image")
    add("--label", metavar="K=V", action="append", default=[], help="set a label")
    add("--tag", metavar="T", action="append", default=[], help="tag the image (repeatable)")
    add("--compression", metavar="ALG[:LEVEL]", help="zstd (default) or gzip")
    add("--format", choices=("oci", "docker"), help="manifest format (default oci)")
    _add_common_options(parser)


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="JSON on stdout")
    _add_talk_options(parser)


def _add_talk_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--quiet", action="store_true", help="only errors on stderr")
    add("--debug", action="store_true", help="every request on stderr; tracebacks of errors")


class _Exposed(argparse.Action):
    """An option that is refused, without a word of its value."""

    def __call__(self, parser: argparse.ArgumentParser, *given: object) -> None:
        parser.error(
            "a password is no argument, since everybody on this machine can read those: "
            "pipe it in with --password-stdin, or be asked for it"
        )


def _version() -> str:
    from sematic import __version__

    return f"sematic-oci {__version__}"


def run() -> None:
    """Run the command and exit."""
    gc.set_threshold(100_000)  # it makes few cycles, and looking for them is a tenth of an edit
    leave(main())


if __name__ == "__main__":
    run()
