"""Everything that is checked: ``nox`` runs it all, ``nox -s tests`` one part of it."""

from __future__ import annotations

import nox

nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests", "e2e", "docs", "bench"]

PROJECT = nox.project.load_toml("pyproject.toml")
WITH_EXTRAS = ".[aws,azure,gcp,kubernetes,requirements]"
ELSEWHERE = ("bases", "docs", "e2e", "peers", "wheels")
"""Folders of tests that have sessions of their own."""
CODE = ("sematic", "tests", "benchmarks", "noxfile.py")


def groups(*names: str) -> tuple[str, ...]:
    """The requirements of dependency groups."""
    return nox.project.dependency_groups(PROJECT, *names)


def peers(session: nox.Session) -> None:
    """Install the project for tests, and the real servers and tools they talk to."""
    session.install("--quiet", "-e", WITH_EXTRAS, *groups("test"))
    session.run("python", "-m", "tests.peers.install")


@nox.session
def lint(session: nox.Session) -> None:
    """Format and rules."""
    session.install("--quiet", *groups("lint"))
    session.run("ruff", "format", "--check", *CODE)
    session.run("ruff", "check", *CODE)


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    session.install("--quiet", "-e", WITH_EXTRAS, "nox", *groups("lint", "test"))
    session.run("mypy", *CODE)


@nox.session
def tests(session: nox.Session) -> None:
    """Every module, with real registries and layouts."""
    peers(session)
    ignored = [f"--ignore=tests/{folder}" for folder in ELSEWHERE]
    session.run("pytest", "tests", *ignored, *session.posargs)


@nox.session
def e2e(session: nox.Session) -> None:
    """Whole images, judged and run by other people's tools."""
    peers(session)
    session.run("python", "-m", "benchmarks.install")
    # Where it cannot be built, its tests say so.
    session.run("python", "-m", "tests.peers.kubernetes.build", success_codes=(0, 1))
    session.run("pytest", "tests/peers", "tests/e2e", *session.posargs)


@nox.session
def bases(session: nox.Session) -> None:
    """What is too large for every day: gigabytes of CUDA, and arm64 by qemu."""
    peers(session)
    session.run("python", "-m", "tests.bases.install")
    session.run("pytest", "tests/bases", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The examples in the documents, run as they stand."""
    peers(session)
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
def wheels(session: nox.Session) -> None:
    """Twenty popular wheels and all that they require, which takes a quarter of an hour."""
    peers(session)
    session.run("pytest", "tests/wheels", "-s", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """The parsers of what others write, for as long as is asked for: ``-- TARGET --seconds N``."""
    session.install("--quiet", "-e", ".", *groups("fuzz"))
    session.run("python", "-m", "tests.fuzz", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Pushes side by side with a peer: what must not get worse; ``-- OPTIONS`` for all of it."""
    peers(session)
    if session.posargs and "--quick" not in session.posargs:
        session.run("python", "-m", "benchmarks.install")
    session.run("python", "-m", "benchmarks", *(session.posargs or ("--quick",)))
