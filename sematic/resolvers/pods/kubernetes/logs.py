"""What a pod has written, in one piece however often the connection breaks off."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from sematic.resolvers.pods.kubernetes.client import HASTY, Api
from sematic.resolvers.pods.kubernetes.errors import ApiError

_SILENCE = 30.0
_FOLLOWED_SILENCE = 300.0  # then it is asked for again, from its beginning
_TRIES = 3
_REST_SECONDS = 0.5


def read_log(api: Api, name: str, *, follow: bool = False) -> Iterator[bytes]:
    """The log of a pod, to its end if followed.

    :raises PodsError: it cannot be read.
    """
    query = {"follow": "true"} if follow else {}
    silence = _FOLLOWED_SILENCE if follow else _SILENCE
    seen = tries = 0
    while True:
        tries += 1
        try:
            response = api.stream(
                "get", "pods/log", name, query=query, silence=silence, patience=HASTY
            )
            with closing(response):
                skipped = seen
                while chunk := response.read1():
                    fresh, skipped = chunk[skipped:], max(0, skipped - len(chunk))
                    seen += len(fresh)
                    if fresh:
                        yield fresh
            if not follow:
                return
        except ApiError as error:
            if error.is_missing or (_is_waiting(error) and not follow):
                return
            if not _is_waiting(error):
                raise
        except OSError:
            if not follow and tries >= _TRIES:
                raise
        if follow and _is_ended(api, name):
            return
        time.sleep(_REST_SECONDS)


def _is_waiting(error: ApiError) -> bool:
    """Whether there is no log because nothing has run yet."""
    return error.status == 400


def _is_ended(api: Api, name: str) -> bool:
    try:
        pod = api.request("get", "pods", name)
    except ApiError as error:
        if error.is_missing:
            return True
        raise
    return pod["status"].get("phase") in ("Succeeded", "Failed")
