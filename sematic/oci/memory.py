"""The memory of a process that is a command."""

from __future__ import annotations

from contextlib import suppress

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD in malloc.h
_LARGE = 1 << 20


def give_back_large() -> None:
    """Have glibc give back large blocks once they are freed (mallopt(3)); elsewhere, do nothing.

    By itself it does so only until the first are freed, and then keeps them, in each thread: 30 MB
    of a first push with two CPUs, 50 with four. This is for all of the process, so a library that
    others import does not do it.
    """
    import ctypes  # 3 ms, which an edit does not need

    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)
