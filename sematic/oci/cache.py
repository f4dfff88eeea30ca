"""What this machine remembers between runs: one SQLite file, which may be lost at any time.

The file holds no layer bytes: only what came out when layers were made, small documents (base
manifests and configs, listings), and what was last seen where. All of it is a hint that is
checked where it matters. A damaged file is set aside and begun anew; a folder that cannot be
written means that nothing is remembered, and is said once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from sematic.oci.compression import Compression
from sematic.oci.folders import cache_folder
from sematic.oci.layer import Made
from sematic.oci.values import frozen

_log = logging.getLogger("sematic.oci.cache")
_Value = TypeVar("_Value")

_FILE = "oci-1.sqlite"  # the number is the version of what is in it
PACKAGES = "packages"
"""The folder beside it with what bases are made of, which may be lost as well."""

_DAY = 86400
_WAIT = 10.0  # seconds that another process may take
_KEEP_DAYS = 30
_TABLES = """
create table if not exists memo (
    key text primary key, value blob not null, used integer not null) without rowid;
create table if not exists layer (
    fingerprint blob primary key, scanned integer not null, compression text not null,
    diff_id text not null, tar_size integer not null, digest text not null, size integer not null,
    used integer not null) without rowid;
create index if not exists layer_by_size on layer (tar_size, compression);
"""
# A file written within a tick of the scan could be written again in the same tick and look the
# same. Kernels stamp files with the time of their last timer interrupt (up to 10 ms ago); file
# systems that keep whole seconds only show it by their stamps.
_TICK = 20_000_000
_COARSE_TICK = 2_000_000_000


@frozen
class CacheInfo:
    """What there is: the file, its size (bytes), remembered layers and small values."""

    path: str
    size: int
    layers: int
    values: int


class Cache:
    """The memory of this machine. Safe to share between threads; processes share the file."""

    def __init__(self, folder: Path | None = None) -> None:
        self._path = (folder or cache_folder()) / _FILE
        self._lock = threading.RLock()
        self._connection = self._connect()

    @property
    def folder(self) -> Path:
        """Where it lies, and files that go with it."""
        return self._path.parent

    def recall(self, key: str) -> bytes | None:
        """The value remembered under a key, or None."""
        row = self._try(lambda db: self._touch(db, "memo", "key", key, "value"))
        return bytes(row[0]) if row else None

    def remember(self, key: str, value: bytes) -> None:
        """Remember a value, in place of an older one."""
        self.remember_all({key: value})

    def remember_all(self, values: Mapping[str, bytes]) -> None:
        """Remember many at once, which takes no longer than one."""
        rows = [(key, value, _now()) for key, value in values.items()]

        def remember(db: sqlite3.Connection) -> None:
            db.execute("begin immediate")
            with db:
                db.executemany("insert or replace into memo values (?, ?, ?)", rows)

        self._try(remember)

    def layer(self, fingerprint: bytes, newest: int) -> Made | None:
        """What came out when a layer with this fingerprint was made.

        :param newest: the latest mtime or ctime (ns) of its files. Where that is not older than
            the scan which the memory comes from, the files may have been written again since
            without looking different (git's "racy" index entries): then nothing is known.
        """
        columns = "scanned, diff_id, tar_size, digest, size"
        row = self._try(lambda db: self._touch(db, "layer", "fingerprint", fingerprint, columns))
        if row is None or newest >= row[0] - _tick(newest):
            return None
        return Made(*row[1:])

    def remember_layer(
        self, fingerprint: bytes, made: Made, compression: Compression, scanned: int
    ) -> None:
        """:param scanned: when (ns) the search for the layer's files began."""
        values = (
            fingerprint,
            scanned,
            str(compression),
            made.diff_id,
            made.tar_size,
            made.digest,
            made.size,
            _now(),
        )
        statement = "insert or replace into layer values (?, ?, ?, ?, ?, ?, ?, ?)"
        self._try(lambda db: db.execute(statement, values))

    def layers_of_size(self, tar_size: int, compression: Compression) -> list[Made]:
        """What is remembered of layers whose tar had this size: one may be the same tar."""
        statement = (
            "select distinct diff_id, tar_size, digest, size from layer "
            "where tar_size = ? and compression = ?"
        )
        rows = self._try(lambda db: db.execute(statement, (tar_size, str(compression))).fetchall())
        return [Made(*row) for row in rows or ()]

    def info(self) -> CacheInfo:
        count = "select (select count(*) from layer), (select count(*) from memo)"
        layers, values = self._try(lambda db: db.execute(count).fetchone()) or (0, 0)
        size = self._path.stat().st_size if self._path.exists() else 0
        return CacheInfo(str(self._path), size, layers, values)

    def prune(self, days: float = _KEEP_DAYS) -> int:
        """Forget what was not used for so many days; the number of things forgotten."""
        before = _now() - int(days * _DAY)

        def forget(db: sqlite3.Connection) -> int:
            gone = db.execute("delete from layer where used <= ?", (before,)).rowcount
            gone += db.execute("delete from memo where used <= ?", (before,)).rowcount
            db.execute("vacuum")
            return gone

        for kept in (*self.folder.glob("looks/*"), *self.folder.glob(f"{PACKAGES}/*")):
            if int(kept.stat().st_mtime) <= before:
                kept.unlink(missing_ok=True)
        for old in self.folder.glob("oci-*.sqlite*"):
            if not old.name.startswith(_FILE) or ".damaged" in old.name:
                old.unlink(missing_ok=True)
        return (self._try(forget) or 0) + self._prune_files(before)

    def _prune_files(self, before: int) -> int:
        """Remove wheels that were not used since; folders that are empty then go with them."""
        gone = 0
        for folder, _, names in os.walk(self.folder / "wheels", topdown=False):
            for name in names:
                path = Path(folder, name)
                if path.stat().st_mtime <= before:
                    path.unlink()
                    gone += 1
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        return gone

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _connect(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return self._open_in_turn()
        except sqlite3.OperationalError as error:
            return self._without(error)
        except sqlite3.DatabaseError as error:
            return self._anew(error)
        except OSError as error:
            return self._without(error)

    def _open_in_turn(self) -> sqlite3.Connection:
        """Of many that make the file at once, SQLite lets some fail without waiting."""
        until = time.monotonic() + _WAIT
        while True:
            try:
                return self._open(str(self._path))
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.02)

    @staticmethod
    def _open(path: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, timeout=_WAIT, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = normal")
            connection.executescript(_TABLES)
        except BaseException:
            connection.close()
            raise
        return connection

    def _without(self, error: Exception) -> sqlite3.Connection:
        _log.warning("nothing is remembered: the cache %s cannot be used: %s", self._path, error)
        return self._open(":memory:")

    def _anew(self, error: Exception) -> sqlite3.Connection:
        """Set a damaged file aside. Another process may have done so at the same moment."""
        _log.warning("the cache %s is damaged (%s) and is begun anew", self._path, error)
        for suffix in ("", "-wal", "-shm"):
            path = Path(f"{self._path}{suffix}")
            try:
                path.replace(f"{path}.damaged")
            except OSError:
                continue
        try:
            return self._open(str(self._path))
        except sqlite3.Error as again:
            return self._without(again)

    def _try(self, work: Callable[[sqlite3.Connection], _Value]) -> _Value | None:
        """Do something with the database; None if it cannot be done."""
        with self._lock:
            try:
                return work(self._connection)
            except sqlite3.OperationalError as error:
                _log.debug("the cache did not answer: %s", error)
            except sqlite3.DatabaseError as error:
                self._connection.close()
                self._connection = self._anew(error)
            return None

    @staticmethod
    def _touch(
        db: sqlite3.Connection, table: str, key: str, value: str | bytes, columns: str
    ) -> tuple[Any, ...] | None:
        """A row, and once a day a note that it is still of use."""
        row = db.execute(
            f"select used, {columns} from {table} where {key} = ?",
            (value,),
        ).fetchone()
        if row is None:
            return None
        if row[0] < _now() - _DAY:
            db.execute(
                f"update {table} set used = ? where {key} = ?",
                (_now(), value),
            )
        return tuple(row[1:])


def _now() -> int:
    return int(time.time())


def _tick(newest: int) -> int:
    return _COARSE_TICK if newest % 1_000_000_000 == 0 else _TICK
