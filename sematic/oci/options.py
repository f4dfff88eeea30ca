"""The options of the command ``sematic-oci``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    """What is asked for; ``command`` is the name of the command, as ``push`` or ``base build``."""
    first = arguments[0] if arguments else ""
    return _parser(first if first in _COMMANDS else "").parse_args(arguments)


def _parser(only: str = "") -> argparse.ArgumentParser:
    """:param only: the command that is asked for: describing all of them takes 5 ms."""
    parser = _Parser(
        prog="sematic-oci",
        description="Put a Python project and its environment into a container image.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", prog="sematic-oci"
    )
    for name, (about, describe) in _COMMANDS.items():
        if only in ("", name):
            describe(commands.add_parser(name, help=about))
    return parser


def _describe_push(parser: argparse.ArgumentParser) -> None:
    _add_project_options(parser)
    parser.add_argument(
        "--image-refs", metavar="FILE", help="write the image's reference to a file"
    )
    parser.set_defaults(command="push")


def _describe_plan(parser: argparse.ArgumentParser) -> None:
    _add_project_options(parser)
    parser.set_defaults(command="plan")


def _describe_lock(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--output", metavar="FILE", help="default: pylock.toml in the project folder")
    _add_project_options(parser)
    parser.set_defaults(command="lock")


def _describe_inspect(parser: argparse.ArgumentParser) -> None:
    _add_image_options(parser)
    parser.set_defaults(command="inspect")


def _describe_login(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("host", metavar="HOST", help="HOST[:PORT], or HOST[:PORT]/NAMESPACE")
    add("-u", "--username", metavar="NAME", help="asked for if not given")
    add("--password-stdin", action="store_true", help="read it there; do not ask")
    add("-p", "--password", nargs="?", action=_Exposed, help=argparse.SUPPRESS)
    _add_talk_options(parser)
    parser.set_defaults(command="login")


def _describe_logout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST", help="as for login")
    _add_talk_options(parser)
    parser.set_defaults(command="logout")


def _describe_cache(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add = verbs.add_parser("info", help="where it is and how large")
    _add_common_options(add)
    add.set_defaults(command="cache info")
    add = verbs.add_parser("prune", help="forget what is no longer used")
    add.add_argument("--days", type=float, default=30, help="not used for so long (default 30)")
    add.add_argument("--all", action="store_true", help="forget everything")
    _add_common_options(add)
    add.set_defaults(command="cache prune")


def _describe_base(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add = verbs.add_parser("build", help="make one of the project's own from its lock")
    add.add_argument("name", metavar="worker|cuda", help="which")
    add.add_argument("--python", metavar="3.11|3.13", help="its Python (default 3.11)")
    add.add_argument("--platform", metavar="OS/CPU,...", help="default: linux on this CPU")
    add.add_argument("--to", metavar="REF", required=True, help="as for push")
    add.add_argument("--tag", metavar="T", action="append", default=[], help="repeatable")
    add.add_argument("--compression", metavar="ALG[:LEVEL]", help="zstd:9 (default), gzip, ...")
    _add_lock_options(add)
    add.set_defaults(command="base build")

    add = verbs.add_parser("lock", help="lock the packages that there are today")
    _add_lock_options(add)
    add.set_defaults(command="base lock")

    add = verbs.add_parser("check", help="say what an image has as a base")
    _add_image_options(add)
    add.set_defaults(command="base check")


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


class _Parser(argparse.ArgumentParser):
    """Asks how wide the terminal is for help only, not with every option: that imports shutil."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **{**named, "formatter_class": _narrow})

    def format_help(self) -> str:
        self.formatter_class = argparse.HelpFormatter
        return super().format_help()

    def format_usage(self) -> str:
        self.formatter_class = argparse.HelpFormatter
        return super().format_usage()


def _narrow(prog: str) -> argparse.HelpFormatter:
    return argparse.HelpFormatter(prog, width=80)


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


_COMMANDS: Mapping[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "push": ("build the image and deliver it", _describe_push),
    "plan": ("say what push would do", _describe_plan),
    "lock": ("write a pylock.toml of what is required", _describe_lock),
    "inspect": ("say what an image is made of", _describe_inspect),
    "login": ("keep credentials for a registry", _describe_login),
    "logout": ("forget the credentials for a registry", _describe_logout),
    "base": ("base images: made, locked, checked", _describe_base),
    "cache": ("what this machine remembers", _describe_cache),
}
