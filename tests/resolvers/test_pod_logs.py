from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sematic.function import func
from sematic.resolvers.documents import Documents
from sematic.resolvers.pod_logs import Logs
from sematic.resolvers.pods import PodEvent, PodsError, PodSpec
from sematic.resolvers.step import Step
from sematic.resolvers.stores import open_store

LOG = b"one\ntwo\nthree\n"


@func
def work() -> None:
    pass


class Pods:
    """Pods that have all written the same, and of which a stream breaks after some bytes."""

    def __init__(self, breaks_at: int | None) -> None:
        self.breaks_at = breaks_at
        self.deleted: list[str] = []

    def logs(self, name: str, *, follow: bool = False) -> Iterator[bytes]:
        if not follow:
            yield LOG
            return
        yield LOG[: self.breaks_at]
        if self.breaks_at is not None:
            raise PodsError("the API server is away")

    def delete(self, names: Sequence[str]) -> None:
        self.deleted += names

    def submit(self, pod: PodSpec) -> None: ...

    def next(self, timeout: float | None = None) -> PodEvent | None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize("breaks_at", [None, 0, 4, 8])
def test_every_line_is_shown_once_and_kept(breaks_at: int | None, tmp_path: Path) -> None:
    documents, pods = Documents(open_store(str(tmp_path))), Pods(breaks_at)
    step, shown = Step("id", work(), None), []
    logs = Logs(documents, pods, lambda step, line: shown.append(line))
    logs.follow("pod", step)
    logs.finish("pod", step, 1)
    logs.close()
    assert shown == [b"one", b"two", b"three"]
    with documents.read_log("id", 1) or pytest.fail("nothing is kept") as kept:
        assert kept.read() == LOG
    assert pods.deleted == ["pod"]


def test_a_pod_that_was_over_before_anybody_followed_is_shown(tmp_path: Path) -> None:
    step, shown = Step("id", work(), None), []
    logs = Logs(
        Documents(open_store(str(tmp_path))), Pods(None), lambda step, line: shown.append(line)
    )
    logs.finish("pod", step, 1)
    logs.close()
    assert shown == [b"one", b"two", b"three"]
