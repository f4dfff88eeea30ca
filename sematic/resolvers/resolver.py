"""What resolves futures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from sematic.future import Future


class Resolver(ABC):
    """Resolves futures, somewhere and somehow."""

    @abstractmethod
    def resolve(self, future: Future[Any]) -> Any:
        """The value of a future, or what the resolver gives instead.

        :raises PipelineError: a step failed.
        :raises RunCanceled: the run was cancelled.
        """
