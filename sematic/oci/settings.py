"""Settings: arguments, then ``[tool.sematic]`` in pyproject.toml, then SEMATIC_* variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sematic.oci.compression import Compression
from sematic.oci.errors import ProjectError, SettingsError
from sematic.oci.folders import data_folder
from sematic.oci.manifest import Format, Platform
from sematic.oci.plan import BUDGET, FEWEST_LAYERS, MOST_LAYERS
from sematic.oci.reference import LayoutReference, Reference, check_tag, parse_reference
from sematic.oci.toml import parse_toml
from sematic.oci.values import field, frozen, names, replace


@frozen
class Settings:
    """How a project becomes an image, and where it goes.

    :param name: the project's own name, for people and for the default destination.
    :param repository: where the image goes: ``HOST/REPOSITORY[:TAG]``, ``oci-layout:DIR[:TAG]``
        or ``archive:FILE``; empty for an image layout in the user's data folder.
    :param base: what it is appended to: a registry's or a layout's reference; empty or ``none``
        for nothing.
    :param platform: ``linux/amd64``; empty for the base's, or linux on this machine's CPU;
        several, divided by commas, for an index of images.
    :param python: interpreter or virtual environment that goes in; empty to find one.
    :param environment: whether the installed distributions go in at all.
    :param requirements: files that say what goes in, in place of what is installed; relative to
        the current folder.
    :param extras: of a pyproject.toml or a lock file among them.
    :param groups: of dependencies, likewise.
    :param upgrade: resolve requirements anew, though a resolution is remembered.
    :param include: gitignore patterns of files that go in whatever other rules say.
    :param exclude: gitignore patterns of files that do not.
    :param source_roots: folders of the project that go on ``sys.path``, beside itself.
    :param tags: in addition to the repository's own.
    :param compression: ``zstd``, ``gzip``, either with ``:LEVEL``; empty for what suits.
    :param format: ``oci`` or ``docker``.
    :param layers: the most layers that are put on top of the base.
    """

    name: str = "project"
    repository: str = ""
    base: str = ""
    platform: str = ""
    python: str = ""
    environment: bool = True
    requirements: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    upgrade: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    source_roots: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    compression: str = ""
    format: Format = "oci"
    layers: int = BUDGET

    def __post_init__(self) -> None:
        if self.format not in ("oci", "docker"):
            raise SettingsError(f"format {self.format!r}: write oci or docker")
        if not FEWEST_LAYERS <= self.layers <= MOST_LAYERS:
            raise SettingsError(f"layers is {self.layers}: give {FEWEST_LAYERS} to {MOST_LAYERS}")
        if self.requirements and (self.python or not self.environment):
            raise SettingsError(
                "either requirements go into the image or an environment (--python): name one"
            )
        if self.compression:
            Compression.parse(self.compression)
        for name in self.platforms():
            if name:
                Platform.parse(name)
        if self.is_index() and not self.requirements:
            raise SettingsError(
                f"an environment is for one platform, and {self.platform} are several: name the "
                "files that say what is required with --requirements"
            )
        for tag in self.tags:
            check_tag(tag)

    def platforms(self) -> tuple[str, ...]:
        """The platforms, one by one; one empty text where none is named."""
        return tuple(dict.fromkeys(name.strip() for name in self.platform.split(",")))

    def is_index(self) -> bool:
        """Whether it becomes an index of images for several platforms."""
        return len(self.platforms()) > 1

    def destination(self) -> Reference:
        """Where the image goes, without its tag.

        :raises InvalidReference: the repository is none.
        """
        reference = self._reference()
        if getattr(reference, "digest", ""):
            raise SettingsError(f"{reference}: the digest of an image comes out, it is not given")
        return replace(reference, tag="")

    def all_tags(self) -> tuple[str, ...]:
        """The tags that shall stand for the image: ``latest``, where none is asked for."""
        own = self._reference().tag
        tags = dict.fromkeys(([own] if own else []) + list(self.tags))
        return tuple(tags) or ("latest",)

    def chosen_compression(self) -> Compression:
        """zstd, but gzip for Docker's format, and for archives, which every Docker can load.

        :raises SettingsError: zstd for Docker's format, which has none.
        """
        plain = self.format == "docker" or self.repository.startswith("archive:")
        chosen = Compression.parse(self.compression or ("gzip" if plain else "zstd"))
        if self.format == "docker" and chosen.algorithm != "gzip":
            raise SettingsError("the docker format knows gzip only; use --format oci for zstd")
        return chosen

    def _reference(self) -> Reference:
        if self.repository:
            return parse_reference(self.repository)
        return LayoutReference(str(data_folder() / "images" / self.name))


def read_settings(project: Path, **arguments: Any) -> Settings:
    """The settings of a project.

    :param arguments: what was given on the spot; wins where it is not None. ``env``, ``labels``
        and ``tags`` are added to the project's own.
    :raises ProjectError: the folder is not there, or its pyproject.toml cannot be read.
    :raises SettingsError: a setting that does not exist or means nothing.
    """
    if not project.is_dir():
        what = "is a file" if project.exists() else "does not exist"
        raise ProjectError(f"project folder {project} {what}; name the folder of the sources")
    document = _pyproject(project)
    values = _checked(project, document.get("tool", {}).get("sematic", {}))
    values.setdefault("name", document.get("project", {}).get("name") or project.resolve().name)
    values["name"] = _repository_word(str(values["name"]))
    values.setdefault("repository", os.environ.get("SEMATIC_REPOSITORY", ""))
    values["requirements"] = _requirements(project, values, arguments)
    for key, value in arguments.items():
        if value is None:
            continue
        if key in ("env", "labels"):
            values[key] = {**values.get(key, {}), **value}
        elif key == "tags":
            values[key] = (*values.get(key, ()), *value)
        else:
            values[key] = value
    return Settings(**values)


def _requirements(
    project: Path, values: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[str, ...]:
    """The project's requirements files, where no environment is asked for on the spot."""
    if arguments.get("python") or arguments.get("environment") is False:
        return ()
    if values.get("requirements"):
        return tuple(str(project / path) for path in values["requirements"])
    named = os.environ.get("SEMATIC_REQUIREMENTS", "")
    return tuple(path.strip() for path in named.split(",") if path.strip())


def read_table(project: Path, name: str) -> dict[str, Any]:
    """The table ``[tool.sematic.NAME]``, empty if there is none: settings of others than these.

    :raises ProjectError: the pyproject.toml cannot be read.
    :raises SettingsError: it is no table.
    """
    table = _pyproject(project).get("tool", {}).get("sematic", {}).get(name, {})
    if not isinstance(table, dict):
        raise SettingsError(f"{project / 'pyproject.toml'}: [tool.sematic.{name}] is no table")
    return table


def _pyproject(project: Path) -> dict[str, Any]:
    path = project / "pyproject.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"cannot read {path}: {error}") from None
    try:
        return parse_toml(text)
    except ValueError as error:
        raise ProjectError(f"{path} is not TOML: {error}") from None


_TABLES_OF_OTHERS = ("pipelines",)
_TYPES: dict[str, type] = {"str": str, "bool": bool, "int": int, "Format": str}


def _checked(project: Path, table: Any) -> dict[str, Any]:
    """The values of ``[tool.sematic]`` under the names of :class:`Settings`."""
    where = f"{project / 'pyproject.toml'}: [tool.sematic]"
    if not isinstance(table, dict):
        raise SettingsError(f"{where} is no table")
    known = {name.replace("_", "-"): name for name in names(Settings)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key in _TABLES_OF_OTHERS:
            continue
        if key not in known:
            import difflib

            close = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
            raise SettingsError(f"{where} has {key!r}, which is no setting: {hint}")
        kind = Settings.__annotations__[known[key]]
        values[known[key]] = _value(f"{where} {key}", kind, value)
    return values


def _value(where: str, kind: str, value: Any) -> Any:
    if kind.startswith("tuple"):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise SettingsError(f"{where} is {value!r}: give a list of strings")
        return tuple(value)
    if kind.startswith("Mapping"):
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise SettingsError(f"{where} is {value!r}: give a table of strings")
        return value
    if type(value) is not _TYPES[kind]:
        raise SettingsError(f"{where} is {value!r}: give a {_TYPES[kind].__name__}")
    return value


def _repository_word(name: str) -> str:
    """A name as a repository can have it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "project"
