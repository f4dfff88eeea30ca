"""How layers are compressed: zstd or gzip, the same bytes whatever the number of CPUs.

zstd's multi-threaded mode cuts the input into jobs of a fixed size, so its output does not
depend on how many threads work on them; it does differ from that of its single-threaded mode,
which is therefore never used. The smaller jobs keep its buffers small.
"""

from __future__ import annotations

import os
import zlib
from typing import Any, Protocol

from sematic.oci.errors import SettingsError
from sematic.oci.values import frozen

_LEVELS = {"zstd": range(1, 20), "gzip": range(1, 10)}
_DEFAULTS = {"zstd": 2, "gzip": 1}
_JOB = 1 << 20
_SMALL = 4 << 20
"""zstd is told how long input of up to so many bytes is, and takes smaller tables for it."""
_MOST = 19
"""The logarithm of the entries (4 bytes) that a table has for it at most."""

_TABLES = {2: {"hash_log": 15}}
"""Other sizes of tables than zstd's own for a level: docs/design.md says why."""


class Compressor(Protocol):
    """The state of one compressed stream."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


@frozen
class Compression:
    """An algorithm and its level."""

    algorithm: str
    level: int

    @classmethod
    def parse(cls, text: str) -> Compression:
        """Read ``zstd``, ``gzip``, ``zstd:LEVEL`` (1 to 19) or ``gzip:LEVEL`` (1 to 9).

        :raises SettingsError: it is none of these.
        """
        algorithm, colon, level = text.partition(":")
        levels = _LEVELS.get(algorithm)
        if levels is None:
            raise SettingsError(f"compression {text!r}: write zstd or gzip, or either with :LEVEL")
        if not colon:
            return cls(algorithm, _DEFAULTS[algorithm])
        if not level.isdecimal() or int(level) not in levels:
            raise SettingsError(
                f"compression {text!r}: {algorithm} has levels {levels[0]} to {levels[-1]}"
            )
        return cls(algorithm, int(level))

    def start(self, size: int = 0) -> Compressor:
        """A new stream.

        :param size: of what will be compressed (bytes), on which the outcome depends; 0 if it is
            not known.
        """
        return _zstd(self.level, size) if self.algorithm == "zstd" else _Gzip(self.level)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.level}"


def _zstd(level: int, size: int) -> Compressor:
    import zstandard

    told = size if size <= _SMALL else 0
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level,
        source_size=told,
        # More than one for a single job is waited for, a few ms of an edit.
        threads=1 if 0 < size <= _JOB else max(1, min(4, os.cpu_count() or 1)),
        job_size=_JOB,
        write_checksum=True,
        write_content_size=False,
        **(_TABLES.get(level) or (_small_tables(level, told) if told else {})),
    )
    stream: Any = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return stream  # type: ignore[no-any-return]


def _small_tables(level: int, size: int) -> dict[str, int]:
    import zstandard

    own = zstandard.ZstdCompressionParameters.from_level(level, source_size=size)
    return {"hash_log": min(own.hash_log, _MOST), "chain_log": min(own.chain_log, _MOST)}


class _Gzip:
    """RFC 1952 with a header that names no operating system, file or time."""

    def __init__(self, level: int) -> None:
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
        self._header = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
        self._crc = 0
        self._size = 0

    def compress(self, data: bytes, /) -> bytes:
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        header, self._header = self._header, b""
        return header + self._deflate.compress(data)

    def flush(self) -> bytes:
        trailer = self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")
        header, self._header = self._header, b""
        return header + self._deflate.flush() + trailer
