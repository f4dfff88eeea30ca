"""The Dockerfile that builders are given, and the folder they find things in.

As a project has it that keeps its environment within: what changes seldom lies beneath, and the
ignore file names what is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.peer import Setting

# In a mount namespace of the builder's own, so that nothing is copied before it is measured.
_MOUNTED = 'mount --bind "$1" environment && mount --bind "$2" project && shift 2 && exec "$@"'
_IGNORED = """\
*
!environment
!project
**/__pycache__
"""


@dataclass(frozen=True)
class Context:
    """A folder with a Dockerfile, to be the working directory of what `before` begins."""

    folder: Path
    before: Sequence[str | Path]


def write_context(setting: Setting, *, link: bool = False) -> Context:
    """:param link: have layers that do not depend on those beneath, which only BuildKit knows."""
    folder = setting.scratch / "context"
    for name in ("environment", "project"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    copy = "COPY --link" if link else "COPY"
    (folder / ".dockerignore").write_text(_IGNORED)
    (folder / "Dockerfile").write_text(
        f"FROM {setting.base}\n"
        f"ENV PYTHONPATH=/opt/site-packages:/app\n"
        f"{copy} environment /opt/site-packages\n"
        f"{copy} project /app\n"
    )
    unshare = ("unshare", "--mount", "--propagation", "private", "--", "sh", "-c", _MOUNTED, "sh")
    return Context(folder, (*unshare, setting.site_packages, setting.project))
