"""Waiting for a registry: how long, how often, and for all threads together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sematic.oci.errors import RegistryError
from sematic.oci.events import Listener, Waiting
from sematic.oci.values import frozen


@frozen
class Patience:
    """How often a request is made, and how long is waited between. Times are in seconds.

    :param tries: for a host that has answered before.
    :param first_tries: for a host that has never answered: a wrong name or port shows at once.
    :param first: the first wait is at most this long; each that follows, twice as long.
    :param longest: no single wait is longer, even if the registry asks for it.
    :param total: after this time a request is not made again.
    :param read: no answer is waited for longer, whatever the request.
    :param sleep: in place of real waiting.
    """

    tries: int = 6
    first_tries: int = 3
    first: float = 0.5
    longest: float = 60
    total: float = 180
    read: float = 600
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] | None = None


class Backoff:
    """The waiting of all threads for one host: when it asks one to wait, all of them do.

    :param stopped: set when the work is given up: then nobody waits any longer.
    """

    def __init__(
        self, host: str, patience: Patience, listener: Listener, stopped: threading.Event
    ) -> None:
        self._host = host
        self._stopped = stopped
        self._patience = patience
        self._listener = listener
        self._lock = threading.Lock()
        self._until = 0.0
        self._failures = 0
        self._has_answered = False

    def wait(self) -> None:
        """Return when the host may be asked.

        :raises RegistryError: meanwhile the work was given up.
        """
        sleep = self._patience.sleep or self._stopped.wait
        while (rest := self._until - self._patience.clock()) > 0 and not self._stopped.is_set():
            sleep(rest)
        if self._stopped.is_set():
            raise RegistryError(f"{self._host} is not asked any more: the work was given up")

    def answered(self) -> None:
        with self._lock:
            self._has_answered = True
            self._failures = 0

    def failed(self, why: str, asked: float | None = None, *, answered: bool = False) -> None:
        """Take note of a failure.

        :param why: for people, as ``answered 503``.
        :param asked: seconds that the host asks to wait.
        :param answered: it failed in an answer: somebody is there.
        """
        now = self._patience.clock()
        with self._lock:
            self._has_answered |= answered
            if now < self._until and asked is None:
                return  # it failed for several threads at once, which counts once
            if now >= self._until:
                self._failures += 1
            delay = self._delay(asked)
            if now + delay <= self._until:
                return
            self._until = now + delay
        self._tell(why, delay, asked is not None)

    def is_exhausted(self, tries: int, started: float) -> bool:
        """Whether a request that was made so often, first then, is not worth another try."""
        patience = self._patience
        limit = patience.tries if self._has_answered else patience.first_tries
        return tries >= limit or max(self._until, patience.clock()) - started > patience.total

    def _delay(self, asked: float | None) -> float:
        import random  # 5 ms that only a failure is worth

        patience = self._patience
        if asked is not None:
            return min(asked, patience.longest)
        exponent = min(self._failures - 1, 16)
        return random.uniform(0, min(patience.first * 2**exponent, patience.longest))

    def _tell(self, why: str, delay: float, asked: bool) -> None:
        if delay < 1:
            return
        if asked:
            self._listener(Waiting(f"{self._host} asks to wait {delay:.0f} s"))
        else:
            self._listener(Waiting(f"{self._host} {why}; trying again in {delay:.0f} s"))
