"""Runs, followed and steered from outside of them.

from sematic.runs import find_run

run = find_run("3f2a")
for line in run.logs(follow=True):
    print(line.step, line.text)
value = run.result()
"""

from __future__ import annotations

from sematic.runs.log_reader import LogLine
from sematic.runs.run import Run, RunError, find_place, find_run, list_runs

__all__ = ["LogLine", "Run", "RunError", "find_place", "find_run", "list_runs"]
