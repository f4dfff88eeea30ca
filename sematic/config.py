"""Settings of runs: arguments, then SEMATIC_* variables, then ``[tool.sematic.pipelines]``."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from sematic.errors import ConfigurationError
from sematic.oci.errors import OCIError
from sematic.oci.folders import data_folder
from sematic.oci.reference import RegistryReference, parse_reference
from sematic.oci.settings import Settings, read_settings, read_table

TABLE = "pipelines"
IMAGE_VARIABLE = "SEMATIC_CONTAINER_IMAGE"
PLACES = ("kubernetes", "podman", "local")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Where runs are, and what their pods may do.

    :param pods: ``kubernetes``, ``podman`` or ``local``; empty for what the image suggests.
    :param store: the URL of the store of inputs and outcomes; empty for what suits.
    :param namespace: of the cluster; empty for the context's.
    :param context: of the kubeconfig; empty for the current one.
    :param service_account: of all pods; empty for the namespace's default.
    :param image_pull_secrets: names of secrets that the cluster pulls the image with.
    :param share_registry_login: make such a secret, for each run, of the launcher's own login.
    """

    pods: str = ""
    store: str = ""
    namespace: str = ""
    context: str = ""
    service_account: str = ""
    image_pull_secrets: tuple[str, ...] = ()
    share_registry_login: bool = False

    def __post_init__(self) -> None:
        if self.pods not in ("", *PLACES):
            raise ConfigurationError(f"pods is {self.pods!r}: write {', '.join(PLACES)}")


_VARIABLES = {
    "pods": "SEMATIC_PODS",
    "store": "SEMATIC_STORE",
    "namespace": "SEMATIC_NAMESPACE",
    "context": "SEMATIC_KUBE_CONTEXT",
    "service_account": "SEMATIC_SERVICE_ACCOUNT",
    "image_pull_secrets": "SEMATIC_IMAGE_PULL_SECRETS",
    "share_registry_login": "SEMATIC_SHARE_REGISTRY_LOGIN",
}


@dataclass(frozen=True, slots=True)
class Project:
    """The project that a run belongs to: where its sources are, how it becomes an image.

    :param folder: of its sources.
    """

    folder: Path
    image: Settings
    runs: RunSettings

    def roots(self) -> list[Path]:
        """Folders that are on ``sys.path`` in its image."""
        named = self.image.source_roots or ("src",)
        return [self.folder, *(self.folder / root for root in named)]

    def expected_image(self) -> str:
        """The image that is given, or where the project's own goes when it is made.

        :raises ConfigurationError: the image's settings mean nothing.
        """
        try:
            given = os.environ.get(IMAGE_VARIABLE)
            return str(parse_reference(given) if given else self.image.destination())
        except OCIError as error:
            raise ConfigurationError(str(error)) from error

    def whereabouts(self) -> RunSettings:
        """Where runs of the project are, as far as that can be said without making its image.

        :raises ConfigurationError: the image's settings mean nothing.
        """
        return self.settled(self.expected_image())

    def settled(self, image: str) -> RunSettings:
        """The settings of a run of an image: what they do not say is what the image suggests.

        Of a registry's image the pods are Kubernetes', and its repository is their store; of any
        other they are processes of this machine, with a folder for a store.
        """
        reference = parse_reference(image)
        in_registry = isinstance(reference, RegistryReference)
        pods = self.runs.pods or ("kubernetes" if in_registry else "local")
        store = self.runs.store
        if not store and pods == "kubernetes" and in_registry:
            store = f"registry://{reference.name}"
        return replace(
            self.runs, pods=pods, store=store or (data_folder() / "store").absolute().as_uri()
        )


def find_project(folder: Path | None = None, arguments: Mapping[str, Any] = {}) -> Project:
    """The project of the script that runs, or the one in a folder.

    Its folder is the nearest one, from the script's upwards, with a pyproject.toml; else the
    script's own; in an interactive session the current one.

    :param arguments: of :class:`RunSettings`, which win where they are not None.
    :raises ConfigurationError: a setting means nothing.
    """
    folder = folder or _script_folder()
    try:
        image = read_settings(folder)
        table = read_table(folder, TABLE)
    except OCIError as error:
        raise ConfigurationError(str(error)) from error
    values = {**_checked(folder, table), **_from_variables(os.environ)}
    values.update({key: value for key, value in arguments.items() if value is not None})
    return Project(folder, image, RunSettings(**values))


def _script_folder() -> Path:
    file = getattr(sys.modules["__main__"], "__file__", None)
    return project_folder(Path(file).resolve().parent if file else Path.cwd())


def project_folder(start: Path) -> Path:
    """The nearest folder with a pyproject.toml, from here upwards; else this one."""
    for folder in (start, *start.parents):
        if (folder / "pyproject.toml").is_file():
            return folder
    return start


def _from_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, variable in _VARIABLES.items():
        text = environ.get(variable, "")
        if not text:
            continue
        if name == "image_pull_secrets":
            values[name] = tuple(part.strip() for part in text.split(",") if part.strip())
        elif name == "share_registry_login":
            values[name] = text.lower() in ("1", "true", "yes")
        else:
            values[name] = text
    return values


def _checked(folder: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    where = f"{folder / 'pyproject.toml'}: [tool.sematic.{TABLE}]"
    known = {entry.name.replace("_", "-"): entry for entry in fields(RunSettings)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
            raise ConfigurationError(f"{where} has {key!r}, which is no setting: {hint}")
        entry = known[key]
        wanted: type = {"str": str, "bool": bool}.get(str(entry.type), list)
        parts = value if isinstance(value, list) else []
        if type(value) is not wanted or not all(isinstance(part, str) for part in parts):
            kind = {str: "text", bool: "true or false", list: "a list of texts"}[wanted]
            raise ConfigurationError(f"{where} {key} is {value!r}: give {kind}")
        values[entry.name] = tuple(parts) if wanted is list else value
    return values
