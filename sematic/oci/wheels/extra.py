"""The libraries that only requirements mode needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sematic.oci.errors import RequirementsError


@contextmanager
def needs_extra() -> Iterator[None]:
    """Say which extra is missing, where an import of one of them fails.

    :raises RequirementsError: it does.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        raise RequirementsError(
            f"an image from requirements needs {name}, which is not installed here, or too old.\n"
            "Install it: pip install 'sematic[requirements]'"
        ) from None
