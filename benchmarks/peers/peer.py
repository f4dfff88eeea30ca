"""What a peer is: a way to get a project and its environment into a registry, or out of it.

A peer is a value that costs nothing. Opened, it is a session: it may start daemons, and has a
folder of its own for all it keeps. A session is asked for steps, again and again:

    with peer.open(setting) as session:
        session.forget()                                            # not measured
        session.push(meter, "127.0.0.1:5000/a/b", "cold")           # what the meter runs is
        ...                                                         # a file is edited
        session.push(meter, "127.0.0.1:5000/a/b", "again")
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from benchmarks.measure import Meter

Step = Literal["cold", "again", "upgraded", "elsewhere"]
"""What is known of a push before it is made.

- ``cold``: the session has just been told to forget. The repository may be empty or not.
- ``again``: the last push of this session went to this repository; since then nothing has changed
  but the project, and perhaps not even that.
- ``upgraded``: the same, but the environment has changed.
- ``elsewhere``: nothing has changed since the last push, but the repository is new, and in another
  registry.
"""


@dataclass(frozen=True)
class Setting:
    """What is to be brought into an image.

    :param project: the folder of the sources; goes to ``/app`` or a folder like it.
    :param environment: a virtual environment, whose site-packages go into the image.
    :param base: ``HOST:PORT/NAME@DIGEST``; a registry for ``elsewhere`` has it under the same name.
    :param scratch: an empty folder of the session's own, on the disk that has room.
    """

    project: Path
    environment: Path
    base: str
    scratch: Path

    @property
    def site_packages(self) -> Path:
        (site,) = self.environment.glob("lib/python3*/site-packages")
        return site

    def base_beside(self, repository: str) -> str:
        """The base in the registry of a repository."""
        return f"{repository.partition('/')[0]}/{self.base.partition('/')[2]}"


class Session(Protocol):
    """A peer at work."""

    def forget(self) -> None:
        """Be a machine that has never made this image: no layers, no cache. The base may stay."""

    def push(self, meter: Meter, repository: str, step: Step) -> None:
        """See to it that ``repository:latest`` is the image of what is there now.

        :param meter: runs what is measured, and that is what a user would wait for. What daemons
            take meanwhile is added to it.
        :param repository: ``HOST:PORT/NAME``, without a tag; plain http on loopback.
        :raises CommandError: it did not work.
        """


class Tool(Protocol):
    """A program, or some, that may be on this machine."""

    @property
    def name(self) -> str:
        """For tables and plots: short."""

    def absent(self) -> str:
        """Why it cannot run on this machine, in one line; empty if it can."""

    def version(self) -> str:
        """The program and its version, if it is not absent: ``crane 0.20.7``."""


class Peer(Tool, Protocol):
    """One way of doing it, as its own users would at its best."""

    def open(self, setting: Setting) -> AbstractContextManager[Session]:
        """Start what it needs; nothing of it is left at the end."""


class Node(Protocol):
    """A machine's engine, which pulls images."""

    def pull(self, meter: Meter, reference: str) -> None:
        """Have an image ready to be run.

        :param reference: ``HOST:PORT/NAME:TAG``, or ``@DIGEST``; plain http on loopback.
        """

    def forget(self) -> None:
        """Be a node that has no image but the base, if that."""


class Puller(Tool, Protocol):
    """An engine, as containerd."""

    def open(self, scratch: Path) -> AbstractContextManager[Node]:
        """A node with nothing on it; what lies in the folder and all processes are gone after."""
