"""The fault matrix: whatever happens to a request, the push is right or fails rightly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.faults.ground import PASSWORD, USER, ground
from tests.e2e.faults.matrix import Baseline, Cell, Verdict, baselines, cells, run_all
from tests.e2e.faults.table import document

_DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"


@dataclass(frozen=True)
class Matrix:
    baselines: list[Baseline]
    cells: list[Cell]
    verdicts: list[Verdict]


@pytest.fixture(scope="module")
def matrix(peers_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """Every case, run."""
    folder = tmp_path_factory.mktemp("faults")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("GOGC", "400")  # a third less time for registries
        patch.setenv("HOME", str(folder))
        patch.setenv("SEMATIC_REGISTRY_USERNAME", USER)
        patch.setenv("SEMATIC_REGISTRY_PASSWORD", PASSWORD)
        for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
            patch.delenv(name, raising=False)
        servers = stack.enter_context(ground(folder))
        found = baselines(servers)
        every = cells(found)
        yield Matrix(found, every, run_all(servers, every))


def test_every_push_succeeds_or_fails_as_it_should(
    matrix: Matrix, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [
        f"{cell}: {what}"
        for cell, verdict in zip(matrix.cells, matrix.verdicts, strict=True)
        for what in verdict.wrong
    ]
    with capsys.disabled():
        print(f"\nfaults: {len(matrix.cells):,} cases, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)


def test_the_document_shows_what_came_of_them(matrix: Matrix) -> None:
    text = document(matrix.baselines, matrix.cells, matrix.verdicts)
    before = _DOCUMENT.read_text() if _DOCUMENT.exists() else ""
    # Two requests to two hosts at once may be seen in either order.
    is_same = sorted(text.splitlines()) == sorted(before.splitlines())
    if not is_same:
        _DOCUMENT.write_text(text)
    assert is_same, f"{_DOCUMENT} was not what came of this run; it is now: look at it"
