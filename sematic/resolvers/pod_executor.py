"""Steps on pods: the executor of the driver.

Inline steps run here, in a thread of their own, one after another; others are handed to pods. What
stands for a value is a handle, so that nothing is loaded here that no inline step needs.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from queue import Empty, Queue
from typing import Any

from sematic.future import Future
from sematic.resolvers.call import call, cast_result
from sematic.resolvers.documents import Documents
from sematic.resolvers.executor import Ended, Event, Started, Waiting
from sematic.resolvers.pickling import Unpicklable
from sematic.resolvers.pod_logs import Logs
from sematic.resolvers.pods import (
    INFRASTRUCTURE,
    PodEvent,
    Pods,
    PodsError,
    PodSpec,
    worker_name,
)
from sematic.resolvers.step import Expanded, Failed, Failure, Outcome, Returned, Step
from sematic.resolvers.stores import Artifact, StoreError

_PATIENCE = 1.0


class PodExecutor:
    """Runs the steps of one run.

    :param image: by digest.
    :param env: variables for all pods.
    :param logs: takes care of what pods write, and then of their end.
    """

    def __init__(
        self,
        run_id: str,
        image: str,
        documents: Documents,
        pods: Pods,
        logs: Logs,
        env: Mapping[str, str],
    ) -> None:
        self._run_id = run_id
        self._image = image
        self._documents = documents
        self._pods = pods
        self._logs = logs
        self._env = env
        self._steps: dict[str, Step] = {}  # by the name of their pod
        self._written: set[str] = set()
        self._is_cast: set[str] = set()
        self._events: Queue[Event | BaseException] = Queue()
        self._inline: Queue[tuple[Step, Mapping[str, Any]] | None] = Queue()
        self._closed = threading.Event()
        for work in (self._run_inline, self._watch):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()

    def start(self, step: Step, arguments: Mapping[str, Any]) -> None:
        if step.inline:
            self._inline.put((step, arguments))
            return
        pod = self._pod(step)
        self._steps[pod.name] = step
        try:
            if step.id not in self._written:
                self._documents.write_input(step.id, step.function, arguments)
                self._written.add(step.id)
            self._pods.submit(pod)
        except (StoreError, Unpicklable, PodsError) as error:
            del self._steps[pod.name]
            self._end(step, Failed(_failure(error)))

    def next(self, timeout: float | None) -> Event | None:
        """:raises PodsError: the pods cannot be followed any more."""
        try:
            event = self._events.get(timeout=timeout)
        except Empty:
            return None
        if isinstance(event, BaseException):
            raise event
        return event

    def gather(self, step: Step, value: Any) -> Returned | Failed:
        """A large value whose type is right already is not loaded."""
        if isinstance(value, Artifact) and step.id not in self._is_cast:
            return Returned(value)
        try:
            result = cast_result(step.function, self._documents.load_all(value))
            if isinstance(result, Failed):
                return result
            return Returned(self._documents.keep(result.handle, "its result"))
        except (StoreError, Unpicklable) as error:
            return Failed(_failure(error))

    def cancel(self, steps: Sequence[Step]) -> None:
        ids = {step.id for step in steps}
        names = [name for name, step in list(self._steps.items()) if step.id in ids]
        for name in names:
            del self._steps[name]
        self._pods.delete(names)

    def close(self) -> None:
        """Wait for the logs; pods that still run are ended."""
        self._closed.set()
        self._inline.put(None)
        self._logs.close()
        self._pods.delete(list(self._steps))

    # Inline steps

    def _run_inline(self) -> None:
        while (work := self._inline.get()) is not None:
            step, arguments = work
            self._events.put(Started(step.id, "the driver"))
            self._end(step, self._outcome(step, arguments))

    def _outcome(self, step: Step, arguments: Mapping[str, Any]) -> Outcome:
        try:
            outcome = call(step.function, self._documents.load_all(dict(arguments)))
            if isinstance(outcome, Returned):
                return Returned(self._documents.keep(outcome.handle, "its result"))
            return outcome
        except (StoreError, Unpicklable) as error:
            return Failed(_failure(error))
        except BaseException as error:
            return Failed(Failure.of(error))

    def _end(self, step: Step, outcome: Outcome) -> None:
        value = outcome.value if isinstance(outcome, Expanded) else None
        if isinstance(value, Future) and value.type != step.function.returns:
            self._is_cast.add(step.id)
        self._events.put(Ended(step.id, outcome))

    # Pods

    def _pod(self, step: Step) -> PodSpec:
        return PodSpec(
            name=worker_name(step.id, step.attempt),
            run_id=self._run_id,
            step_id=step.id,
            image=self._image,
            arguments=("--run_id", step.id),
            env={**self._env, "SEMATIC_ATTEMPT": str(step.attempt)},
            resources=step.resource_requirements,
            timeout=step.timeout_seconds,
        )

    def _watch(self) -> None:
        """Turn what happens to pods into what happens to steps."""
        while not self._closed.is_set():
            try:
                event = self._pods.next(_PATIENCE)
            except Exception as error:
                self._events.put(error)
                return
            step = self._steps.get(event.name) if event else None
            if event is not None and step is not None:
                self._take(event, step)

    def _take(self, event: PodEvent, step: Step) -> None:
        if event.phase == "running":
            self._events.put(Started(step.id, f"pod {event.name}"))
            self._logs.follow(event.name, step)
        elif event.phase == "pending":
            if event.message:
                self._events.put(Waiting(step.id, event.message))
        else:
            attempt = step.attempt  # the loop counts it up once it knows of the end
            self._steps.pop(event.name, None)
            self._end(step, self._ended(event, step, attempt))
            self._logs.finish(event.name, step, attempt)

    def _ended(self, event: PodEvent, step: Step, attempt: int) -> Outcome:
        try:
            outcome = self._documents.read_outcome(step.id, attempt)
        except StoreError as error:
            return Failed(_failure(error))
        except Exception as error:  # what a pickle raises that is not for this interpreter
            return Failed(Failure.of(error, "store"))
        return outcome or Failed(_end_without_outcome(event))


def _failure(error: Exception) -> Failure:
    if isinstance(error, StoreError):
        return Failure("store", str(error), infrastructure=error.is_passing)
    if isinstance(error, PodsError):
        return Failure("refused", str(error))
    return Failure("unpicklable", str(error))


def _end_without_outcome(event: PodEvent) -> Failure:
    """Why there is no outcome, as far as the pod's end tells."""
    if event.phase == "succeeded" or (event.cause is None and event.exit_code == 0):
        message = "its process ended without a result: was os._exit called?"
        return Failure("no-result", message)
    cause = event.cause or "exit"
    message = event.message or f"its process ended with exit code {event.exit_code}"
    return Failure(cause, message, infrastructure=cause in INFRASTRUCTURE)
