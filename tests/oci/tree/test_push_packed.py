"""A push of a tree so large that its folders are packed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sematic.oci import plan
from sematic.oci.cache import Cache
from sematic.oci.events import Event, Noticed
from sematic.oci.project import push
from sematic.oci.project_image import Build
from sematic.oci.settings import read_settings
from sematic.oci.tree import walk


def test_a_file_that_changes_after_the_walk_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "_UNPACKED", 0)
    monkeypatch.setattr(plan, "_LARGE_TREE", 0)
    project = tmp_path / "project"
    (project / "app").mkdir(parents=True)
    (project / "app" / "one.py").write_text("1")
    settings = read_settings(
        project, repository=f"oci-layout:{tmp_path / 'layout'}", environment=False
    )
    told: list[str] = []
    edits = iter(["changed\n"])

    def edit(built: Build) -> None:
        for text in edits:
            (project / "app" / "one.py").write_text(text)

    def listen(event: Event) -> None:
        if isinstance(event, Noticed):
            told.append(event.message)

    cache = Cache(tmp_path / "cache")
    delivered = push(project, settings, cache=cache, listener=listen, check=edit)
    assert any("app/ has changed since it was found; looking again" in text for text in told)
    assert push(project, settings, cache=cache).digest == delivered.digest
    other = Cache(tmp_path / "other")
    assert push(project, settings, cache=other).digest == delivered.digest
