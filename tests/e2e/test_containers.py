"""Images of a real project, judged by the tools that will meet them, and run."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sematic.oci.project_image import build
from sematic.oci.settings import read_settings
from tests.e2e.schemas import ImageSpec
from tests.peers.docker import Docker
from tests.peers.podman import Podman
from tests.peers.registry import Registry
from tests.peers.tools import Crane, Skopeo, Umoci

MATRIX = ["oci-zstd", "oci-gzip", "docker-gzip"]


def sematic_oci(*arguments: str | Path) -> str:
    """The command, as a user runs it: its stdout."""
    command = [sys.executable, "-m", "sematic.oci.cli", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.fixture(params=MATRIX)
def pushed(
    request: pytest.FixtureRequest,
    project: Path,
    environment: Path,
    base_in_registry: str,
    docker_registry: Registry,
) -> str:
    """The reference that a push to Debian's registry printed."""
    format, compression = request.param.split("-")
    return sematic_oci(
        *("push", project, "--python", environment, "--base", base_in_registry),
        *("--to", f"{docker_registry.host}/team/{format}-{compression}", "--tag", "v1"),
        *("--format", format, "--compression", compression, "--env", "MODE=test"),
    )


@pytest.fixture
def container(pushed: str, podman: Podman) -> str:
    """The image in podman's storage."""
    return podman.pull(pushed)


def test_skopeo_reads_the_image(pushed: str, skopeo: Skopeo) -> None:
    found = skopeo.inspect(f"docker://{pushed}")
    assert found["Digest"] == pushed.rpartition("@")[2]
    config = skopeo.config(f"docker://{pushed}")["config"]
    assert config["Entrypoint"] == ["/sematic/bin/worker"]
    assert "MODE=test" in config["Env"]


def test_every_tag_stands_for_the_digest(pushed: str, crane: Crane) -> None:
    name, _, digest = pushed.rpartition("@")
    assert crane.digest(f"{name}:v1") == digest


@pytest.mark.parametrize("pushed", ["oci-gzip", "docker-gzip"], indirect=True)
def test_crane_validates_gzip(pushed: str, crane: Crane) -> None:
    crane.validate(pushed)


@pytest.mark.parametrize("pushed", ["oci-zstd", "oci-gzip"], indirect=True)
def test_the_documents_are_what_the_image_spec_says(
    pushed: str, crane: Crane, image_spec: ImageSpec
) -> None:
    image_spec.check("image-manifest-schema.json", crane.manifest(pushed))
    image_spec.check("config-schema.json", crane.config(pushed))


def test_umoci_unpacks_exactly_what_was_planned(
    project: Path,
    environment: Path,
    pushed: str,
    base_layout: Path,
    skopeo: Skopeo,
    umoci: Umoci,
    tmp_path: Path,
) -> None:
    skopeo.copy(f"docker://{pushed}", f"oci:{tmp_path / 'copy'}:it")
    root = umoci.unpack(tmp_path / "copy", "it", tmp_path / "bundle")
    built = build(project, read_settings(project, python=str(environment)))
    planned = {entry.path: entry for _, layer in built.layers() for entry in layer.entries}
    found = {os.path.relpath(path, root) for path in root.joinpath("sematic").rglob("*")}
    assert found == set(planned) - {"sematic"}
    for path, entry in planned.items():
        status = (root / path).lstat()
        if entry.kind == "link":
            assert (root / path).readlink() == Path(entry.target)
        elif entry.kind == "folder":
            assert stat.S_ISDIR(status.st_mode)
        elif path.startswith("sematic/src"):
            content = Path(str(entry.source)).read_bytes() if entry.source else entry.data
            assert (root / path).read_bytes() == content
        if entry.kind != "link" and not path.endswith(("pyvenv.cfg", ".pth")):
            assert stat.S_IMODE(status.st_mode) == entry.mode, path
    assert not list(root.joinpath("sematic").rglob(".env"))
    assert not list(root.joinpath("sematic").rglob("*.log"))


def test_the_environment_works_in_a_container(container: str, podman: Podman) -> None:
    code = """
import json, subprocess, sys
import numpy, tabulate, stray, found_by_pth, corp.one, corp.two
inner = subprocess.run(
    [sys.executable, "-c", "import numpy; print(numpy.arange(4).sum())"],
    capture_output=True, text=True, check=True)
print(json.dumps([int(numpy.arange(5).sum()), stray.NAME, found_by_pth.NAME,
                  corp.one.NAME, corp.two.NAME, inner.stdout.strip(), sys.prefix]))
"""
    said = json.loads(podman.run(container, "-c", code))
    assert said == [10, "stray", "pth", "one", "two", "6", "/sematic/venv"]


def test_the_project_runs_as_module_script_and_program(container: str, podman: Podman) -> None:
    assert podman.run(container, "-m", "app").strip() == "sum 6"
    assert podman.run(container, "script.py", "a", "b").strip() == "script ['a', 'b']"
    assert podman.run(container, "greet", "you").strip() == "hello from share you"
    assert podman.run(container, "./run.sh").strip() == "ran"


def test_the_home_is_writable_for_any_user(container: str, podman: Podman) -> None:
    code = "from pathlib import Path; p = Path('~/x').expanduser(); p.write_text('y'); print(p)"
    assert podman.run(container, "-c", code, user="12345").strip() == "/sematic/home/x"


def test_sematic_is_not_there_and_the_worker_says_so(container: str, podman: Podman) -> None:
    with pytest.raises(Exception, match="sematic"):
        podman.run(container, "--run_id", "abc")


def test_podman_loads_and_runs_an_archive(
    project: Path, environment: Path, base_layout: Path, podman: Podman, tmp_path: Path
) -> None:
    for compression in ("gzip", "zstd"):
        archive = tmp_path / f"{compression}.tar"
        sematic_oci(
            *(
                "push",
                project,
                "--python",
                environment,
                "--base",
                f"oci-layout:{base_layout}:worker",
            ),
            *("--to", f"archive:{archive}", "--compression", compression, "--tag", compression),
        )
        name = podman.load(archive)
        assert podman.run(name, "-m", "app").strip() == "sum 6"


def test_docker_loads_and_runs_an_archive(
    project: Path, environment: Path, base_layout: Path, docker: Docker, tmp_path: Path
) -> None:
    base = f"oci-layout:{base_layout}:worker"
    archive = tmp_path / "demo.tar"
    sematic_oci(
        *("push", project, "--python", environment, "--base", base),
        *("--to", f"archive:{archive}:v1"),
    )
    assert docker.load(archive) == "demo:v1"
    assert docker.run("demo:v1", "-m", "app").strip() == "sum 6"


@pytest.mark.parametrize("place", ["layout", "other registry"])
def test_a_base_that_lies_elsewhere_is_brought_along(
    place: str,
    project: Path,
    environment: Path,
    base_layout: Path,
    base_in_registry: str,
    crane_registry: Registry,
    crane: Crane,
    podman: Podman,
) -> None:
    base = base_in_registry if place == "other registry" else f"oci-layout:{base_layout}:plain"
    reference = sematic_oci(
        *("push", project, "--python", environment, "--base", base, "--compression", "gzip"),
        *("--to", f"{crane_registry.host}/moved/{place.replace(' ', '-')}"),
    )
    crane.validate(reference)
    assert podman.run(podman.pull(reference), "-m", "app").strip() == "sum 6"


def test_a_docker_base_becomes_oci(
    project: Path,
    environment: Path,
    base_layout: Path,
    docker_registry: Registry,
    skopeo: Skopeo,
    crane: Crane,
    podman: Podman,
) -> None:
    base = f"{docker_registry.host}/base/docker:v2s2"
    skopeo.copy(f"oci:{base_layout}:worker", f"docker://{base}", "--format", "v2s2")
    reference = sematic_oci(
        *("push", project, "--python", environment, "--base", base),
        *("--to", f"{docker_registry.host}/team/converted"),
    )
    manifest = crane.manifest(reference)
    assert {layer["mediaType"].rpartition(".")[0] for layer in manifest["layers"]} == {
        "application/vnd.oci.image.layer.v1"
    }
    assert podman.run(podman.pull(reference), "-m", "app").strip() == "sum 6"


def test_a_push_without_a_change_asks_the_registry_once(
    project: Path, environment: Path, docker_registry: Registry
) -> None:
    arguments = ("push", project, "--python", environment, "--to", f"{docker_registry.host}/one/x")
    first = sematic_oci(*arguments)
    before = len(docker_registry.requests())
    assert sematic_oci(*arguments) == first
    asked = docker_registry.requests()[before:]
    # On loopback one more finds out whether the registry speaks plain http.
    assert [(method, path) for method, path, _ in asked if path != "/v2/"] == [
        ("HEAD", "/v2/one/x/manifests/latest")
    ]


def test_an_edit_sends_one_layer(
    project: Path, environment: Path, docker_registry: Registry
) -> None:
    arguments = (
        *("push", project, "--python", environment, "--json"),
        *("--to", f"{docker_registry.host}/one/edit"),
    )
    sematic_oci(*arguments)
    (project / "app" / "report.py").write_text("print('edited')\n")
    before = len(docker_registry.requests())
    summary = json.loads(sematic_oci(*arguments))
    asked = [method for method, path, _ in docker_registry.requests()[before:] if path != "/v2/"]
    # The layer and the config at once.
    assert [asked[0], sorted(asked[1:-1]), asked[-1]] == [
        "HEAD",
        ["POST", "POST", "PUT", "PUT"],
        "PUT",
    ]
    assert summary["new"] == 1
    assert summary["sent"] < 20_000
    assert [layer["name"][:6] for layer in summary["layers"] if layer["fate"] == "new"] == [
        "source"
    ]


def test_the_same_base_in_the_same_registry_is_mounted(
    project: Path, environment: Path, base_in_registry: str, docker_registry: Registry
) -> None:
    summary = json.loads(
        sematic_oci(
            *("push", project, "--python", environment, "--base", base_in_registry, "--json"),
            *("--to", f"{docker_registry.host}/one/mounted"),
        )
    )
    assert summary["mounted"] == 3
    assert {layer["fate"] for layer in summary["layers"][:3]} == {"mounted"}


def test_a_machine_that_remembers_nothing_sends_nothing_twice(
    project: Path, environment: Path, docker_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (
        *("push", project, "--python", environment, "--json"),
        *("--to", f"{docker_registry.host}/one/forgetful"),
    )
    first = json.loads(sematic_oci(*arguments))
    monkeypatch.setenv("SEMATIC_CACHE_DIR", str(project.parent / "another-cache"))
    (project / "app" / "report.py").write_text("print('edited elsewhere')\n")
    second = json.loads(sematic_oci(*arguments))
    assert first["sent"] > 10_000_000
    assert second["new"] == 1
    assert second["sent"] < 20_000


def test_a_machine_that_remembers_nothing_asks_for_no_blob_of_the_same_image(
    project: Path, environment: Path, docker_registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = f"{docker_registry.host}/one/twice"
    arguments = ("push", project, "--python", environment, "--json", "--to", repository)
    first = json.loads(sematic_oci(*arguments))
    monkeypatch.setenv("SEMATIC_CACHE_DIR", str(project.parent / "a-third-cache"))
    before = len(docker_registry.requests())
    second = json.loads(sematic_oci(*arguments))
    asked = [(method, path) for method, path, _ in docker_registry.requests()[before:]]
    assert (second["digest"], second["sent"]) == (first["digest"], 0)
    assert {method for method, _ in asked} <= {"HEAD", "GET"}
    # The config, and perhaps small layers that are made before the previous image is looked at.
    assert sum("/blobs/" in path for _, path in asked) <= 5
