"""What the project's commands have in common: exit codes, errors, interruption, logging."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

INTERRUPTED = 130  # as a shell has it: 128 and the number of SIGINT


def say(message: str) -> None:
    """A line on stderr."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def perform(
    work: Callable[[], int],
    program: str,
    errors: type[Exception] | tuple[type[Exception], ...],
    *,
    debug: bool,
    interrupted: str = "",
    text: Callable[[Exception], str] = str,
) -> int:
    """Do a command's work; its exit code, 1 for an error, 130 for Ctrl-C and SIGTERM.

    :param errors: what is said in a line or three, and without a traceback unless ``debug``.
    :param interrupted: what is said then, if anything.
    :param text: of one of those errors.
    """
    _log(debug)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = work()
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        if debug:
            raise
        if interrupted:
            say(f"{program}: {interrupted}")
        return INTERRUPTED
    except BrokenPipeError:  # whoever reads has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except errors as error:
        if debug:
            raise
        say(f"{program}: {text(error)}")
        return 1
    except OSError as error:
        if debug:
            raise
        where = f" {error.filename}" if error.filename else ""
        say(f"{program}: {error.strerror or error}{where}")
        return 1
    finally:
        signal.signal(signal.SIGTERM, previous)


def leave(code: int) -> NoReturn:
    """Exit at once: no thread is waited for whose request a server does not end.

    Nor is the interpreter taken apart, which takes a tenth of an edit: the cache's file would be
    brought up to date on the disk, which whoever opens it next does as well.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _log(debug: bool) -> None:
    import logging  # which takes a while, in which another process looks at files

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for name in ("azure", "botocore", "google", "msal", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they say it again when they raise
    logging.getLogger("sematic").setLevel(logging.DEBUG if debug else logging.WARNING)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt
