"""A worker that outlives its driver ends itself: nobody waits for what it does."""

from __future__ import annotations

import os
from importlib import import_module

VARIABLE = "SEMATIC_LIFELINE"


def hold_on() -> None:
    """Watch the driver from now on, in the way that the pod's place says: ``MODULE:WHAT``.

    The module's ``hold_on(WHAT)`` is called; it ends this process when the driver is gone.
    """
    module, colon, what = os.environ.get(VARIABLE, "").partition(":")
    if colon:
        import_module(module).hold_on(what)
