"""What has no wheel: source distributions, folders and commits, built where that can be right."""

from __future__ import annotations

import base64
import functools
import http.server
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sematic.oci.errors import RequirementsError
from tests.oci.requirements.conftest import Make
from tests.oci.requirements.made import git, sources
from tests.oci.requirements.test_resolving import distributions
from tests.oci.wheels.made import make_sdist
from tests.peers.index import Index
from tests.projects import write_tree


@contextmanager
def served(folder: Path, user: str) -> Iterator[str]:
    """A repository by http for who has a login: HOST:PORT/NAME."""
    wanted = f"Basic {base64.b64encode(user.encode()).decode()}"

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") == wanted:
                return super().do_GET()
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing."""

    handler = functools.partial(Handler, directory=str(folder.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}/{folder.name}"
        server.shutdown()
        thread.join()


def builds(notes: list[str]) -> list[str]:
    return [note for note in notes if note.startswith("building")]


def test_a_pure_source_distribution_is_built(packages: Index, project: Path, make: Make) -> None:
    make_sdist(packages.folder, "pure", "1.0", sources("pure"))
    (project / "requirements.txt").write_text("pure\n")
    built = make("requirements.txt", platform="linux/arm64")
    assert distributions(built) == ["pure 1.0"]
    asked = len(packages.asked)
    assert distributions(make("requirements.txt", platform="linux/arm64")) == ["pure 1.0"]
    assert len(packages.asked) == asked


def test_a_native_source_distribution_is_refused_by_name_for_another_platform(
    packages: Index, project: Path, make: Make
) -> None:
    tag = f"cp311-cp311-linux_{os.uname().machine}"
    make_sdist(packages.folder, "native", "1.0", sources("native", tag))
    (project / "requirements.txt").write_text("native\n")
    other = "linux/arm64" if os.uname().machine == "x86_64" else "linux/amd64"
    with pytest.raises(RequirementsError) as caught:
        make("requirements.txt", platform=other)
    assert str(caught.value).startswith(
        f"there is no wheel of native 1.0 for Python 3.11 on {other}"
    )
    assert "does not run there" in str(caught.value)
    own = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"
    assert distributions(make("requirements.txt", platform=own)) == ["native 1.0"]


def test_a_build_that_fails_says_what_its_backend_said(
    packages: Index, project: Path, make: Make
) -> None:
    files = sources("own")
    files["backend.py"] = "def build_wheel(*_): raise RuntimeError('there is no compiler here')\n"
    make_sdist(packages.folder, "own", "1.0", files)
    (project / "requirements.txt").write_text("own\n")
    with pytest.raises(RequirementsError) as caught:
        make("requirements.txt")
    assert str(caught.value).startswith("cannot build a wheel of own 1.0, as there is none for")
    assert "there is no compiler here" in str(caught.value)


def test_a_layer_depends_on_what_a_build_gives_and_not_on_when(
    packages: Index, project: Path, make: Make, tmp_path: Path, notes: list[str]
) -> None:
    make_sdist(packages.folder, "pure", "1.0", sources("pure"))
    (project / "requirements.txt").write_text("pure\n")
    first, second = (make("requirements.txt", cache=tmp_path / name) for name in ("one", "two"))
    assert len(builds(notes)) == 2
    files = [next((tmp_path / name).rglob("*.whl")) for name in ("one", "two")]
    assert files[0].read_bytes() != files[1].read_bytes()
    assert [plan.fingerprint for plan in first.plans] == [plan.fingerprint for plan in second.plans]


def test_a_folder_is_built_when_something_in_it_has_changed(
    packages: Index, project: Path, make: Make, notes: list[str]
) -> None:
    write_tree(project / "libs/own", sources("own"))
    (project / "requirements.txt").write_text("-e ./libs/own\n")
    assert distributions(make("requirements.txt")) == ["own 1.0"]
    write_tree(project / "libs/own", {"build/left.txt": "over", "own.egg-info/x": "likewise"})
    make("requirements.txt")
    assert builds(notes) == ["building a wheel of own"]
    (project / "libs/own/new.py").touch()
    make("requirements.txt")
    assert len(builds(notes)) == 2


@pytest.mark.parametrize("at", ["@main", "@COMMIT", ""])
def test_a_commit_of_a_repository_is_built_once(
    packages: Index, project: Path, make: Make, notes: list[str], repository: Path, at: str
) -> None:
    at = at.replace("COMMIT", git(repository, "rev-parse", "HEAD").strip())
    url = f"git+file://{repository}{at}#subdirectory=python"
    (project / "requirements.txt").write_text(f"own @ {url}\n")
    assert distributions(make("requirements.txt", platform="linux/arm64")) == ["own 1.0"]
    (project / "requirements.txt").write_text(f"\nown @ {url}\n")
    assert distributions(make("requirements.txt", platform="linux/arm64")) == ["own 1.0"]
    assert len(builds(notes)) == 1


def test_a_commit_that_no_branch_has_any_more_is_asked_for_by_its_name(
    packages: Index, project: Path, make: Make, repository: Path
) -> None:
    commit = git(repository, "rev-parse", "HEAD").strip()
    git(repository, "update-ref", "refs/pull/1/head", commit)
    git(repository, "commit", "-q", "--amend", "-m", "another")
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    (project / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "hand"\n[[packages]]\nname = "own"\n'
        f'vcs = {{ type = "git", url = "file://{repository}", commit-id = "{commit}", '
        'subdirectory = "python" }\n'
    )
    assert distributions(make("pylock.toml")) == ["own 1.0"]


def test_a_repository_is_shown_the_login_of_its_address(
    packages: Index,
    project: Path,
    make: Make,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
    git(tmp_path / "bare.git", "update-server-info")
    monkeypatch.setenv("GIT_TOKEN", "s3cret")
    with served(tmp_path / "bare.git", "me:s3cret") as address:
        line = f"own @ git+http://me:${{GIT_TOKEN}}@{address}@main#subdirectory=python\n"
        (project / "requirements.txt").write_text(line)
        assert distributions(make("requirements.txt", cache=tmp_path / "cache")) == ["own 1.0"]
        for path in (tmp_path / "cache").rglob("*"):
            assert not path.is_file() or b"s3cret" not in path.read_bytes()
        (project / "requirements.txt").write_text(line.replace("${GIT_TOKEN}", "wrong"))
        with pytest.raises(RequirementsError, match="cannot resolve") as caught:
            make("requirements.txt")
        assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("git", "hg"), r"own comes from a repository \(hg\), and only commits of git"),
        (("COMMIT", "--help"), "only commits of git can be taken"),
        (("python", "../x"), "only commits of git can be taken"),
        (("COMMIT", "0" * 40), r"cannot get commit 000000000000 of file:///.*, which is own"),
    ],
)
def test_what_is_no_commit_of_git_is_refused(
    project: Path, make: Make, repository: Path, change: tuple[str, str], message: str
) -> None:
    text = 'vcs = { type = "git", commit-id = "COMMIT", subdirectory = "python", '.replace(*change)
    text = text.replace("COMMIT", git(repository, "rev-parse", "HEAD").strip())
    (project / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "hand"\n[[packages]]\nname = "own"\n'
        f'{text} url = "file://{repository}" }}\n'
    )
    with pytest.raises(RequirementsError, match=message):
        make("pylock.toml")
