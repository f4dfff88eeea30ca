"""All in this process, with a line on stderr for what happens."""

from __future__ import annotations

import sys

from sematic.resolvers.loop import StateChanged
from sematic.resolvers.silent_resolver import SilentResolver
from sematic.resolvers.step import State


class LocalResolver(SilentResolver):
    """Runs all steps here as :class:`SilentResolver` does, and says so on stderr."""

    def _hear(self, change: StateChanged) -> None:
        line = state_line(change)
        if line:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        super()._hear(change)


def state_line(change: StateChanged) -> str:
    """``RESOLVED      double (within pipeline)``; before a step begins, only why it waits."""
    step = change.step
    waits = change.state is State.SCHEDULED and not step.started
    if change.state is State.CREATED or (waits and not change.reason):
        return ""
    where = f" (within {step.parent.name})" if step.parent is not None else ""
    reason = f": {change.reason}" if change.reason else ""
    return f"{change.state.value:<13} {step.name}{where}{reason}"
