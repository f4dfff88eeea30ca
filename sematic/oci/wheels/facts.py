"""What is known of a wheel without opening it: enough to plan layers, too little to make one."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from sematic.oci.environment.distributions import Recorded, normal_name, read_record
from sematic.oci.files import FileEntry
from sematic.oci.manifest import to_json
from sematic.oci.tar import in_order, tar_chunks
from sematic.oci.untrusted import MOST_BYTES, parse_json
from sematic.oci.wheels.listing import Listing

VERSION = 1
"""Counted up when another layer is made of the same wheel."""


@dataclass(frozen=True)
class Facts:
    """What is known of a wheel.

    :param name: as its METADATA writes it.
    :param folder: its .dist-info.
    :param library: the site-packages of the image that this is about.
    :param size: bytes of the files that go in as they are.
    :param record: the RECORD that it has in the image.
    :param contents: the digest (hex) of all that goes in, if the wheel was built for it: its file
        may come out otherwise each time, with other times in it. Empty for another.
    """

    name: str
    version: str
    folder: str
    library: str
    size: int
    record: str
    contents: str = ""

    @classmethod
    def of(cls, listing: Listing, *, is_built: bool = False) -> Facts:
        entries = listing.entries()
        whole = sum(entry.size for entry in entries if entry.source)
        record = next(entry.data for entry in entries if entry.path == listing.record)
        text = record.decode()
        contents = _digest(entries) if is_built else ""
        return cls(
            listing.name, listing.version, listing.folder, listing.library, whole, text, contents
        )

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def key(self) -> str:
        return normal_name(self.name)

    @cached_property
    def files(self) -> Mapping[str, Recorded]:
        """The lines of its RECORD by the paths of their files in the image."""
        lines = read_record(self.record)
        return {posixpath.normpath(f"{self.library}/{line.path}"): line for line in lines}

    def to_bytes(self) -> bytes:
        """As it is remembered and published: JSON, compressed."""
        from zstandard import ZstdCompressor

        return ZstdCompressor().compress(to_json(asdict(self)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Facts | None:
        """The facts that were written so; None if these are none.

        They may come from strangers: they are bounded in size.
        """
        from zstandard import ZstdDecompressor, ZstdError

        try:
            with ZstdDecompressor(max_window_size=MOST_BYTES).stream_reader(data) as stream:
                document = parse_json(stream.read(MOST_BYTES + 1))
            facts = cls(**document)
        except (ValueError, TypeError, ZstdError):
            return None
        texts = [facts.name, facts.version, facts.folder, facts.library, facts.record]
        texts.append(facts.contents)
        is_sound = type(facts.size) is int and all(isinstance(text, str) for text in texts)
        return facts if is_sound else None


def _digest(entries: Iterable[FileEntry]) -> str:
    """Of the tar that entries are in."""
    own = hashlib.sha256()
    for chunk in tar_chunks(in_order(entries), 0):
        own.update(chunk)
    return own.hexdigest()
