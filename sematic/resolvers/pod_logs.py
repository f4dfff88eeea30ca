"""What pods write: shown while they run, kept in the store when they have ended."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import IO

from sematic.resolvers.documents import Documents
from sematic.resolvers.pods import Pods, PodsError
from sematic.resolvers.step import Step
from sematic.resolvers.stores import StoreError, scratch

MOST_BYTES = 32 << 20
_AT_ONCE = 8
_PIECE = 64 << 10

Show = Callable[[Step, bytes], None]
"""Told of each line that a step's pod writes."""


class Logs:
    """The logs of one run's pods.

    :param show: where lines go at once; without it they are read when a pod has ended.
    """

    def __init__(self, documents: Documents, pods: Pods, show: Show | None = None) -> None:
        self._documents = documents
        self._pods = pods
        self._show = show
        self._threads = ThreadPoolExecutor(_AT_ONCE, "logs")
        self._followers: dict[str, threading.Thread] = {}
        self._shown: Counter[str] = Counter()
        """Lines of each pod."""

    def follow(self, pod: str, step: Step) -> None:
        """A pod has begun to run."""
        if self._show is None or pod in self._followers:
            return
        thread = threading.Thread(target=self._follow, args=(pod, step), daemon=True)
        self._followers[pod] = thread
        thread.start()

    def finish(self, pod: str, step: Step, attempt: int) -> None:
        """A pod has ended: keep its log, and remove the pod. Returns at once."""
        follower = self._followers.pop(pod, None)
        self._threads.submit(self._keep, pod, step, attempt, follower)

    def close(self) -> None:
        """Return when all logs are kept and their pods removed."""
        self._threads.shutdown()

    def _follow(self, pod: str, step: Step) -> None:
        assert self._show is not None
        with suppress(PodsError):
            for line in lines(self._pods.logs(pod, follow=True)):
                self._shown[pod] += 1
                self._show(step, line)

    def _keep(self, pod: str, step: Step, attempt: int, follower: threading.Thread | None) -> None:
        if follower is not None:
            follower.join(5)
        with suppress(PodsError, StoreError), scratch() as file:
            for chunk in self._pods.logs(pod):
                file.write(chunk[: MOST_BYTES - file.tell()])
                if file.tell() >= MOST_BYTES:
                    break
            if file.tell():
                self._documents.write_log(step.id, attempt, file)
            if follower is None or not follower.is_alive():
                self._show_rest(pod, step, file)
        with suppress(PodsError):
            self._pods.delete([pod])

    def _show_rest(self, pod: str, step: Step, file: IO[bytes]) -> None:
        """Show what nobody followed: a stream may break, or begin too late."""
        if self._show is None:
            return
        file.seek(0)
        for line in islice(lines(iter(lambda: file.read(_PIECE), b"")), self._shown[pod], None):
            self._show(step, line)


def lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Lines, without their ends, of bytes that come in pieces."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest
