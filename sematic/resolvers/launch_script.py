"""The script that launches a run: what it is called where pods run, and whether it can be there."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

from sematic.errors import ConfigurationError
from sematic.future import Future, in_order

_MAIN = "__main__"


def script_module(future: Future[object], roots: Iterable[Path], caller: FrameType | None) -> str:
    """The module that the running script is for pods, "" if none of its funcs is needed there.

    :param roots: folders that are on ``sys.path`` in pods.
    :param caller: the frame that launches the run.
    :raises ConfigurationError: its funcs are needed, and pods cannot import it, or would launch
        the run again when they do.
    """
    used = sorted(
        {one.function.__qualname__ for one in in_order(future) if one.function.__module__ == _MAIN}
    )
    main = sys.modules[_MAIN]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    name = spec.name if spec is not None else _name_of(file, roots) if file else ""
    if not used:
        return name
    if not name:
        what = f"{file} is outside of the project" if file else "they are defined interactively"
        raise ConfigurationError(
            f"pods cannot import {', '.join(used)}: {what}.\n"
            "Define funcs in a module of the project, whose file pods can import."
        )
    _check_guarded(caller)
    return name


def _check_guarded(frame: FrameType | None) -> None:
    """Refuse a launch at the top of the script, not below ``if __name__ == "__main__":``."""
    while frame is not None:
        if frame.f_globals.get("__name__") == _MAIN and frame.f_code.co_name == "<module>":
            file, line = frame.f_code.co_filename, frame.f_lineno
            if not _is_guarded(Path(file), line):
                raise ConfigurationError(
                    f"{file}, line {line} would launch the run again in every pod that imports "
                    'this script.\nPut it below `if __name__ == "__main__":`.'
                )
        frame = frame.f_back


def _name_of(file: str, roots: Iterable[Path]) -> str:
    """The module of a file, by the innermost root that it lies in; "" if there is none."""
    path = Path(file).resolve()
    inside = [root.resolve() for root in roots if path.is_relative_to(root.resolve())]
    for root in sorted(inside, key=lambda root: len(root.parts), reverse=True):
        parts = path.relative_to(root).with_suffix("").parts
        if path.suffix == ".py" and all(part.isidentifier() for part in parts):
            return ".".join(parts)
    return ""


def _is_guarded(path: Path, line: int) -> bool:
    """Whether a line of a script runs only where the script is the program."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True  # nobody can import it, so nobody repeats it
    for statement in tree.body:
        if statement.lineno <= line <= (statement.end_lineno or 0):
            return isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)
    return True
