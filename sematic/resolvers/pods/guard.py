"""Clears up after a driver that is gone: ``python3 -m sematic.resolvers.pods.guard``.

However a driver of this machine ends, a process that waits for that ends the pods that it leaves
behind, and has the run's record say so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from sematic.config import RunSettings
from sematic.resolvers.pods import open_place
from sematic.resolvers.pods.process_table import open_process, wait_for_end
from sematic.resolvers.records import abandon


class Guard:
    """The guard of this process, until it is dismissed.

    :param kind: of the place where the run's pods are.
    """

    def __init__(self, kind: str, run_id: str) -> None:
        command = [sys.executable, "-m", __name__, kind, run_id, str(os.getpid())]
        env = {name: value for name, value in os.environ.items() if name != "SEMATIC_RUN_ID"}
        env["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))
        self._process = subprocess.Popen(
            command,
            env=env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        self._process.kill()
        self._process.wait()


def main(arguments: Sequence[str]) -> None:
    kind, run_id, driver = arguments
    _wait_for(int(driver))
    place = open_place(RunSettings(pods=kind))
    place.stop(run_id)
    abandon(place.records, run_id, f"its driver died (process {driver})")


def _wait_for(driver: int) -> None:
    try:
        process = open_process(driver)
    except ProcessLookupError:
        return
    if os.getppid() == driver:  # else it is gone already, and the id may be another's
        wait_for_end(process)
    os.close(process)


if __name__ == "__main__":
    main(sys.argv[1:])
