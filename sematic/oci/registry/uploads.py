"""Sending blobs into a repository, in a way that its registry takes.

A blob goes in one PUT where its digest is known beforehand, else in one streamed PATCH that a
PUT closes; where a registry refuses the one way, the other is taken. Bytes never go twice into
the same session: a session that failed is given up, and a new one opened.
"""

from __future__ import annotations

from collections import deque

from sematic.oci.blob import Blob, Progress
from sematic.oci.errors import RegistryError
from sematic.oci.registry.body import Body
from sematic.oci.registry.client import RegistryClient
from sematic.oci.registry.failures import SESSION_LOST, is_lost
from sematic.oci.values import mutable

_TRIES = 5
_REFUSALS = {400, 404, 405, 411, 415, 416, 501}
_OTHER_REASONS = SESSION_LOST | {
    *("DIGEST_INVALID", "SIZE_INVALID", "NAME_INVALID", "NAME_UNKNOWN"),
    *("DENIED", "UNAUTHORIZED", "TOOMANYREQUESTS"),
}


@mutable
class _Session:
    """An upload session: where it is now, what goes into it and by which method."""

    location: str
    body: Body
    method: str = ""


class Uploads:
    """The uploads into one repository; threads may share it."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client
        self._refused: set[str] = set()

    def send(self, blob: Blob, progress: Progress, location: str | None = None) -> int:
        """Send a blob; afterwards its descriptor is known. Gives the bytes that were sent.

        :param location: an upload session that is open already.
        :raises RegistryError: the registry does not take it.
        """
        counter = _Counter(progress)
        failures: list[RegistryError] = []
        while True:
            body = self._body(blob, counter, bool(failures))
            session = _Session(location or self._client.open_upload(), body)
            try:
                self._send(session, blob)
                return counter.total
            except RegistryError as error:
                if self._has_arrived(session, blob, error):
                    return counter.total
                self._cancel(session)
                failures.append(error)
                if not self._is_worth_another(session, failures):
                    raise
            except BaseException:
                self._cancel(session)
                raise
            finally:
                session.body.close()
            location = None

    def _body(self, blob: Blob, counter: _Counter, has_failed: bool) -> Body:
        if blob.descriptor is None and (has_failed or "PATCH" in self._refused):
            # For the digest, without which it can neither go in one PUT nor be asked for.
            deque(blob.open(), maxlen=0)
        counter.restart()
        size = blob.descriptor.size if blob.descriptor else None
        return Body(blob.name, blob.open(), size, counter)

    def _send(self, session: _Session, blob: Blob) -> None:
        if blob.descriptor is not None and "PUT" not in self._refused:
            session.method = "PUT"
            self._client.put_upload(session.location, blob.descriptor.digest, session.body)
            return
        session.method = "PATCH"
        session.location = self._client.patch_upload(session.location, session.body)
        session.method = ""
        assert blob.descriptor is not None, f"{blob.name} has been read, but has no descriptor"
        self._client.commit_upload(session.location, blob.descriptor.digest)

    def _cancel(self, session: _Session) -> None:
        self._client.cancel_upload(session.location)

    def _has_arrived(self, session: _Session, blob: Blob, error: RegistryError) -> bool:
        """Whether the blob is there in spite of the error: the answer may just have been late."""
        if session.body.failure or blob.descriptor is None or not is_lost(error):
            return False
        try:
            return self._client.has_blob(blob.descriptor)
        except RegistryError:
            return False

    def _is_worth_another(self, session: _Session, failures: list[RegistryError]) -> bool:
        error = failures[-1]
        if session.body.failure or len(failures) >= _TRIES:
            return False
        if is_lost(error):
            return True
        is_out_of_step = error.status == 416 and not session.method
        if error.status == 401 or is_out_of_step or "DIGEST_INVALID" in error.codes:
            # A token ran out meanwhile; bytes were lost or went bad on the way. None happens twice.
            return all(earlier.status != error.status for earlier in failures[:-1])
        return self._refuses_method(session.method, error)

    def _refuses_method(self, method: str, error: RegistryError) -> bool:
        """Whether a registry does not take this kind of upload, and there is another left."""
        if not method or error.status not in _REFUSALS or _OTHER_REASONS.intersection(error.codes):
            return False
        self._refused.add(method)
        return len(self._refused) < 2


class _Counter:
    """Counts all bytes, but tells of those only that go further than any before."""

    def __init__(self, progress: Progress) -> None:
        self.total = 0
        self._progress = progress
        self._position = 0
        self._furthest = 0

    def restart(self) -> None:
        self._position = 0

    def __call__(self, count: int) -> None:
        self.total += count
        self._position += count
        gain = max(0, self._position - self._furthest)
        self._furthest += gain
        self._progress(gain)
