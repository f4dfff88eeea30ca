"""Pickling for another process, in which the script that runs here is a module like others."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import FunctionType
from typing import IO, Any

from sematic.errors import SematicError
from sematic.function import Function
from sematic.future import Future

_MAIN = "__main__"
_PROTOCOL = 5

_own_name = ""


class Unpicklable(SematicError):
    """A value that cannot go to another process."""


def call_main(name: str) -> None:
    """Have what ``__main__`` defines be pickled as that of a module.

    :param name: what the running script can be imported as, where pods run.
    """
    global _own_name  # noqa: PLW0603
    _own_name = name
    sys.modules.setdefault(name, sys.modules[_MAIN])


def renamed(reference: str) -> str:
    """``module:qualname`` as it is found where pods run."""
    module, _, qualname = reference.partition(":")
    return f"{_own_name}:{qualname}" if module == _MAIN and _own_name else reference


def pickled(value: Any, file: IO[bytes], what: str, *, futures: bool = False) -> None:
    """Write a value's pickle.

    :param what: for people, as ``argument 'x'``.
    :param futures: write futures in it as their ids, for a reader that has them.
    :raises Unpicklable: it, or something in it, cannot be pickled.
    """
    try:
        (_GraphPickler if futures else _Pickler)(file, _PROTOCOL).dump(value)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError) as error:
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        raise Unpicklable(
            f"{what} ({kind}) cannot be pickled, and so cannot go to another pod: {error}.\n"
            "Return or pass what it is made of, or give its class a __reduce__."
        ) from error


def load(file: IO[bytes], futures: Mapping[str, Future[Any]] = {}) -> Any:
    """The value whose pickle comes next in a file.

    :param futures: those that it may hold, by id.
    """
    return _Unpickler(file, futures).load()


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        """Name what ``__main__`` defines by the module that it is elsewhere."""
        if (
            isinstance(obj, (type, FunctionType, Function))
            and obj.__module__ == _MAIN
            and _own_name
            and "<locals>" not in obj.__qualname__
        ):
            return _find, (_own_name, obj.__qualname__)
        return NotImplemented


class _GraphPickler(_Pickler):
    def persistent_id(self, obj: Any) -> str | None:
        return obj.id if type(obj) is Future else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], futures: Mapping[str, Future[Any]]) -> None:
        super().__init__(file)
        self._futures = futures

    def persistent_load(self, pid: str) -> Future[Any]:
        return self._futures[pid]


def _find(module: str, qualname: str) -> Callable[..., Any] | type:
    found: Any = import_module(module)
    for name in qualname.split("."):
        found = getattr(found, name)
    return found  # type: ignore[no-any-return]
