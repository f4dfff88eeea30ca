"""Where ``installer`` writes a wheel to: nowhere, a list is made of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from installer.destinations import WheelDestination
from installer.records import RecordEntry

if TYPE_CHECKING:
    from installer.scripts import ScriptSection
    from installer.utils import Scheme


class Written(NamedTuple):
    """A file that would have been written.

    :param scheme: ``purelib``, ``platlib``, ``scripts``, ``data`` or ``headers``.
    :param path: below the scheme's folder.
    :param member: its name in the wheel.
    """

    scheme: str
    path: str
    member: str
    is_executable: bool


class ListDestination(WheelDestination):
    """A destination that notes what it is given, and reads nothing of it."""

    def __init__(self) -> None:
        self.files: list[Written] = []
        self.scripts: dict[str, str] = {}
        """Console scripts: ``module:attribute`` by name."""

    def write_script(
        self, name: str, module: str, attr: str, section: ScriptSection
    ) -> RecordEntry:
        self.scripts[name] = f"{module}:{attr}"
        return RecordEntry(name, None, None)

    def write_file(
        self, scheme: Scheme, path: str | os.PathLike[str], stream: BinaryIO, is_executable: bool
    ) -> RecordEntry:
        inner = os.fspath(path)
        self.files.append(Written(scheme, inner, stream.name, is_executable))
        return RecordEntry(inner, None, None)

    def finalize_installation(
        self, scheme: Scheme, record_file_path: str, records: Iterable[tuple[Scheme, RecordEntry]]
    ) -> None:
        """Nothing: RECORD is written when it is known what goes into the image."""
