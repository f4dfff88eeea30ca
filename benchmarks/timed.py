"""Run a command and say what it took: ``timed.py FD COMMAND ...``.

A process of its own, and a small one: what the kernel calls the peak memory of a program begins
with that of the process it was started from. Writes JSON to the file descriptor; exits with the
command's own code.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> int:
    out, command = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(out, False)
    began = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - began
    cpu, rss = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    os.write(out, json.dumps({"wall": wall, "cpu": cpu, "rss": rss}).encode())
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
