"""All in this process, and not a word."""

from __future__ import annotations

from typing import TypeVar

from sematic.future import Future
from sematic.resolvers.executor import Cache
from sematic.resolvers.in_process import InProcess
from sematic.resolvers.loop import Listener, Loop, StateChanged, ignore
from sematic.resolvers.resolver import Resolver

T = TypeVar("T")


class SilentResolver(Resolver):
    """Runs all steps here, one after another, whether they are inline or not.

    ``timeout_mins`` is looked at when a func comes back: one that took longer has failed, but is
    not interrupted. Resource requirements mean nothing here.

    :param listener: is told of every change of a step.
    :param cache: for funcs with ``cache=True``; without one they run each time.
    """

    def __init__(self, *, listener: Listener = ignore, cache: Cache | None = None) -> None:
        self._listener = listener
        self._cache = cache

    def resolve(self, future: Future[T]) -> T:
        """The value.

        :raises PipelineError: a step failed.
        """
        # One at a time: what has not begun when a step fails has not been scheduled either.
        loop = Loop(future, InProcess(), listener=self._hear, max_parallelism=1, cache=self._cache)
        value: T = loop.run()
        return value

    def _hear(self, change: StateChanged) -> None:
        self._listener(change)
