"""What must not get worse, of pushes of the workload ``small``: what is the same on any machine.

Lower them when the code gets better. Never raise one without saying why in the change log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """The most that a push with ``sematic-oci`` may take.

    :param sent: bytes to the registry, of bodies and heads.
    :param requests: to the registry, for the base too.
    :param layers: that are new in the image.
    :param memory: bytes of the process at its peak.
    :param modules: that the interpreter imports in all; not looked at if 0.
    """

    sent: int
    requests: int
    layers: int
    memory: int
    modules: int = 0


BOUNDS: Mapping[str, Bound] = {
    "cold": Bound(3_900_000, 65, 20, 60_000_000),
    "no change": Bound(400, 1, 0, 40_000_000, 210),
    "one file edited": Bound(24_000, 6, 1, 40_000_000, 215),
    "ten files edited": Bound(55_000, 13, 4, 45_000_000),
    "one file added": Bound(14_000, 7, 1, 40_000_000),
    "distribution upgraded": Bound(145_000, 8, 1, 42_000_000),
    "second machine": Bound(4_000, 12, 0, 45_000_000),
}

FORBIDDEN = ("requests", "oras", "kubernetes", "rich", "botocore", "azure", "google")
"""Never imported where modules are counted."""
