"""What goes between a driver and its workers, by way of the store.

Values are pickled. A small one travels within the document that speaks of it, any other lies in
the store as an artifact; either is the handle that the scheduling loop passes around. What a step
is to do is bound to ``step-ID-in``, what came of it to ``step-ID-out-ATTEMPT``, what a run is
to ``run-ID``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any, TypeAlias, Union

from sematic.function import Function, find_function
from sematic.future import Future
from sematic.resolvers.pickled_graph import read_graph, write_graph
from sematic.resolvers.pickling import Unpicklable, load, pickled, renamed
from sematic.resolvers.step import Expanded, Failed, Failure, Outcome, Returned
from sematic.resolvers.stores import Artifact, Store, StoreError, fetch, keep, scratch

CHECK_NAME = "sematic-check"

_SMALL = 2048
_PLAIN = (bool, int, float, str, bytes, type(None))


@dataclass(frozen=True, slots=True)
class Small:
    """A pickled value that is not worth a place of its own."""

    data: bytes


Handle: TypeAlias = Union[Small, Artifact]


class Documents:
    """Reads and writes them in one store. Threads may share it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # Values

    def keep(self, value: Any, what: str) -> Handle:
        """A handle for a value; a handle stays what it is.

        :param what: for people, as ``the result``.
        :raises Unpicklable: it cannot be pickled.
        :raises StoreError: the store does not take it.
        """
        if isinstance(value, (Small, Artifact)):
            return value
        with scratch() as file:
            pickled(value, file, what)
            return self._keep_file(file)

    def load(self, handle: Any) -> Any:
        """The value of a handle; anything else is a value already."""
        if not isinstance(handle, (Small, Artifact)):
            return handle
        with self._opened(handle) as file:
            return load(file)

    def load_all(self, structure: Any) -> Any:
        """A structure of lists, tuples and dicts with values in place of handles."""
        return _mapped(structure, self.load)

    # Steps

    def write_input(
        self, step_id: str, function: Function[..., Any], arguments: Mapping[str, Any]
    ) -> None:
        """Bind what a step is to do.

        :param arguments: values, handles, and structures that hold them.
        """
        handles = {
            name: value
            if next(_handles_in(value), None)
            else self._lightened(value, f"argument {name!r}")
            for name, value in arguments.items()
        }
        whole = self.keep(handles, "its arguments")
        document = {"function": renamed(function.reference), "arguments": handle_to_json(whole)}
        self._bind(f"step-{step_id}-in", document, (whole, *_handles_in(handles)))

    def read_input(self, step_id: str) -> tuple[Function[..., Any], dict[str, Any]]:
        """What a step is to do: its func, and the values of its arguments.

        :raises ConfigurationError: the image does not have the func.
        """
        document = self._bound(f"step-{step_id}-in")
        handles = self.load(handle_from_json(document["arguments"]))
        function = find_function(document["function"])
        return function, {name: self.load_all(value) for name, value in handles.items()}

    def write_outcome(self, step_id: str, attempt: int, outcome: Outcome) -> bool:
        """Bind what came of a step; what cannot be pickled is a failure instead.

        :return: whether it is no failure.
        """
        name = f"step-{step_id}-out-{attempt}"
        try:
            document, handles = self._outcome(outcome)
        except Unpicklable as error:
            document, handles = self._failure(Failure("unpicklable", str(error)))
        self._bind(name, document, handles)
        return bool(document["kind"] != "failed")

    def read_outcome(self, step_id: str, attempt: int) -> Outcome | None:
        """What came of a step; None if it wrote nothing."""
        data = self._store.bound(f"step-{step_id}-out-{attempt}")
        if data is None:
            return None
        document = json.loads(data)
        if document["kind"] == "returned":
            return Returned(handle_from_json(document["value"]))
        if document["kind"] == "expanded":
            return Expanded(self._read_graph(document["graph"]))
        return Failed(self._read_failure(document["failure"]))

    def write_log(self, step_id: str, attempt: int, file: IO[bytes]) -> None:
        """Bind what a step wrote."""
        handle = keep(self._store, file)
        self._bind(f"step-{step_id}-log-{attempt}", handle_to_json(handle), (handle,))

    def read_log(self, step_id: str, attempt: int) -> IO[bytes] | None:
        """What a step wrote, None if nothing is kept. Close it."""
        data = self._store.bound(f"step-{step_id}-log-{attempt}")
        return None if data is None else self._opened(handle_from_json(json.loads(data)))

    # Runs

    def write_run(self, run_id: str, future: Future[Any], facts: Mapping[str, Any]) -> None:
        """Bind a run: its root future, and what else its driver must know (JSON)."""
        graph, handles = self._write_graph(future)
        self._bind(f"run-{run_id}", {"graph": graph, **facts}, handles)

    def read_facts(self, run_id: str) -> dict[str, Any]:
        """The facts that were written with a run; what its future needs is not imported."""
        document = self._bound(f"run-{run_id}")
        del document["graph"]
        return document

    def read_run(self, run_id: str) -> tuple[Future[Any], dict[str, Any]]:
        """The root future of a run, and the facts that were written with it."""
        document = self._bound(f"run-{run_id}")
        future: Future[Any] = self._read_graph(document.pop("graph"))
        return future, document

    def write_result(self, run_id: str, handle: Handle) -> None:
        """Bind the value of a run."""
        self._bind(f"run-{run_id}-result", handle_to_json(handle), (handle,))

    def read_result(self, run_id: str) -> Any:
        """The value of a run that is resolved."""
        with self.open_result(run_id) as file:
            return load(file)

    def open_result(self, run_id: str) -> IO[bytes]:
        """The pickle of the value of a run that is resolved. Close it."""
        return self._opened(handle_from_json(self._bound(f"run-{run_id}-result")))

    # The store itself

    def check(self) -> None:
        """Write something, and read it again.

        :raises StoreError: that does not work.
        """
        value = CHECK_NAME * _SMALL
        handle = self.keep(value, "a value")
        self._bind(CHECK_NAME, handle_to_json(handle), (handle,))
        if self.load(handle_from_json(self._bound(CHECK_NAME))) != value:
            raise StoreError(f"{self._store.url} gave something else than was written to it")

    # All of them

    def _outcome(self, outcome: Outcome) -> tuple[dict[str, Any], tuple[Handle, ...]]:
        if isinstance(outcome, Returned):
            handle = self.keep(outcome.handle, "its result")
            return {"kind": "returned", "value": handle_to_json(handle)}, (handle,)
        if isinstance(outcome, Expanded):
            graph, handles = self._write_graph(outcome.value)
            return {"kind": "expanded", "graph": graph}, handles
        return self._failure(outcome.failure)

    def _failure(self, failure: Failure) -> tuple[dict[str, Any], tuple[Handle, ...]]:
        handle = None
        if failure.exception is not None:
            bare = failure.exception.with_traceback(None)
            try:
                handle = self.keep(bare, "the exception")
            except (Unpicklable, StoreError):
                handle = None  # its text is told all the same
        document = {
            "kind": failure.kind,
            "message": failure.message,
            "traceback": failure.traceback,
            "types": failure.exception_types,
            "infrastructure": failure.infrastructure,
            "exception": handle and handle_to_json(handle),
        }
        return {"kind": "failed", "failure": document}, (handle,) if handle else ()

    def _read_failure(self, document: Mapping[str, Any]) -> Failure:
        exception = None
        if document["exception"]:
            try:
                exception = self.load(handle_from_json(document["exception"]))
            except Exception:  # whatever its class, or one that is not here, makes of it
                exception = None
        return Failure(
            document["kind"],
            document["message"],
            document["traceback"],
            exception if isinstance(exception, BaseException) else None,
            tuple(document["types"]),
            document["infrastructure"],
        )

    def _write_graph(self, structure: Any) -> tuple[dict[str, Any], tuple[Handle, ...]]:
        """Keep a structure of futures whose arguments are handles, so that a driver loads none."""
        with scratch() as file:
            written = write_graph(structure, self._lightened, file)
            graph = self._keep_file(file)
        return handle_to_json(graph), (graph, *_handles_in(written))

    def _read_graph(self, document: Mapping[str, Any]) -> Any:
        with self._opened(handle_from_json(document)) as file:
            return read_graph(file)

    def _lightened(self, value: Any, what: str) -> Any:
        return value if _is_light(value) else self.keep(value, what)

    def _keep_file(self, file: IO[bytes]) -> Handle:
        """A handle for what has been written to a file."""
        if file.tell() > _SMALL:
            return keep(self._store, file)
        file.seek(0)
        return Small(file.read())

    def _opened(self, handle: Handle) -> IO[bytes]:
        return BytesIO(handle.data) if isinstance(handle, Small) else fetch(self._store, handle)

    def _bind(
        self, name: str, document: Mapping[str, Any], handles: tuple[Handle | None, ...]
    ) -> None:
        artifacts = [handle for handle in handles if isinstance(handle, Artifact)]
        self._store.bind(name, json.dumps(document).encode(), artifacts)

    def _bound(self, name: str) -> dict[str, Any]:
        data = self._store.bound(name)
        if data is None:
            raise StoreError(f"{self._store.url} has no {name}; was it removed?")
        return dict(json.loads(data))


def _is_light(value: Any) -> bool:
    """Whether a driver may as well hold a value itself."""
    is_short = not isinstance(value, (str, bytes)) or len(value) <= _SMALL
    return isinstance(value, (Small, Artifact)) or (type(value) in _PLAIN and is_short)


def _handles_in(structure: Any) -> Iterator[Handle]:
    """The handles in a structure."""
    if isinstance(structure, (Small, Artifact)):
        yield structure
    elif isinstance(structure, (list, tuple, dict)):
        for part in structure.values() if isinstance(structure, dict) else structure:
            yield from _handles_in(part)


def _mapped(value: Any, change: Any) -> Any:
    """A structure with each handle in it changed."""
    if isinstance(value, (Small, Artifact)):
        return change(value)
    if type(value) is dict:
        return {key: _mapped(part, change) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_mapped(part, change) for part in value)
    return value


def handle_to_json(handle: Handle) -> dict[str, Any]:
    """A handle as a part of a document."""
    if isinstance(handle, Small):
        return {"data": base64.b64encode(handle.data).decode()}
    return {"digest": handle.digest, "size": handle.size}


def handle_from_json(document: Mapping[str, Any]) -> Handle:
    """The handle that a part of a document is."""
    if "data" in document:
        return Small(base64.b64decode(document["data"]))
    return Artifact(document["digest"], document["size"])
