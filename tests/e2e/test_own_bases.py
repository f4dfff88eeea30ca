"""The project's own base ``worker``: built from its lock by the command, run, and judged."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic.oci.bases.lock import locks_folder
from sematic.oci.bases.recipes import SUITES, is_left_out
from tests.e2e.command import end, start
from tests.peers.elf import MACHINES, machines
from tests.peers.podman import Podman
from tests.peers.registry import Registry
from tests.peers.tools import Crane, Skopeo, Umoci

SECONDS = 240
PROBE = Path(__file__).with_name("base_probe.py").read_text()


def build(to: str, cache: Path, *more: str) -> str:
    """The reference of the base with Python 3.13 that the command built."""
    process = start(
        *("base", "build", "worker", "--python", "3.13", "--to", to, *more),
        SEMATIC_CACHE_DIR=str(cache),
    )
    return end(process, SECONDS).reference


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def built(docker_registry: Registry, cache: Path) -> str:
    """An index in a registry, of bases with Python 3.13 for two platforms."""
    platforms = ("--platform", "linux/amd64,linux/arm64")
    return build(f"{docker_registry.host}/bases/worker:3.13", cache, *platforms)


@pytest.fixture(scope="module", params=MACHINES)
def unpacked(
    request: pytest.FixtureRequest,
    built: str,
    skopeo: Skopeo,
    umoci: Umoci,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, str]]:
    """The root file system of the base for a CPU, as umoci unpacks it."""
    cpu: str = request.param
    folder = tmp_path_factory.mktemp(cpu)
    skopeo.run(
        *("--insecure-policy", f"--override-arch={cpu}", "copy", "--src-tls-verify=false"),
        *(f"docker://{built}", f"oci:{folder}/layout:v1"),
    )
    yield umoci.unpack(folder / "layout", "v1", folder / "bundle"), cpu


def test_crane_finds_an_image_for_each_platform(built: str, crane: Crane) -> None:
    for cpu in MACHINES:
        said = crane.run("config", "--insecure", f"--platform=linux/{cpu}", built)
        config = json.loads(said)
        assert config["architecture"] == cpu
        assert config["config"]["Labels"]["dev.sematic.python"] == "3.13"
        manifest = json.loads(crane.run("manifest", "--insecure", f"--platform=linux/{cpu}", built))
        assert sum(layer["size"] for layer in manifest["layers"]) < 40_000_000


def test_the_same_lock_is_the_same_image_on_another_machine(
    built: str, cache: Path, crane: Crane, tmp_path: Path
) -> None:
    (tmp_path / "packages").symlink_to(cache / "packages")  # which nobody need download again
    again = build(f"oci-layout:{tmp_path}/l", tmp_path, "--platform", "linux/amd64")
    assert (
        again.rpartition("@")[2]
        == crane.run("digest", "--insecure", "--platform=linux/amd64", built).strip()
    )


@pytest.mark.parametrize("python", ["3.11", "3.13"])
@pytest.mark.parametrize("user", ["0", "12345"])
def test_a_program_finds_what_it_needs(
    python: str, user: str, built: str, base_in_registry: str, podman: Podman
) -> None:
    pulled = podman.pull(built if python == "3.13" else base_in_registry)
    found = json.loads(podman.run(pulled, "python3", "-c", PROBE, user=user))
    assert found.pop("python") == python
    assert found.pop("release") == SUITES[python]
    assert found.pop("certificates") > 100
    assert found.pop("user") == int(user)
    assert found == {
        "executable": "/usr/bin/python3",
        "verified": True,
        "locale": "C.UTF-8",
        "temporary": "/tmp",
        "libraries": ["libstdc++.so.6", "libgomp.so.1", "libssl.so.3"],
        "found": "libc.so.6",
        "sqlite": 42,
        "zone": "CEST",
        "local": "UTC",
        "home": "/sematic/home",
        "written": "mine",
        "encoding": "utf-8",
        "shell": ["sh", "bash", "awk", "tar", "/usr/bin/awk"],
    }


def test_every_program_and_library_is_for_its_cpu(unpacked: tuple[Path, str]) -> None:
    root, cpu = unpacked
    assert machines(root) == {MACHINES[cpu]}


def test_debian_s_own_tools_know_the_packages(unpacked: tuple[Path, str]) -> None:
    root, cpu = unpacked
    lock = json.loads((locks_folder() / f"worker-3.13-{cpu}.json").read_text())
    locked = {(each["name"], each["version"]) for each in lock["packages"]}
    query = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W"]
    shown = "-f=${Package} ${Version} ${db:Status-Abbrev}\n"
    listed = subprocess.run([*query, shown], capture_output=True, text=True, check=True).stdout
    assert {tuple(line.split()) for line in listed.splitlines()} == {
        (name, version, "ii") for name, version in locked
    }
    verify = ["dpkg", f"--root={root}", "--verify"]
    found = subprocess.run(verify, capture_output=True, text=True).stdout.splitlines()
    assert found and all(line.startswith("missing") for line in found)
    assert all(is_left_out(line.split()[-1].strip("/")) for line in found)


@pytest.mark.parametrize("unpacked", ["amd64"], indirect=True)
def test_the_loader_s_cache_is_what_ldconfig_makes(unpacked: tuple[Path, str]) -> None:
    root = unpacked[0]

    def listed() -> list[str]:
        command = ["ldconfig", "-C", f"{root}/etc/ld.so.cache", "-p"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return [line for line in said.splitlines() if "=>" in line]

    ours = listed()
    subprocess.run(["ldconfig", "-r", root], check=True)
    assert ours == listed() and len(ours) > 40


def test_the_command_says_what_it_has(built: str, cache: Path) -> None:
    checked = end(
        start("base", "check", built, "--json", SEMATIC_CACHE_DIR=str(cache)), SECONDS
    ).summary
    assert checked["is_base"]
    verdicts = {each["requirement"]: each["verdict"] for each in checked["answers"]}
    assert verdicts.pop("entrypoint") == "push"
    assert set(verdicts.values()) == {"yes"}
