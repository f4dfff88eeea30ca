"""poetry.lock, as a requirements.txt with hashes: it does not say where files are to be had."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sematic.oci.errors import RequirementsError
from sematic.oci.requirements.target import Target
from sematic.oci.toml import parse_toml

_MAIN = "main"
_POETRY_KEYS = ("dependencies", "dev-dependencies", "extras", "group", "source")
_ALWAYS = frozenset(("dependencies", "dev-dependencies", "extras", "source"))
_PROJECT_KEYS = ("dependencies", "optional-dependencies", "requires-python")


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a poetry.lock pins.

    :param text: a requirements.txt.
    :param hashes: sha256 (hex) by distribution.
    :param indexes: addresses that it names.
    """

    text: str
    hashes: Mapping[str, frozenset[str]]
    indexes: tuple[str, ...]


def read_poetry(
    path: Path,
    texts: Mapping[Path, bytes],
    target: Target,
    extras: Iterable[str] = (),
    groups: Iterable[str] = (),
) -> Pinned:
    """What is to be installed on a target.

    :param path: the poetry.lock.
    :param texts: what it and its pyproject.toml hold.
    :param groups: beside the main one.
    :raises RequirementsError: it is out of date, or of a kind that does not say enough.
    """
    lock, project = (_parsed(p, texts[p]) for p in (path, path.with_name("pyproject.toml")))
    _check(lock, project)
    wanted = {_MAIN, *groups}
    lines, hashes, indexes = [], {}, {}
    for package in lock.get("package", []):
        if not _is_wanted(package, wanted, list(extras), target):
            continue
        source = package.get("source") or {}
        if source.get("type") == "git":
            lines.append(_of_repository(package["name"], source))
            continue
        if source.get("type") in ("url", "file", "directory"):
            raise RequirementsError(
                f"{package['name']} comes from {source.get('url')}, and of a poetry.lock only "
                "files of indexes and commits of git can be taken: put a wheel of it into an index"
            )
        if source.get("url"):
            indexes[source["url"]] = f"--extra-index-url {source['url']}"
        lines.append(f"{package['name']}=={package['version']}")
        given = (file["hash"].partition(":") for file in package["files"])
        hashes[package["name"]] = frozenset(v for kind, _, v in given if kind == "sha256")
    text = "".join(f"{line}\n" for line in (*indexes.values(), *lines))
    return Pinned(text, hashes, tuple(indexes))


def _of_repository(name: str, source: Mapping[str, Any]) -> str:
    """A requirement for the commit of a repository that is locked."""
    url, revision = source["url"], source["resolved_reference"]
    inside = f"#subdirectory={source['subdirectory']}" if source.get("subdirectory") else ""
    if "://" not in url:  # as scp has it: git@host:path
        url = "ssh://" + url.replace(":", "/", 1)
    return f"{name} @ git+{url}@{revision}{inside}"


def _parsed(path: Path, data: bytes) -> dict[str, Any]:
    try:
        return parse_toml(data.decode())
    except ValueError as error:
        raise RequirementsError(f"{path} is not TOML: {error}") from None


def _check(lock: Mapping[str, Any], project: Mapping[str, Any]) -> None:
    facts = lock.get("metadata") or {}
    version = str(facts.get("lock-version", ""))
    if version.partition(".")[0] != "2" or version == "2.0":
        raise RequirementsError(
            f"poetry.lock has version {version or 'none'}, which does not say what belongs to "
            "which group: run `poetry lock` of Poetry 2"
        )
    if facts.get("content-hash") != _content_hash(project):
        raise RequirementsError(
            "poetry.lock is out of date with its pyproject.toml: run `poetry lock`"
        )


def _content_hash(project: Mapping[str, Any]) -> str:
    """The hash that Poetry notes of all in a pyproject.toml that a lock depends on."""
    tables = project.get("project") or {}
    groups = project.get("dependency-groups") or {}
    poetry = (project.get("tool") or {}).get("poetry") or {}
    standard = {key: tables[key] for key in _PROJECT_KEYS if key in tables}
    is_old = not standard and not groups
    own = {
        key: poetry.get(key) for key in _POETRY_KEYS if key in poetry or (is_old and key in _ALWAYS)
    }
    content: dict[str, Any] = own
    if not is_old:
        content = {"tool": {"poetry": own}}
        content |= {"project": standard} if standard else {}
        content |= {"dependency-groups": groups} if groups else {}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _is_wanted(
    package: Mapping[str, Any], groups: Iterable[str], extras: list[str], target: Target
) -> bool:
    """Whether a group wants a package on a target."""
    from packaging.markers import Marker

    markers = package.get("markers") or ""
    for group in groups:
        if group not in package.get("groups", [_MAIN]):
            continue
        text = markers.get(group, "") if isinstance(markers, dict) else markers
        environments = [{**target.environment(), "extra": extra} for extra in extras or [""]]
        if not text or any(Marker(text).evaluate(each) for each in environments):
            return True
    return False
