"""The command `sematic`: what it says where there is nothing, or something else than was meant."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sematic.cli import main
from sematic.errors import ConfigurationError
from sematic.resolvers.documents import Documents
from sematic.resolvers.pods.local import LocalPlace
from sematic.resolvers.records import RunRecord
from sematic.resolvers.stores import open_store

Captured = pytest.CaptureFixture[str]
ROOT = "ab" * 16


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, in whose folder the command is run."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> RunRecord:
    """A run that is resolved."""
    made = RunRecord(
        id=ROOT,
        name="main",
        image="oci-layout:x@sha256:0",
        store=(tmp_path / "store").as_uri(),
        pods="local",
        state="RESOLVED",
        driver=f"{socket.gethostname()}, process {os.getpid()}",
        created=time.time(),
        updated=time.time() + 90,
    )
    LocalPlace().records.write(made)
    return made


def keep_result(run: RunRecord, value: object) -> None:
    documents = Documents(open_store(run.store))
    documents.write_result(run.id, documents.keep(value, "the result"))


def test_without_runs_there_is_nothing_to_list(capsys: Captured) -> None:
    assert main(["run", "list"]) == 0
    assert capsys.readouterr() == ("", "no runs here yet\n")
    assert main(["run", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("verb", ["show", "logs", "wait", "cancel", "result"])
def test_a_run_that_is_not_there_is_told(verb: str, capsys: Captured) -> None:
    assert main(["run", verb, "abcd"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("sematic: no run abcd is known where the pods are local.\n")


def test_the_project_is_looked_for_above(
    project: Path, run: RunRecord, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (project / "deep").mkdir()
    monkeypatch.chdir(project / "deep")
    (project / "pyproject.toml").write_text('[tool.sematic.pipelines]\npods = "pots"\n')
    assert main(["run", "list"]) == 1
    assert capsys.readouterr().err.startswith("sematic: pods is 'pots': write kubernetes, podman")
    with pytest.raises(ConfigurationError):
        main(["run", "list", "--debug"])
    (project / "pyproject.toml").write_text("")
    assert main(["run", "list"]) == 0
    assert f"{ROOT[:8]}  RESOLVED" in capsys.readouterr().out


def test_wrong_usage_is_exit_code_2() -> None:
    for arguments in ([], ["run"], ["run", "show"], ["run", "list", "--pods", "pots"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


def test_a_result_of_the_projects_own_is_loaded_from_it(
    project: Path, run: RunRecord, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "shapes.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Square:\n    side: int\n"
    )
    monkeypatch.syspath_prepend(project)
    import shapes  # type: ignore[import-not-found]

    keep_result(run, shapes.Square(3))
    monkeypatch.undo()
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    env["SEMATIC_DATA_DIR"] = str(project.parent / "home" / "data")
    command = [sys.executable, "-m", "sematic.cli", "run", "result", ROOT]
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("Square(side=3)\n", "")
    (project / "shapes.py").unlink()
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[1].endswith("or keep it as it is: --pickle FILE.")


def test_what_cannot_be_written_is_told(run: RunRecord, capsys: Captured, tmp_path: Path) -> None:
    keep_result(run, 1)
    assert main(["run", "result", ROOT, "--pickle", str(tmp_path / "no" / "file")]) == 1
    assert capsys.readouterr().err == f"sematic: No such file or directory {tmp_path}/no/file\n"


def test_a_result_that_was_removed_is_told(run: RunRecord, capsys: Captured) -> None:
    assert main(["run", "result", ROOT]) == 1
    assert f"has no run-{ROOT}-result; was it removed?" in capsys.readouterr().err


def test_a_reader_that_has_had_enough_is_no_error(run: RunRecord) -> None:
    run.name = "long " * 100
    for number in range(300):
        run.id = f"{number:032x}"
        LocalPlace().records.write(run)
    command = f"{sys.executable} -m sematic.cli run list | head -1"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True)
    assert done.stdout.startswith("ID ") and done.stderr == ""


def test_a_cluster_is_checked_only_where_one_is_configured(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert main(["cluster", "check"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(
        "sematic: no Kubernetes cluster is configured: there is no ~/.kube/config"
    )


def test_an_api_server_that_is_not_there_ends_the_check(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "c", "context": {"cluster": "c"}}
    config = {"clusters": [cluster], "contexts": [context], "current-context": "c"}
    (tmp_path / "config").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    assert main(["cluster", "check", "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["verdict"], finding["what"]) == ("bad", "API server")
    assert "the API server http://127.0.0.1:9 was not reached" in finding["told"]
