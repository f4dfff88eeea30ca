"""Driving a run: the scheduling loop on pods, with its records and logs. Here, or in a pod."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sematic.errors import PipelineError, RunCanceled
from sematic.future import Future
from sematic.resolvers.documents import Documents, Handle
from sematic.resolvers.loop import Listener, Loop, StateChanged, ignore
from sematic.resolvers.pod_executor import PodExecutor
from sematic.resolvers.pod_logs import Logs, Show
from sematic.resolvers.pods.place import Place
from sematic.resolvers.recorder import Recorder
from sematic.resolvers.records import RunRecord, abandon
from sematic.resolvers.step import State
from sematic.resolvers.store_cache import StoreCache
from sematic.resolvers.stores import open_store


@dataclass(frozen=True, slots=True)
class Drive:
    """What a run is driven with.

    :param run: its record, written already.
    :param show: where lines of pods go at once; None to keep them only.
    :param listener: told of every change of a step.
    """

    run: RunRecord
    place: Place
    max_parallelism: int | None = None
    show: Show | None = None
    listener: Listener = ignore

    def resolve(self, future: Future[Any]) -> Handle:
        """Resolve a run's root future; the handle of its value, which is bound as its result.

        :raises PipelineError: a step failed.
        :raises RunCanceled: somebody canceled the run.
        """
        run = self.run
        store = open_store(run.store)
        documents = Documents(store)
        pods = self.place.pods(run, drives=True)
        env = {"SEMATIC_STORE": run.store, "SEMATIC_RUN_ID": run.id}
        logs = Logs(documents, pods, self.show)
        executor = PodExecutor(run.id, run.image, documents, pods, logs, env)
        recorder = Recorder(self.place.records, run, lambda: loop.cancel("by somebody else"))

        def heard(change: StateChanged) -> None:
            recorder.heard(change)
            self.listener(change)

        loop = Loop(
            future,
            executor,
            listener=heard,
            max_parallelism=self.max_parallelism,
            cache=StoreCache(store),
        )
        try:
            handle: Handle = documents.keep(loop.run(), "the result")
            documents.write_result(run.id, handle)
        except BaseException as error:
            executor.close()
            recorder.close(*_end_of(error))
            if recorder.is_canceled:  # a step fails when its pod is taken away
                raise RunCanceled(f"run {run.id} was canceled", run_id=run.id) from None
            raise
        else:
            executor.close()
            recorder.close(State.RESOLVED)
            return handle
        finally:
            pods.close()


@contextmanager
def abandoning(run: RunRecord, place: Place) -> Iterator[None]:
    """Whatever keeps a driver from its work ends the run's record too."""
    try:
        yield
    except BaseException as error:
        abandon(place.records, run.id, _end_of(error)[1])
        raise


def _end_of(error: BaseException) -> tuple[State, str, str]:
    """State, reason and traceback of a run that ended by an exception."""
    if isinstance(error, PipelineError):
        return State.FAILED, error.args[0], error.traceback
    if isinstance(error, (RunCanceled, KeyboardInterrupt)):
        return State.CANCELED, str(error) or "interrupted", ""
    return State.FAILED, f"the driver failed: {type(error).__name__}: {error}", ""
