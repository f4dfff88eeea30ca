"""The command: what goes to stdout, what to stderr, and what it says of bad input."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.projects import make_project, write_tree


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str


Command = Callable[..., Run]


@pytest.fixture
def sematic_oci(tmp_path: Path) -> Command:
    """The command, run in a folder of its own."""

    def run(*arguments: str | Path, cwd: Path = tmp_path, **variables: str) -> Run:
        done = subprocess.run(
            [sys.executable, "-m", "sematic.oci.cli", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": os.getcwd(), **variables},
        )
        return Run(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "demo")


def test_push_prints_one_line_that_names_the_image(sematic_oci: Command, project: Path) -> None:
    run = sematic_oci("push", project, "--no-environment", "--to", "oci-layout:out")
    assert run.code == 0, run.err
    name, _, digest = run.out.rstrip("\n").partition("@")
    assert name == "oci-layout:out"
    assert digest.startswith("sha256:") and run.out.count("\n") == 1
    assert "new" in run.err and "sent in" in run.err and "tagged latest" in run.err


def test_what_was_printed_can_be_inspected(sematic_oci: Command, project: Path) -> None:
    reference = sematic_oci("push", project, "--no-environment", "--to", "oci-layout:out").out
    image = json.loads(sematic_oci("inspect", reference.strip(), "--json").out)
    assert image["config"]["Entrypoint"] == ["/sematic/bin/worker"]
    assert image["config"]["WorkingDir"] == "/sematic/src"
    assert [layer["name"].partition(" ")[0] for layer in image["layers"]] == ["runtime", "source"]
    text = sematic_oci("inspect", "oci-layout:out:latest").out
    assert reference.rpartition("@")[2].strip() in text


def test_with_nothing_configured_it_goes_to_the_data_folder(
    sematic_oci: Command, project: Path, tmp_path: Path
) -> None:
    run = sematic_oci("push", "--no-environment", cwd=project)
    assert run.out.startswith(f"oci-layout:{tmp_path / 'home/data/images/demo'}@sha256:")


def test_arguments_win_over_the_project_and_the_project_over_the_environment(
    sematic_oci: Command, project: Path, tmp_path: Path
) -> None:
    def goes_to(*arguments: str) -> str:
        run = sematic_oci(
            *("push", project, "--no-environment", *arguments),
            SEMATIC_REPOSITORY=f"oci-layout:{tmp_path}/variable",
        )
        return run.out.partition("@")[0]

    assert goes_to() == f"oci-layout:{tmp_path}/variable"
    with (project / "pyproject.toml").open("a") as file:
        file.write(f'[tool.sematic]\nrepository = "oci-layout:{tmp_path}/project"\n')
    assert goes_to() == f"oci-layout:{tmp_path}/project"
    assert goes_to("--to", "oci-layout:argument") == "oci-layout:argument"


def test_settings_end_up_in_the_image(sematic_oci: Command, project: Path) -> None:
    run = sematic_oci(
        *("push", project, "--no-environment", "--to", "oci-layout:out:a", "--tag", "b"),
        *(
            "--env",
            "K=v=w",
            "--label",
            "l=x",
            "--compression",
            "gzip:9",
            "--platform",
            "linux/arm64",
        ),
    )
    assert "tagged a, b" in run.err
    image = json.loads(sematic_oci("inspect", "oci-layout:out:b", "--json").out)
    assert "K=v=w" in image["config"]["Env"]
    assert image["config"]["Labels"]["l"] == "x"
    assert image["platform"] == "linux/arm64"
    assert {layer["media_type"].rpartition("+")[2] for layer in image["layers"]} == {"gzip"}


def test_the_summary_can_be_json(sematic_oci: Command, project: Path) -> None:
    run = sematic_oci("push", project, "--no-environment", "--to", "oci-layout:out", "--json")
    summary = json.loads(run.out)
    assert summary["new"] == len(summary["layers"]) == 2
    assert summary["sent"] > 0
    assert any(".env" in note for note in summary["notes"])


def test_quiet_says_nothing_but_the_reference(sematic_oci: Command, project: Path) -> None:
    run = sematic_oci("push", project, "--no-environment", "--to", "oci-layout:out", "--quiet")
    assert (run.code, run.err) == (0, "")


def test_image_refs_are_written_to_a_file(
    sematic_oci: Command, project: Path, tmp_path: Path
) -> None:
    run = sematic_oci(
        *("push", project, "--no-environment", "--to", "oci-layout:out", "--image-refs", "refs")
    )
    assert (tmp_path / "refs").read_text() == run.out


def test_plan_writes_nothing_and_says_what_would_be_sent(
    sematic_oci: Command, project: Path, tmp_path: Path
) -> None:
    arguments = (project, "--no-environment", "--to", "oci-layout:out")
    plan = json.loads(sematic_oci("plan", *arguments, "--json").out)
    assert not (tmp_path / "out").exists()
    assert [layer["reused"] for layer in plan["layers"]] == [False, False]
    left_out = {item["path"]: item["rule"] for item in plan["left_out"]}
    assert left_out["debug.log"] == ".gitignore:1: *.log"
    assert left_out[".env"].startswith("secret: ")
    sematic_oci("push", *arguments)
    sematic_oci("push", *arguments)
    plan = json.loads(sematic_oci("plan", *arguments, "--json").out)
    assert [layer["reused"] for layer in plan["layers"]] == [True, True]
    text = sematic_oci("plan", *arguments).out
    assert "largest" in text and "*.log: debug.log" in text


def test_an_edit_within_the_same_tick_and_of_the_same_size_is_not_missed(
    sematic_oci: Command, project: Path
) -> None:
    arguments = ("push", project, "--no-environment", "--to", "oci-layout:out")
    path = project / "script.py"
    seen = set()
    for number in range(5):
        path.write_text(f"print({number})\n")
        seen.add(sematic_oci(*arguments).out)
    assert len(seen) == 5


def test_the_cache_can_be_looked_at_and_emptied(sematic_oci: Command, project: Path) -> None:
    sematic_oci("push", project, "--no-environment", "--to", "oci-layout:out")
    assert " 2 layers" in sematic_oci("cache", "info").out
    assert sematic_oci("cache", "prune").out == "forgot 0 things\n"
    assert sematic_oci("cache", "prune", "--all").out.startswith("forgot ")
    assert " 0 layers, 0 values" in sematic_oci("cache", "info").out


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["push", "nowhere"], "project folder nowhere does not exist"),
        (["push", "demo/script.py"], "is a file"),
        (["push", "demo", "--python", "no-such-python"], "no-such-python"),
        (["push", "demo", "--to", "UPPER/case"], "'UPPER/case' is no image reference"),
        (["push", "demo", "--to", "r.io/app@sha256:" + "a" * 64], "is not given"),
        (["push", "demo", "--tag", "bad tag"], "'bad tag' is no tag"),
        (["push", "demo", "--base", "oci-layout:nowhere"], "no image layout in nowhere"),
        (["push", "demo", "--base", "archive:x.tar"], "archives are written only"),
        (["push", "demo", "--platform", "amd64"], "'amd64' is no platform"),
        (["push", "demo", "--compression", "lz4"], "compression 'lz4'"),
        (["push", "demo", "--format", "docker", "--compression", "zstd"], "gzip only"),
        (["push", "demo", "--env", "NOVALUE"], "write --env NAME=VALUE"),
        (["push", "demo", "--to", "oci-layout:demo"], "has other things in it"),
        (["push", "demo", "--to", "archive:no/folder/x.tar"], "there is no folder"),
        (["inspect", "oci-layout:nowhere"], "no image layout in nowhere"),
    ],
)
def test_bad_input_is_said_in_a_line_or_three_with_exit_code_1(
    sematic_oci: Command, project: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    if "--python" not in arguments and arguments[0] == "push":
        arguments = [*arguments, "--no-environment"]
    run = sematic_oci(*arguments)
    assert run.code == 1
    assert says in run.err
    assert run.out == ""
    assert "Traceback" not in run.err
    assert len(run.err.strip().splitlines()) <= 4


def test_a_registry_that_is_down_is_named(sematic_oci: Command, project: Path) -> None:
    host = f"127.0.0.1:{closed_port()}"
    run = sematic_oci("push", project, "--no-environment", "--to", f"{host}/app")
    assert run.code == 1
    assert host in run.err and "refused" in run.err
    assert "Traceback" not in run.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[tool.sematic]\nrepositry = 'x'\n", "did you mean 'repository'?"),
        ("[tool.sematic]\nbase = 3\n", "base is 3: give a str"),
        ("[tool.sematic]\ninclude = 'x'\n", "give a list of strings"),
        ("[tool.sematic.env]\nA = 1\n", "give a table of strings"),
        ("[tool.sematic]\nlayers = 1000\n", "layers is 1000"),
        ("not toml", "is not TOML"),
    ],
)
def test_bad_settings_name_the_file_and_the_setting(
    sematic_oci: Command, tmp_path: Path, text: str, says: str
) -> None:
    write_tree(tmp_path / "p", {"pyproject.toml": text})
    run = sematic_oci("push", "p", "--no-environment", "--to", "oci-layout:out")
    assert run.code == 1
    assert says in run.err
    assert not (tmp_path / "out").exists()


def test_wrong_usage_is_exit_code_2(sematic_oci: Command) -> None:
    for arguments in ([], ["push", "--unknown"], ["push", "--format", "tarball"], ["launch"]):
        run = sematic_oci(*arguments)
        assert (run.code, run.out) == (2, "")


def test_debug_shows_the_traceback(sematic_oci: Command) -> None:
    run = sematic_oci("push", "nowhere", "--debug")
    assert run.code == 1
    assert "Traceback" in run.err


def test_a_file_that_cannot_be_read_is_named_and_nothing_is_written(
    project: Path, tmp_path: Path
) -> None:
    (project / "script.py").chmod(0)
    for folder in (project, *project.parents[:3]):
        folder.chmod(0o755)
    (tmp_path / "work").mkdir()
    (tmp_path / "work").chmod(0o777)
    script = """
import os, sys
from sematic.oci.cli import main
arguments = ["push", sys.argv[1], "--no-environment", "--to"]
main([*arguments, f"oci-layout:{sys.argv[2]}/as-root"])  # loads what this user cannot
os.environ["SEMATIC_CACHE_DIR"] = sys.argv[2] + "/cache"
os.setgid(12345); os.setuid(12345)
sys.exit(main([*arguments, f"oci-layout:{sys.argv[2]}/out"]))
"""
    run = subprocess.run(
        [sys.executable, "-c", script, project, tmp_path / "work"], capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "cannot read" in run.stderr and "script.py" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "work" / "out").exists()


def test_importing_it_loads_nothing_heavy() -> None:
    script = """
import sys
import sematic, sematic.oci, sematic.oci.cli
heavy = {"urllib3", "requests", "ssl", "http.client", "pathspec", "zstandard", "rich",
         "importlib.metadata", "kubernetes", "oras", "tarfile", "subprocess"}
print(sorted(heavy & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_next_to_nothing_is_imported_before_files_are_looked_at() -> None:
    script = """
import sys
from sematic.oci import cli
cli.read_options(["push", "--to", "registry.example.com/team/app", "--quiet"])
late = {"json", "logging", "pathlib", "shutil", "signal", "threading", "typing", "urllib.parse"}
print(sorted(late & set(sys.modules)))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-S", "-c", script]  # what .pth files import is not ours
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.strip() == "[]"
