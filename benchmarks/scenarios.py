"""What is measured of pushes: what happens to the tree, and from where it goes where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.peers.peer import Step
from benchmarks.workloads.tree import Tree

Change = Callable[[Tree, int], None]


def nothing(tree: Tree, number: int) -> None:
    """The change that is none."""


@dataclass(frozen=True)
class Turn:
    """A change and the push after it."""

    change: Change
    step: Step = "again"

    @property
    def changes(self) -> bool:
        return self.change is not nothing


@dataclass(frozen=True)
class Scenario:
    """Turns that one peer takes one after the other; their costs are added up.

    :param forgets: on a machine that has not made the image before.
    :param new_repository: which has nothing; otherwise the repository of the last push.
    :param new_registry: the same, in another registry.
    """

    name: str
    turns: tuple[Turn, ...]
    forgets: bool = False
    new_repository: bool = False
    new_registry: bool = False


UNCHANGED = "no change"
SCENARIOS = (
    Scenario("cold", (Turn(nothing, "cold"),), forgets=True, new_repository=True),
    Scenario(UNCHANGED, (Turn(nothing),)),
    Scenario("one file edited", (Turn(Tree.edit_file),)),
    Scenario("ten files edited", (Turn(Tree.edit_ten_files),)),
    Scenario("one file added", (Turn(Tree.add_file),)),
    Scenario("branch and back", (Turn(Tree.switch), Turn(Tree.switch_back))),
    Scenario("distribution upgraded", (Turn(Tree.upgrade, "upgraded"),)),
    Scenario("distribution added", (Turn(Tree.add_distribution, "upgraded"),)),
    Scenario("second machine", (Turn(nothing, "cold"),), forgets=True),
    Scenario("another registry", (Turn(nothing, "elsewhere"),), new_registry=True),
)
