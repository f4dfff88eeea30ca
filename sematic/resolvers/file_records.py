"""Records of runs in a folder of this machine, for pods that run here."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sematic.resolvers.records import ON_REQUEST, RecordsError, RunRecord, Steered

_RECORD, _CANCELED = ".run", ".canceled"
_LOOK_SECONDS = 0.1


class FileRecords:
    """``ID.run`` for each run, and ``ID.canceled`` beside it once somebody has canceled it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, record: RunRecord) -> None:
        if self._path(record.id, _CANCELED).exists() and record.state != "CANCELED":
            raise Steered(f"run {record.id} was canceled")
        self._folder.mkdir(parents=True, exist_ok=True)
        number, hidden = tempfile.mkstemp(prefix=".incoming-", dir=self._folder)
        try:
            with open(number, "wb") as file:
                file.write(record.to_bytes())
            os.replace(hidden, self._path(record.id, _RECORD))
        except BaseException:
            Path(hidden).unlink(missing_ok=True)
            raise

    def read(self, run_id: str) -> RunRecord | None:
        found = sorted(self._folder.glob(f"{_literal(run_id)}*{_RECORD}"))
        if len(found) > 1:
            ids = ", ".join(path.stem for path in found[:5])
            raise RecordsError(f"several runs have ids that begin with {run_id}: {ids}")
        return self._read(found[0]) if found else None

    def watch(self, run_id: str) -> Iterator[RunRecord]:
        seen = -1
        while True:
            stamp = self._stamp(run_id)
            if stamp != seen:
                seen = stamp
                record = self.read(run_id)
                if record is None:
                    return
                yield record
                if record.is_ended:
                    return
            time.sleep(_LOOK_SECONDS)

    def list(self) -> list[RunRecord]:
        records = [self._read(path) for path in self._folder.glob(f"*{_RECORD}")]
        return sorted(records, key=lambda record: record.created, reverse=True)

    def cancel(self, run_id: str) -> None:
        record = self.read(run_id)
        if record is None or record.is_ended:
            return
        self._path(record.id, _CANCELED).touch()
        record.state, record.reason = "CANCELED", ON_REQUEST
        record.updated = time.time()
        self.write(record)

    def remove(self, run_id: str) -> None:
        for suffix in (_RECORD, _CANCELED):
            self._path(run_id, suffix).unlink(missing_ok=True)

    def _path(self, run_id: str, suffix: str) -> Path:
        return self._folder / f"{run_id}{suffix}"

    def _stamp(self, run_id: str) -> int:
        with suppress(OSError):
            return self._path(run_id, _RECORD).stat().st_mtime_ns
        return 0

    def _read(self, path: Path) -> RunRecord:
        try:
            return RunRecord.from_bytes(path.read_bytes())
        except (OSError, ValueError) as error:
            raise RecordsError(f"{path} cannot be read: {error}") from None


def _literal(text: str) -> str:
    import glob

    return glob.escape(text)
