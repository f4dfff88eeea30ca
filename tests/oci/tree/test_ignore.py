"""Ignore patterns mean what they mean to git."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sematic.oci.tree.gitignore import Screen, _compile, last_match, matcher, parse, parse_line
from sematic.oci.tree.ignore import Rules, Scope, is_always_left_out
from sematic.oci.tree.rules import secret_on_way

NAMES = (
    *("a", "b", "ab", "a.b", "a-b", "[a]", "é", "à", "a b", "a ", "*", "!a", "#a", "B1", "[", "$"),
)
SIGNS = (
    *("a", "b", "B", "1", ".", "-", "*", "**", "?", "/", "/**/", "**/", "/**", "*/"),
    *("[ab]", "[!a]", "[^b]", "[a-z]", "[]a]", "[a-]", "[[]", "[!]a]", "[*]", "]", "\\", "a\\"),
    *("\\*", "\\!", "\\#", "\\ ", "\\a", "\\[", " ", "!", "#", "é", "à", "$", "(", "|"),
)
UNCLOSED = ("", "", "", "[", "[a", "[]", "[!]", "[a-", "\\")


def is_agreed(line: str) -> bool:
    """Whether pathspec and git have the same meaning for it."""
    apart = r"\\/|[^/]\*\*|\*\*[^/]|\[[!^]" if "/" in line else r"\\/"
    return re.search(apart, line) is None


signs = st.lists(st.sampled_from(SIGNS), min_size=1, max_size=5).map("".join)
lines = st.builds(str.__add__, signs, st.sampled_from(UNCLOSED)).filter(is_agreed)
patterns = st.builds(
    lambda negated, line, slash: ("!" if negated else "") + line + ("/" if slash else ""),
    st.booleans(),
    lines,
    st.booleans(),
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with every name in folders of every name, two deep."""
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", root], check=True)
    for outer in NAMES:
        (root / outer).mkdir()
        (root / f"{outer}.file").touch()
        for inner in NAMES[:6]:
            (root / outer / inner).mkdir()
            (root / outer / inner / "a").touch()
            (root / outer / f"{inner}1").touch()
    return root


def ignored_by_git(root: Path, paths: list[str]) -> set[str]:
    done = subprocess.run(
        ["git", "-C", root, "check-ignore", "-z", "--no-index", "--stdin"],
        input="\0".join(paths).encode(),
        capture_output=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"},
    )
    assert done.returncode in (0, 1), done.stderr
    return set(os.fsdecode(done.stdout).split("\0")) - {""}


def ignored_by_us(root: Path) -> tuple[set[str], list[str]]:
    """What the ignore files leave out, with all that lies inside; and every path there is."""
    rules = Rules()
    out: set[str] = set()
    every: list[str] = []
    top = Scope(None, _read(root))
    stack: list[tuple[Path, str, Scope, bool]] = [(root, "", top, False)]
    while stack:
        folder, path, scope, hidden = stack.pop()
        for item in folder.iterdir():
            inner = path + item.name
            if item.name == ".git":
                continue
            verdict = rules.decide(scope, os.fsencode(inner), "d" if item.is_dir() else "f", False)
            gone = hidden or (not verdict.inside and not verdict.rule.startswith(("always", "sec")))
            every.append(inner)
            if gone:
                out.add(inner)
            if item.is_dir():
                text = _read(item)
                deeper = scope
                if text:
                    deeper = Scope(scope, text, folder=os.fsencode(inner + "/"))
                stack.append((item, inner + "/", deeper, gone))
    return out, every


def _read(folder: Path) -> bytes:
    file = folder / ".gitignore"
    return file.read_bytes() if file.exists() else b""


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(patterns, max_size=4), st.lists(patterns, max_size=3))
@example(["*", "!*/", "!a.b"], [])
@example(["a/**", "!a/b/"], ["!a", "b  "])
@example(["a**", "/b", "a\\ ", "[a-z]*[!1]", "# a", "\\#a", "\\!a"], [])
@example(["a/*", "!a/b", "a/b/*", "!a/b/a"], ["/a"])
@example(["**/b", "b/**/a", "**", "!**/a/"], [])
@example(["/?b/[*]", "a[", "[[]/a"], ["**/*", "!*/**", "!/*à", "a?/"])
@example(["**/a b", "a /", "a*b", "!a/*/**"], ["/**", "!**/*/**", "!/*/à"])
def test_it_leaves_out_what_git_leaves_out(
    repository: Path, top: list[str], inner: list[str]
) -> None:
    (repository / ".gitignore").write_text("\n".join(top), newline="")
    (repository / "ab" / ".gitignore").write_text("\r\n".join(inner), newline="")
    ours, every = ignored_by_us(repository)
    assert ours == ignored_by_git(repository, every)


def matches(pattern: str, path: str, folder: bool = False) -> bool:
    parsed = parse_line(pattern.encode())
    return parsed is not None and parsed.matches(os.fsencode(path), folder)


def test_a_pattern_without_a_slash_is_about_names_everywhere() -> None:
    assert matches("*.log", "a/b/c.log")
    assert matches("log", "a/log")
    assert not matches("/log", "a/log")
    assert not matches("a/*.log", "x/a/b.log")


def test_a_star_does_not_cross_folders_and_two_do() -> None:
    assert not matches("a/*", "a/b/c")
    assert matches("a/**", "a/b/c")
    assert matches("a/**/c", "a/c")
    assert not matches("a/**", "a")


def test_names_hold_any_byte() -> None:
    assert matches("a*b", "a\n\udcff b")
    assert matches("a?b", "a\udcffb")
    assert not matches("a?b", "aéb")
    assert not matches("a?b", "axb\n")
    assert matches("**/a?", "b\n/ax")
    assert matches("/*à", "voilà") and not matches("/*à", "voil\udcc3")
    assert matches("a? /", "ab ", True) and not matches("a? /", "ab", True)


def test_malformed_patterns_match_nothing() -> None:
    for pattern in ("[", "a[", "[a", "[z-a]", "[]", "a\\", "!", "/", "#a", "", "   "):
        assert not matches(pattern, "a"), pattern
        assert not matches(pattern, pattern), pattern


@settings(deadline=None)
@given(
    st.sampled_from(("a", "a.b", "*", "*a", "a*", "a*b", "*.b", "ab*ba", "**/a", "**/a/b", "a/b")),
    st.text("ab./\n", min_size=1).filter(lambda path: "//" not in path and path.strip("/") == path),
)
def test_the_forms_that_need_no_pathspec_mean_the_same(body: str, path: str) -> None:
    if "/" not in body:
        path = path[path.rfind("/") + 1 :]
    regex = _compile(body.encode())
    assert regex is not None
    by_pathspec = (regex.fullmatch if regex.groups else regex.search)(path.encode())
    assert bool(matcher(body.encode(), "/" not in body)(path.encode())) == bool(by_pathspec)


def test_pathspec_is_loaded_where_a_pattern_needs_it_and_no_longer(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    script = """
import sys
from pathlib import Path
from sematic.oci.memo import Forgetful
from sematic.oci.tree.walk import find_tree

def loads(memo):
    find_tree(sys.argv[1], memo=memo)
    return "pathspec" in sys.modules

rules = Path(sys.argv[1], ".gitignore")
rules.write_text("*.log\\n/data/\\n")
print(loads(Forgetful()))
rules.write_text("*.py[co]\\n")
memo = Forgetful()
print(loads(memo))
for name in [name for name in sys.modules if name.startswith("pathspec")]:
    del sys.modules[name]
print(loads(memo))
"""
    run = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["False", "True", "False"]


def test_a_byte_order_mark_and_lines_of_windows_are_no_part_of_patterns() -> None:
    assert [p.body for p in parse(b"\xef\xbb\xbfa\r\n\r\nb\r\n")] == [b"a", b"b"]


def decide(
    path: str,
    git: str = "",
    own: str = "",
    *,
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    folder: bool = False,
) -> tuple[bool, str]:
    scope = Scope(None, git.encode(), own.encode())
    verdict = Rules(include, exclude).decide(
        scope, os.fsencode(path), "d" if folder else "f", False
    )
    return verdict.inside, verdict.rule


def test_later_rules_win() -> None:
    assert decide("a.csv", "*.csv") == (False, ".gitignore:1: *.csv")
    assert decide("a.csv", "*.csv", "!*.csv") == (True, "")
    assert decide("a.csv", "", "\n*.csv") == (False, ".sematicignore:2: *.csv")
    assert decide("a.csv", "*.csv", "!*.csv", exclude=("a*",)) == (False, "exclude: a*")
    assert decide("a.csv", "*.csv", exclude=("a*",), include=("a.csv",)) == (True, "")


def test_what_is_always_left_out_comes_back_by_its_name_only() -> None:
    assert decide("build", folder=True) == (False, "always: /build/")
    assert decide("build", "!build/", folder=True) == (True, "")
    assert decide("build", "*\n!*/", folder=True) == (False, "always: /build/")
    assert decide("build", include=("build/",), folder=True) == (True, "")
    assert decide("build", include=("*",), folder=True) == (False, "always: /build/")
    assert decide("lib/build", folder=True) == (True, "")


@pytest.mark.parametrize("name", [".git", ".venv/../.hg", "x.egg-info", "a/__pycache__", ".tox"])
def test_litter_is_left_out(name: str) -> None:
    assert decide(name, folder=True)[1].startswith("always: ")


# fmt: off
SECRETS = [
    ".env", ".env.local", ".envrc", "a/.netrc", ".pypirc", ".npmrc", ".git-credentials",
    "id_rsa", "keys/id_ed25519", ".ssh", ".aws", "kubeconfig", "prod.kubeconfig",
    "a/.config/gcloud", "application_default_credentials.json", "client_secret_1.json",
    "service-account.json", "service_account_prod.json", "credentials.json",
    ".docker/config.json", ".dockercfg", ".pgpass", ".streamlit/secrets.toml",
    "app/.streamlit/secrets.toml", "a.kdbx", "a.keytab", "a.p12", "a.pfx", "a.jks",
    "a.ppk", "server.key", ".my.cnf", ".vault-token", ".s3cfg", ".boto",
]
# fmt: on


@pytest.mark.parametrize("path", SECRETS)
def test_a_secret_goes_in_by_its_very_name_only(path: str) -> None:
    folder = path in (".ssh", ".aws", "a/.config/gcloud")
    for include in ((), ("*",), ("**",), (f"{path[:-1]}?",), (f"**/{path}",), (f"{path}/",)):
        inside, rule = decide(path, "!*", f"!{path}", include=include, folder=folder)
        assert not inside
        assert rule.startswith("secret: ")
    assert decide(path, include=(f"/{path}",), folder=folder)[0]


@pytest.mark.parametrize("path", ["id_rsa.pub", "config.json", "environment", "key.py", "a.pem"])
def test_what_only_looks_a_little_like_a_secret_is_none(path: str) -> None:
    assert decide(path) == (True, "")


def test_a_secret_is_known_by_the_folder_it_lies_in() -> None:
    assert secret_on_way(b"/home/u/.aws/config")
    assert not secret_on_way(b"/home/u/data/config")


def test_reaching_into_folders() -> None:
    rules = Rules(("data/model.bin", "*.so", ".venv/share/**", "a/*/c"))
    assert rules.reaches(b"data")
    assert rules.reaches(b"anything")  # by *.so
    assert not rules.reaches(b"anything", by_name=True)
    assert rules.reaches(b".venv", by_name=True)
    assert rules.reaches(b".venv/share/x")
    named = Rules(("data/model.bin", "a/*/c", "b/**"))
    assert named.reaches(b"a/x")
    assert not named.reaches(b"a/x/c")
    assert not named.reaches(b"data/model.bin")
    assert not named.reaches(b"x")
    assert named.reaches(b"b/x/y")


def test_folders_that_are_in_no_tree() -> None:
    assert is_always_left_out(b"build/__editable__.x")
    assert is_always_left_out(b"lib/node_modules/x")
    assert not is_always_left_out(b"lib/build")


@settings(deadline=None)
@given(
    st.lists(st.one_of(patterns, st.sampled_from(("*.py[cod]", "a*", "*b", "/a", "**/a", "a/b")))),
    st.lists(st.sampled_from((*NAMES, "a.pyc", "a.py")), min_size=1, max_size=3),
)
def test_a_screen_passes_no_name_that_a_pattern_is_about(
    texts: list[str], names: list[str]
) -> None:
    parsed = parse(os.fsencode("\n".join(texts)))
    screen = Screen(parsed)
    if screen.is_whole and screen.passes(names[-1]):
        assert last_match(parsed[::-1], os.fsencode("/".join(names)), False) is None


def test_a_screen_knows_the_common_forms() -> None:
    texts = (
        b"*.py[cod]",
        b"/build/",
        b"*.log",
        b"core.*",
        b".env*",
        b"a/b",
        b"**/x",
        b"*.egg-info/",
    )
    screen = Screen(parse(b"\n".join(texts)))
    assert screen.is_whole
    assert [screen.passes(name) for name in ("a.py", "a.pyd", "core.c", "x")] == [
        *(True, False),
        *(False, False),
    ]
    assert not Screen(parse(b"a[0-9]")).is_whole
    assert not Screen((), screen, Screen(parse(b"d/*.txt"))).is_whole
