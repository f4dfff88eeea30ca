"""Whether an image can be a base, or be run as it is: each requirement, and what it has besides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sematic.oci.base import Base
from sematic.oci.base_contents import Contents, read_contents
from sematic.oci.base_python import (
    BasePython,
    cuda_of,
    lacking,
    python_of,
    recall_contents,
    remember_contents,
)
from sematic.oci.events import Listener, Noticed
from sematic.oci.memo import Memo
from sematic.oci.runtime import WORKER
from sematic.oci.untrusted import one_line
from sematic.oci.values import as_dict

Verdict = Literal["yes", "push", "no"]
"""It holds; it does not, and ``push`` sees to it; it does not, and nobody does."""

_WRITABLE = 0o002


@dataclass(frozen=True, slots=True)
class Answer:
    """One requirement."""

    requirement: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class BaseCheck:
    """What a base has.

    :param distributions: installed Python distributions, as ``numpy 2.4.6``.
    :param cuda: what it has of CUDA: wheels, or libraries.
    :param python: its interpreter, with the C library's name and version.
    """

    reference: str
    digest: str
    platform: str
    answers: tuple[Answer, ...]
    distributions: tuple[str, ...]
    cuda: tuple[str, ...]
    python: BasePython | None

    @property
    def is_base(self) -> bool:
        """Whether an environment can be put on top of it."""
        return all(answer.verdict != "no" for answer in self.answers)

    def to_dict(self) -> dict[str, Any]:
        python = as_dict(self.python) if self.python else None
        return {**asdict(self), "python": python, "is_base": self.is_base}


def check_base(base: Base, memo: Memo, listener: Listener) -> BaseCheck:
    """Read all of a base, unless that is remembered.

    :raises BaseError: a layer cannot be read.
    """
    contents = recall_contents(base, memo, is_whole=True)
    if contents is None:
        listener(Noticed(f"reading the layers of {base.name} once"))
        contents = read_contents(base, folders=frozenset({_home(base).strip("/")}))
        remember_contents(base, memo, contents, is_whole=True)
    return BaseCheck(
        base.name,
        base.digest,
        str(base.platform),
        tuple(_answers(base, contents)),
        tuple(sorted(set(contents.distributions.values()))),
        cuda_of(base, contents),
        python_of(base, contents),
    )


def _home(base: Base) -> str:
    return base.environment().get("HOME", "")


def _answers(base: Base, contents: Contents) -> Iterator[Answer]:
    python = python_of(base, contents)
    why = lacking(base, contents)
    there = {
        "interpreter": f"{python.path}, Python {python.version}" if python else "",
        "C library": _libc(contents),
        "architecture": str(base.platform),
        "links": _links(contents),
    }
    for requirement, text in there.items():
        if requirement in why:
            yield Answer(requirement, "no", why[requirement])
        else:
            yield Answer(requirement, "yes", text)
    yield _writable_home(base, contents)
    yield _entrypoint(base)


def _libc(contents: Contents) -> str:
    wheels = "musllinux" if contents.libc == "musl" else "manylinux"
    if not contents.libc_version:
        return f"{contents.libc}: it runs {wheels} wheels"
    newest = contents.libc_version.replace(".", "_")
    return f"{contents.libc} {contents.libc_version}: it runs wheels up to {wheels}_{newest}"


def _links(contents: Contents) -> str:
    found = (f"/{name} -> {target}" for name, target in sorted(contents.links.items()))
    return ", ".join(found) or "none below /"


def _writable_home(base: Base, contents: Contents) -> Answer:
    home = _home(base)
    if contents.modes.get(home.strip("/"), 0) & _WRITABLE:
        return Answer("home", "yes", f"{home}, writable under any user id")
    what = f"{home} is not writable under any user id" if home else "HOME is not set"
    return Answer("home", "push", f"{what}; push makes one")


def _entrypoint(base: Base) -> Answer:
    found = (base.config.get("config") or {}).get("Entrypoint") or []
    if found == [f"/{WORKER}"]:
        return Answer("entrypoint", "yes", f"/{WORKER}")
    text = " ".join(map(str, found)) if isinstance(found, list) else str(found)
    return Answer("entrypoint", "push", f"{text or 'none'}; push sets it")


def check_text(check: BaseCheck) -> Iterator[str]:
    """An answer for people, line by line."""
    yield one_line(check.reference, 300)
    yield f"{'digest':14}{check.digest}"
    for answer in check.answers:
        yield f"{answer.requirement:14}{answer.verdict:6}{one_line(answer.text, 300)}"
    yield f"{'distributions':14}{len(check.distributions)}" + "".join(
        f"\n  {one_line(text)}" for text in check.distributions
    )
    if check.cuda:
        yield f"{'CUDA':14}{one_line(', '.join(check.cuda), 300)}"
