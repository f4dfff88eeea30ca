"""Which packages belong together: the dependencies of some, and of those, and so on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sematic.oci.bases.control import Stanza
from sematic.oci.bases.versions import Version
from sematic.oci.errors import BaseError

_RELATION = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]*)(?::\w+)?\s*(?:\(\s*(?P<relation>[<>=]+)\s*(?P<version>[^\s)]+)\s*\))?"
)
_PRIORITIES = ("required", "important", "standard", "optional", "extra")


@dataclass(frozen=True, slots=True)
class _Wish:
    """One alternative of a dependency (Policy 7.1)."""

    name: str
    relation: str
    version: str


def closure(
    packages: Mapping[str, Stanza], wanted: Sequence[str], never: Collection[str]
) -> list[Stanza]:
    """The wanted packages with all that they depend on, by name.

    Of alternatives the first counts that is there, unless another is among the packages already;
    of several that provide a virtual package, the one with the highest priority.

    :param packages: those there are, by name.
    :param never: packages that are not taken, and whose absence is no error.
    :raises BaseError: some are not there, or not in the version that is asked for.
    """
    providers = _providers(packages)
    chosen: dict[str, Stanza] = {}
    missing: list[str] = []
    todo = []
    for name in wanted:
        if name in packages:
            chosen[name] = packages[name]
            todo.append(name)
        else:
            missing.append(f"{name}, which is in no index")
    while todo:
        name = todo.pop(0)
        for text, wishes in _dependencies(chosen[name]):
            found = _choose(wishes, packages, providers, chosen, never)
            if found is None:
                missing.append(f"{name} {chosen[name].get('Version')} depends on {text}")
            elif found and found not in chosen:
                chosen[found] = packages[found]
                todo.append(found)
    if missing:
        raise BaseError("dependencies that nothing satisfies:\n" + "\n".join(missing))
    return [chosen[name] for name in sorted(chosen)]


def _providers(packages: Mapping[str, Stanza]) -> dict[str, list[tuple[str, str]]]:
    """Who provides a name, and in which version, if it says so."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, stanza in packages.items():
        for wish in _wishes(stanza.get("Provides", ""), ","):
            found.setdefault(wish.name, []).append((name, wish.version))
    for names in found.values():
        names.sort(key=lambda each: (_priority(packages[each[0]]), each[0]))
    return found


def _priority(stanza: Stanza) -> int:
    priority = stanza.get("Priority", "optional")
    return _PRIORITIES.index(priority) if priority in _PRIORITIES else len(_PRIORITIES)


def _dependencies(stanza: Stanza) -> Iterator[tuple[str, list[_Wish]]]:
    for field in ("Pre-Depends", "Depends"):
        for text in stanza.get(field, "").split(","):
            if text.strip():
                yield text.strip(), list(_wishes(text, "|"))


def _wishes(text: str, divider: str) -> Iterable[_Wish]:
    for part in text.split(divider):
        found = _RELATION.match(part.strip())
        if found:
            yield _Wish(found["name"], found["relation"] or "", found["version"] or "")


def _choose(
    wishes: Sequence[_Wish],
    packages: Mapping[str, Stanza],
    providers: Mapping[str, Sequence[tuple[str, str]]],
    chosen: Collection[str],
    never: Collection[str],
) -> str | None:
    """The package that satisfies one of the wishes; empty if that is never taken."""
    fitting: list[str] = []
    for wish in wishes:
        if wish.name in never:
            fitting.append("")
        if wish.name in packages and _fits(packages[wish.name].get("Version", ""), wish):
            fitting.append(wish.name)
        fitting += [
            name
            for name, version in providers.get(wish.name, ())
            if not wish.relation or (version and _fits(version, wish))
        ]
    return next((name for name in fitting if name in chosen), fitting[0] if fitting else None)


def _fits(version: str, wish: _Wish) -> bool:
    return not wish.relation or Version(version).satisfies(wish.relation, wish.version)
