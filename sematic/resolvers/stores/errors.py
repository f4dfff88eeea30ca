"""What can go wrong with a store."""

from __future__ import annotations


class StoreError(Exception):
    """A store cannot be reached, refuses, is full, or holds something else than it should.

    :param message: what was tried, where, why it failed, what to do.
    :param is_passing: whether the same may well succeed later.
    """

    def __init__(self, message: str, *, is_passing: bool = False) -> None:
        super().__init__(message)
        self.is_passing = is_passing
