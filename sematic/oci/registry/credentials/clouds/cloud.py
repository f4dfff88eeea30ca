"""What is known of a cloud without its library."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from sematic.oci.registry.credentials.credential import Credential
from sematic.oci.values import frozen

if TYPE_CHECKING:
    from sematic.oci.registry.transport import Transport


@frozen
class Cloud:
    """A cloud.

    :param extra: of this distribution, which brings the cloud's library.
    :param hosts: matches the names of its registries, and no others: they get a secret.
    :param login: how people make themselves known to it.
    :param ask: has the library find out who the environment is, and gets what a registry wants to
        be shown for that. Raises what the library raises.
    """

    name: str
    extra: str
    hosts: re.Pattern[str]
    login: str
    ask: Callable[[str, Transport], Credential]

    def failure(self, error: Exception) -> str:
        """Why there is no credential, and what to do, on one line."""
        if isinstance(error, ModuleNotFoundError):
            return f"To be there who you are at {self.name}: pip install 'sematic[{self.extra}]'"
        said = _first_line(error).rstrip(".")
        return f"{self.name} gave no credentials: {said}. {self.login}"


def _first_line(error: Exception) -> str:
    """What an exception says first. What follows may hold what was sent (AWS repeats headers)."""
    lines = str(error.args[0]).strip().splitlines() if error.args else []
    said = " ".join(lines[0].split()) if lines else type(error).__name__
    return said if len(said) <= 300 else said[:297] + "..."
