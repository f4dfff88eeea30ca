"""Who takes part in what, and how often, so that all of it takes less than an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

PROCESS = "sematic.oci in process"
DOCKER, DOCKER_ZSTD = "docker buildx", "docker buildx, zstd"
CRANE = "tar + crane append"
UMOCI, UMOCI_ZSTD = "tar + umoci + skopeo", "tar + umoci + skopeo, zstd"
BUILDAH, PODMAN = "buildah build", "podman build"
FLOOR, PIPE = "floor: Python", "floor: tar | zstd | sha256sum"


@dataclass(frozen=True)
class Turnout:
    """:param rounds: of those who are quick, which is most.
    :param peers: that take part beside ours; all, if none is named.
    :param once: of these, who takes part in the first round only, as it takes long.
    :param seconds: that all of it takes, about, on two idle CPUs; for foretelling an end.
    """

    rounds: int
    peers: Sequence[str] = ()
    once: Sequence[str] = ()
    seconds: float = 30

    def names(self, number: int) -> Sequence[str]:
        """Who takes part in a round, from 1 on; all, if none is named."""
        return [name for name in self.peers if number == 1 or name not in self.once]


_EACH = (PROCESS, DOCKER, DOCKER_ZSTD, CRANE, UMOCI, UMOCI_ZSTD, FLOOR)
_SOME = (DOCKER, CRANE, UMOCI_ZSTD)
_IMAGES = (CRANE, UMOCI_ZSTD)
"""Of the peers' images there are two kinds, by compression: a layer of the environment and one of
the sources on top."""
_BUILDERS = (BUILDAH, PODMAN)
_EDIT = Turnout(5, (*_EACH, *_BUILDERS), _BUILDERS, 90)
_OTHER_EDIT = Turnout(3, (PROCESS, *_SOME), (), 20)

SCHEDULE: Mapping[str, Mapping[str, Turnout]] = {
    "launcher": {"resolve to pod": Turnout(5, seconds=100)},
    "small": {
        "cold": Turnout(3, (PROCESS, *_SOME), (), 40),
        "no change": Turnout(5, (PROCESS, *_SOME), (), 25),
        "one file edited": Turnout(5, (PROCESS, *_SOME), (), 25),
    },
    "science": {
        "cold": Turnout(2, (*_EACH, PIPE, *_BUILDERS), _BUILDERS, 570),
        "no change": _EDIT,
        "one file edited": _EDIT,
        "ten files edited": _OTHER_EDIT,
        "one file added": _OTHER_EDIT,
        "branch and back": replace(_OTHER_EDIT, seconds=40),
        "distribution upgraded": Turnout(2, (*_EACH, BUILDAH), (BUILDAH,), 360),
        "distribution added": Turnout(1, _SOME, (), 75),
        "second machine": Turnout(2, _EACH[:-1], (), 180),
        "pull by containerd after edit": Turnout(3, _IMAGES, (), 110),
        "pull by containerd after upgrade": Turnout(1, _IMAGES, (), 80),
        "pull by podman after edit": Turnout(3, _IMAGES, (), 130),
        "pull by podman after upgrade": Turnout(1, _IMAGES, (), 90),
        "first import": Turnout(3, _IMAGES, (), 120),
        "another registry": Turnout(1, _SOME, (), 90),
    },
    "science-torch": {
        "cold": Turnout(1, (UMOCI_ZSTD, PIPE), (), 60),
        "no change": Turnout(3, (UMOCI_ZSTD,), (), 5),
        "one file edited": Turnout(3, (UMOCI_ZSTD,), (), 5),
        "second machine": Turnout(1, (UMOCI_ZSTD,), (), 40),
    },
    "monorepo": {
        "scan": Turnout(3, seconds=15),
        "cold": Turnout(1, _SOME, (), 130),
        "no change": Turnout(3, _SOME, (DOCKER,), 50),
        "one file edited": Turnout(3, _SOME, (DOCKER,), 180),
        "ten files edited": Turnout(2, (UMOCI_ZSTD,), (), 30),
        "distribution upgraded": Turnout(1, (UMOCI_ZSTD,), (), 30),
    },
    "many": {
        "cold": Turnout(2, _SOME, (), 50),
        "no change": Turnout(3, _SOME, (), 12),
        "one file edited": Turnout(3, _SOME, (), 15),
        "distribution upgraded": Turnout(2, _SOME, (), 40),
    },
    "huge": {"scan": Turnout(2, seconds=150)},
}
"""What is measured if nothing is chosen, by workload and scenario."""


def turnout(
    workload: str, scenario: str, peers: Sequence[str] = (), rounds: int | None = None
) -> Turnout:
    """As it stands in the schedule, unless others or another number of rounds are wanted."""
    found = SCHEDULE[workload].get(scenario, Turnout(3))
    if peers:
        found = replace(found, peers=peers, once=())
    return replace(found, rounds=rounds or found.rounds)
