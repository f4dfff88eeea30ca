"""What of a source tree goes into the image."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from sematic.oci.errors import FileError, ProjectError
from sematic.oci.files import FileEntry
from sematic.oci.memo import Forgetful
from sematic.oci.tree.walk import Tree, find_tree

KEY = "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    return root


def write(root: Path, *paths: str, text: str = "x") -> None:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def walk(
    root: Path,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    memo: Forgetful | None = None,
) -> Tree:
    return find_tree(root, "", include=include, exclude=exclude, memo=memo or Forgetful())


def files(tree: Tree) -> list[str]:
    return [entry.path for entry in tree.entries if entry.kind != "folder"]


def rules(tree: Tree) -> dict[str, str]:
    return {thing.path: thing.rule for thing in tree.left_out}


def by_path(tree: Tree) -> dict[str, FileEntry]:
    return {entry.path: entry for entry in tree.entries}


def test_files_folders_and_modes(root: Path) -> None:
    write(root, "a/b.py", "run.sh")
    (root / "empty").mkdir()
    (root / "run.sh").chmod(0o700)
    tree = find_tree(root, memo=Forgetful())
    assert [(e.path, e.kind, e.mode, e.size) for e in tree.entries] == [
        ("sematic/src/a", "folder", 0o755, 0),
        ("sematic/src/a/b.py", "file", 0o644, 1),
        ("sematic/src/empty", "folder", 0o755, 0),
        ("sematic/src/run.sh", "file", 0o755, 1),
    ]
    assert tree.left_out == ()


def test_paths_are_in_the_order_of_their_bytes(root: Path) -> None:
    names = ["a", "a-b", "Z", "é", "\udcff", "\U0001f600", "\ue000", "a b"]
    for name in names:
        (root / name).touch()
    paths = [os.fsencode(path) for path in files(walk(root))]
    assert paths == sorted(os.fsencode(name) for name in names)


def test_any_name_that_linux_knows(root: Path) -> None:
    names = ["new\nline", "x" * 255, "\udcff\udcfe", "tab\t", "*", "[a]", "\\", "a:b", " "]
    for name in names:
        (root / name).touch()
    assert sorted(files(walk(root))) == sorted(names)


def test_a_deep_tree(root: Path) -> None:
    """Deeper than Python's functions can call each other."""
    os.makedirs(root / "top")
    subprocess.run(["mkdir", "-p", root / "top" / "/".join("d" * 1200)], check=True)
    try:
        assert len(walk(root).entries) == 1201
    finally:
        subprocess.run(["rm", "-rf", root / "top"], check=True)


def test_a_left_out_folder_is_one_thing(root: Path) -> None:
    write(root, ".gitignore", text="\n# logs\nlogs/\n*.tmp\n!keep.tmp\n")
    write(root, "logs/a", "logs/b/c", "x.tmp", "keep.tmp", "node_modules/x/y", ".git/HEAD")
    tree = walk(root)
    assert files(tree) == [".gitignore", "keep.tmp"]
    assert rules(tree) == {
        ".git/": "always: .git",
        "logs/": ".gitignore:3: logs/",
        "node_modules/": "always: node_modules/",
        "x.tmp": ".gitignore:4: *.tmp",
    }


def test_ignore_files_count_from_their_own_folder(root: Path) -> None:
    write(root, "a/.gitignore", text="/x\ny\n")
    write(root, "a/b/.sematicignore", text="!y\nz")
    write(root, "x", "y", "a/x", "a/y", "a/b/x", "a/b/y", "a/b/z")
    tree = walk(root)
    assert files(tree) == ["a/.gitignore", "a/b/.sematicignore", "a/b/x", "a/b/y", "x", "y"]
    assert rules(tree) == {
        "a/b/z": "a/b/.sematicignore:2: z",
        "a/x": "a/.gitignore:1: /x",
        "a/y": "a/.gitignore:2: y",
    }


def test_the_repository_around_the_project_has_its_say(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    root = tmp_path / "apps" / "one"
    root.mkdir(parents=True)
    (tmp_path / ".git" / "info" / "exclude").write_text("*.own\n")
    write(tmp_path, ".gitignore", text="*.log\n/apps/one/data/\n")
    write(tmp_path, "apps/.gitignore", text="*.tmp\n!kept.log\n")
    write(root, "a.log", "kept.log", "b.tmp", "c.own", "data/x", "app.py")
    tree = walk(root)
    assert files(tree) == ["app.py", "kept.log"]
    assert rules(tree) == {
        "a.log": "../../.gitignore:1: *.log",
        "b.tmp": "../.gitignore:1: *.tmp",
        "c.own": ".git/info/exclude:1: *.own",
        "data/": "../../.gitignore:2: /apps/one/data/",
    }


def test_a_worktree_shares_the_exclude_file_of_its_repository(tmp_path: Path) -> None:
    main, tree = tmp_path / "main", tmp_path / "tree"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(main)]
    subprocess.run(["git", "init", "-q", main], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    subprocess.run([*git, "worktree", "add", "-q", str(tree)], check=True, capture_output=True)
    (main / ".git" / "info" / "exclude").write_text("*.own\n")
    write(tree, "a.own", "b")
    assert files(walk(tree)) == ["b"]


def test_a_project_that_its_repository_ignores_is_not_the_repositorys(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    write(tmp_path, ".gitignore", text="*\n")
    root = tmp_path / "scratch" / "project"
    write(root, "a")
    assert files(walk(root)) == ["a"]


def test_virtual_environments_are_known_by_what_they_hold(root: Path) -> None:
    write(root, "env/pyvenv.cfg", "env/lib/x", "conda/conda-meta/history", "pyvenv.cfg", "a")
    tree = walk(root)
    assert files(tree) == ["a", "pyvenv.cfg"]
    assert set(rules(tree).values()) == {"always: a virtual environment"}


def test_include_brings_back_what_lies_in_ignored_folders(root: Path) -> None:
    write(root, ".gitignore", text="data/\n")
    write(root, "data/model.bin", "data/other", "data/deep/x/model.bin", "data/deep/y")
    tree = walk(root, include=["data/model.bin"])
    assert files(tree) == [".gitignore", "data/model.bin"]
    assert [e.path for e in tree.entries if e.kind == "folder"] == ["data"]
    assert rules(tree) == {"data/": ".gitignore:1: data/"}
    tree = walk(root, include=["data/**/model.bin"])
    assert files(tree) == [".gitignore", "data/deep/x/model.bin", "data/model.bin"]
    assert rules(walk(root, include=["data/"])) == {}
    tree = walk(root, include=["data/", "!data/deep"])
    assert "data/other" in files(tree)
    assert "data/deep/y" in files(tree), "no other rule leaves it out"


def test_include_reaches_into_what_is_always_left_out_by_name(root: Path) -> None:
    write(root, "env/pyvenv.cfg", "env/share/a.bin", "env/share/b", "node_modules/a.bin", "x/a.bin")
    assert files(walk(root, include=["*.bin"])) == ["x/a.bin"]
    tree = walk(root, include=["env/share/*.bin"])
    assert files(tree) == ["env/share/a.bin", "x/a.bin"]
    assert "env/" in rules(tree)
    assert "node_modules/a.bin" in files(walk(root, include=["node_modules/"]))


def test_secrets_stay_out_and_are_told(root: Path) -> None:
    write(root, ".env", "conf/.env", ".ssh/config", "id_rsa", "id_rsa.pub", "conf/a.py")
    tree = walk(root, include=["conf/", "*"])
    assert files(tree) == ["conf/a.py", "id_rsa.pub"]
    assert {o.path for o in tree.left_out if o.weight == "secret"} == {
        *(".env", ".ssh/", "conf/.env", "id_rsa")
    }
    tree = walk(root, include=["conf/.env", ".ssh/config"])
    assert files(tree) == [".ssh/config", "conf/.env", "conf/a.py", "id_rsa.pub"]


def test_a_pem_file_is_a_secret_if_it_holds_a_private_key(root: Path) -> None:
    write(root, "key.pem", "asked.pem", text=CERTIFICATE + KEY)
    write(root, "ca.pem", text=CERTIFICATE)
    memo = Forgetful()
    for _ in range(2):
        tree = walk(root, include=["asked.pem"], memo=memo)
        assert files(tree) == ["asked.pem", "ca.pem"]
        assert rules(tree) == {"key.pem": "secret: a private key in *.pem"}
    write(root, "ca.pem", text=KEY)
    assert files(walk(root, include=["asked.pem"], memo=memo)) == ["asked.pem"]


def test_links_within_the_tree_stay_links_and_name_no_place(tmp_path: Path, root: Path) -> None:
    write(root, "a/file", "b/c/d")
    (root / "a" / "near").symlink_to("file")
    (root / "b" / "absolute").symlink_to(root / "a" / "file")
    (root / "b" / "around").symlink_to("../../project/a/file")
    (root / "folder").symlink_to("a")
    (root / "b" / "c" / "top").symlink_to(root)
    (root / "dangling").symlink_to("a/nothing")
    (root / "loop").symlink_to("loop")
    entries = by_path(walk(root))
    assert {path: e.target for path, e in entries.items() if e.kind == "link"} == {
        "a/near": "file",
        "b/absolute": "../a/file",
        "b/around": "../a/file",
        "folder": "a",
        "b/c/top": "../..",
        "dangling": "a/nothing",
        "loop": "loop",
    }
    moved = tmp_path / "elsewhere" / "checkout"
    moved.parent.mkdir()
    linked = tmp_path / "through-a-link"
    linked.symlink_to(root)
    assert by_path(walk(linked)) == entries


def test_links_out_of_the_tree(tmp_path: Path, root: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, "file", "folder/x", ".aws/credentials")
    (root / "file").symlink_to(outside / "file")
    (root / "folder").symlink_to(outside / "folder")
    (root / "null").symlink_to("/dev/null")
    (root / "gone").symlink_to("/no/such/file")
    (root / "away").symlink_to("../gone")
    (root / "config").symlink_to(outside / ".aws" / "credentials")
    tree = walk(root)
    assert [(e.path, e.kind, e.size) for e in tree.entries] == [("file", "file", 1)]
    assert rules(tree) == {
        "away": "a link to nothing: ../gone",
        "config": f"secret: a link to {outside}/.aws/credentials",
        "folder": f"a link to a folder outside the project: {outside}/folder; "
        "name it in [tool.sematic] include to have it copied",
        "gone": "a link to nothing: /no/such/file",
        "null": "a link to a device: /dev/null",
    }
    weights = {o.path: o.weight for o in tree.left_out}
    assert weights.pop("config") == "secret"
    assert set(weights.values()) == {"refused"}


def test_a_linked_folder_that_include_names_is_copied(tmp_path: Path, root: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, "x", "deep/y", ".env")
    (outside / "deep" / "up").symlink_to("..")
    (outside / "home").symlink_to(root)
    (outside / "parent").symlink_to(tmp_path)
    (root / "data").symlink_to(outside)
    tree = walk(root, include=["data/"])
    entries = by_path(tree)
    assert entries["data"].kind == "folder"
    assert {"data/x", "data/deep/y"} <= set(files(tree))
    assert (entries["data/deep/up"].kind, entries["data/deep/up"].target) == ("link", "..")
    assert entries["data/home"].target == ".."
    assert set(rules(tree)) == {"data/.env", "data/parent"}


def test_folders_that_lead_to_each_other_end(tmp_path: Path, root: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write(one, "1")
    write(two, "2")
    (one / "two").symlink_to(two)
    (two / "one").symlink_to(one)
    (root / "one").symlink_to(one)
    tree = walk(root, include=["one", "two"])
    assert files(tree) == ["one/1", "one/two/2", "one/two/one"]
    assert by_path(tree)["one/two/one"].target == ".."


def test_what_is_no_file_is_refused(root: Path) -> None:
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "socket"))
        tree = walk(root)
    assert rules(tree) == {"fifo": "a FIFO", "socket": "a socket"}
    assert {thing.weight for thing in tree.left_out} == {"refused"}


def test_hard_links_are_files(root: Path) -> None:
    write(root, "a")
    (root / "b").hardlink_to(root / "a")
    assert [e.kind for e in walk(root).entries] == ["file", "file"]


def test_a_folder_that_the_system_will_not_list_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "closed").mkdir()
    real = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(FileError, match=r"cannot list .*/closed/: Permission denied"):
        walk(root)
    assert files(walk(root, exclude=["closed/"])) == []


def test_a_project_that_is_not_there(root: Path) -> None:
    with pytest.raises(ProjectError, match="nothing does not exist"):
        walk(root / "nothing")
    write(root, "file")
    with pytest.raises(ProjectError, match="is not a folder"):
        walk(root / "file")


def test_what_is_remembered_gives_the_same_tree(root: Path) -> None:
    memo = Forgetful()
    write(root, ".gitignore", text="*.tmp\n")
    write(root, "a/b", "a/c.tmp")
    assert walk(root, memo=memo) == walk(root, memo=memo) == walk(root)
    write(root, "a/new.tmp", "a/new")
    assert walk(root, memo=memo) == walk(root)
    write(root, ".gitignore", text="b\n")
    assert walk(root, memo=memo) == walk(root)
    write(root, "a/.sematicignore", text="!b\n")
    assert walk(root, memo=memo) == walk(root)
    assert walk(root, exclude=["a/"], memo=memo) == walk(root, exclude=["a/"])
    assert walk(root, include=["*.tmp"], memo=memo) == walk(root, include=["*.tmp"])
    (root / "a" / "c.tmp").unlink()
    (root / "a" / "c.tmp").mkdir()
    assert walk(root, memo=memo) == walk(root)


def test_a_memo_that_holds_nonsense_is_no_memo(root: Path) -> None:
    memo = Forgetful()
    write(root, "a")
    walk(root, memo=memo)
    for key in list(memo._values):
        memo.remember(key, b"nonsense")
    assert files(walk(root, memo=memo)) == ["a"]


def change(root: Path, dice: random.Random, gone: float = 0.2) -> bool:
    """Make, edit or remove a file somewhere, or an ignore file; whether that could be done.

    :param gone: how often one is removed.
    """
    names = ["a", "b", "c.tmp", "d", ".env", "__pycache__", "e.pem"]
    path = root / "/".join(dice.choices(names, k=dice.randint(1, 3)))
    try:
        if dice.random() < gone:
            path.unlink()
        elif dice.random() < 0.2:
            write(path.parent, ".gitignore", text=dice.choice(names))
        else:
            write(path.parent, path.name, text=dice.choice([KEY, "x"]))
    except OSError:
        return False
    return True


def test_random_changes_are_seen(root: Path) -> None:
    memo, dice = Forgetful(), random.Random(7)
    for _ in range(60):
        if change(root, dice):
            assert walk(root, memo=memo) == walk(root)


def test_three_hundred_known_files_take_milliseconds(root: Path) -> None:
    write(root, ".gitignore", text="*.tmp\n" * 50)
    write(root, *(f"package{n % 30}/module{n}.py" for n in range(300)))
    memo = Forgetful()
    walk(root, memo=memo)
    best = min(_seconds(root, memo) for _ in range(5))
    assert best < 0.05, f"{best * 1000:.1f} ms"


def _seconds(root: Path, memo: Forgetful) -> float:
    start = time.perf_counter()
    walk(root, memo=memo)
    return time.perf_counter() - start


def test_nothing_heavy_is_imported() -> None:
    heavy = ("pathspec", "subprocess", "importlib.metadata", "csv", "ast", "email", "inspect")
    script = (
        "import sys; before = set(sys.modules)\n"
        "import sematic.oci.tree.walk, sematic.oci.environment.groups\n"
        "import sematic.oci.environment.interpreter\n"
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=os.getcwd()
    )
    loaded = set(done.stdout.split())
    # dataclasses loads inspect, and inspect loads ast: that much is paid anyway.
    assert not (loaded & set(heavy)) - {"inspect", "ast"}
