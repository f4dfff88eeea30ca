"""Bases that others would make: what is said of them, and whether an image on them runs."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bases.conftest import HOUR
from tests.e2e.command import Run, end, start
from tests.peers.debian import debian_uri
from tests.peers.podman import Podman
from tests.peers.tools import Umoci

PATH = "/usr/local/bin:/usr/bin:/bin"
MAIN = """\
import json, os, pydantic, sys
try:
    import yaml
except ImportError:
    yaml = None
home = os.environ["HOME"]
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2],
    "prefix": sys.base_prefix,
    "yaml": yaml and yaml.__file__,
    "home": os.access(home, os.W_OK),
}))
"""


@dataclass(frozen=True)
class Workshop:
    """Where images are made by debootstrapping and umoci."""

    folder: Path
    umoci: Umoci

    def bootstrap(self, suite: str, *packages: str) -> Path:
        root = self.folder / f"{suite}-{len(packages)}"
        command = [
            *("unshare", "--mount"),  # its mounts are seen by nobody who removes the folder
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            "--format=directory",
        ]
        subprocess.run(
            [*command, f"--include={','.join(packages)}", suite, root, debian_uri()], check=True
        )
        return root

    def store(self, root: Path, tag: str, path: str = PATH, *config: str) -> str:
        """The reference of an image of one layer."""
        image = f"{self.folder}/l:{tag}"
        self.umoci.run("new", "--image", image)
        self.umoci.run("insert", "--image", image, root, "/")
        self.umoci.run("config", "--image", image, f"--config.env=PATH={path}", *config)
        return f"oci-layout:{image}"

    def moved(self, root: Path, prefix: str) -> Path:
        """A copy whose Python lies elsewhere."""
        copy = self.folder / prefix.replace("/", "-")
        subprocess.run(["cp", "-a", root, copy], check=True)
        for kind in ("bin", "lib"):
            (copy / prefix / kind).mkdir(parents=True, exist_ok=True)
            for source in (copy / "usr" / kind).glob("python3*"):
                shutil.rmtree(copy / prefix / kind / source.name, ignore_errors=True)
                shutil.move(source, copy / prefix / kind)
        return copy


@pytest.fixture(scope="module")
def workshop(umoci: Umoci, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    folder = tmp_path_factory.mktemp("workshop")
    umoci.run("init", "--layout", folder / "l")
    yield Workshop(folder, umoci)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def debian(workshop: Workshop) -> Path:
    """Debian 12 with Python and, beside glibc, musl."""
    return workshop.bootstrap("bookworm", "python3", "python3-yaml", "musl")


@pytest.fixture
def on(project: Path, tmp_path: Path) -> Callable[[str], Run]:
    """Pushes the project on a base."""

    def push(base: str) -> Run:
        to = f"oci-layout:{tmp_path}/out:v1"
        requirements = ("--requirements", project / "requirements.txt")
        return end(start("push", project, *requirements, "--base", base, "--to", to), HOUR)

    return push


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "main.py").write_text(MAIN)
    (folder / "requirements.txt").write_text("pydantic\n")
    return folder


def check(base: str) -> dict[str, str]:
    """What is said of each requirement, and of the distributions."""
    done = end(start("base", "check", base, "--json"), HOUR)
    found = json.loads(done.out)
    assert done.code == (0 if found["is_base"] else 1)
    said = {each["requirement"]: f"{each['verdict']} {each['text']}" for each in found["answers"]}
    return {**said, "distributions": ", ".join(found["distributions"])}


def ran(podman: Podman, layout: Path) -> dict[str, object]:
    policy = ("--signature-policy", podman.policy)
    image = podman.command("pull", "--quiet", *policy, f"oci:{layout}:v1").strip()
    found: dict[str, object] = json.loads(podman.run(image, "main.py", user="54321"))
    assert found.pop("home")
    return found


def test_debian_as_it_is(
    workshop: Workshop, debian: Path, on: Callable[[str], Run], podman: Podman, tmp_path: Path
) -> None:
    base = workshop.store(debian, "debian", PATH, "--config.entrypoint=/usr/bin/env")
    assert check(base) == {
        "interpreter": "yes /usr/bin/python3, Python 3.11",
        "C library": "yes glibc 2.36: it runs wheels up to manylinux_2_36",
        "architecture": "yes linux/amd64",
        "links": "yes /bin -> usr/bin, /lib -> usr/lib, /lib64 -> usr/lib64, /sbin -> usr/sbin",
        "home": "push HOME is not set; push makes one",
        "entrypoint": "push /usr/bin/env; push sets it",
        "distributions": "PyYAML 6.0",
    }
    assert on(base).code == 0
    yaml = "/usr/lib/python3/dist-packages/yaml/__init__.py"
    assert ran(podman, tmp_path / "out") == {"version": "3.11", "prefix": "/usr", "yaml": yaml}


def test_debian_without_merged_usr(
    workshop: Workshop, on: Callable[[str], Run], podman: Podman, tmp_path: Path
) -> None:
    base = workshop.store(workshop.bootstrap("bullseye", "python3"), "split")
    found = check(base)
    assert found["interpreter"] == "yes /usr/bin/python3, Python 3.9"
    assert found["C library"] == "yes glibc 2.31: it runs wheels up to manylinux_2_31"
    assert found["links"] == "yes none below /"
    assert on(base).code == 0
    assert ran(podman, tmp_path / "out") == {"version": "3.9", "prefix": "/usr", "yaml": None}


@pytest.mark.parametrize("prefix", ["usr/local", "opt/conda"])
def test_python_elsewhere(
    prefix: str,
    workshop: Workshop,
    debian: Path,
    on: Callable[[str], Run],
    podman: Podman,
    tmp_path: Path,
) -> None:
    root, tag = workshop.moved(debian, prefix), prefix.replace("/", "-")
    base = workshop.store(root, tag, f"/opt/conda/bin:{PATH}")
    assert check(base)["interpreter"] == f"yes /{prefix}/bin/python3, Python 3.11"
    assert on(base).code == 0
    yaml = f"/{prefix}/lib/python3/dist-packages/yaml/__init__.py"
    assert ran(podman, tmp_path / "out") == {
        "version": "3.11",
        "prefix": f"/{prefix}",
        "yaml": yaml,
    }
    if prefix == "opt/conda":
        hidden = workshop.store(root, "hidden")
        assert "no it has no /usr/bin/python3" in check(hidden)["interpreter"]
        pushed = on(hidden)
        assert pushed.code == 1 and "(/opt/conda/bin/python3 is not on it)" in pushed.err


def test_the_c_library_is_that_of_python(workshop: Workshop, debian: Path) -> None:
    copy = workshop.folder / "musl"
    (copy / "usr/bin").mkdir(parents=True)
    program = (debian / "usr/bin/python3.11").read_bytes()
    loader = b"/lib64/ld-linux-x86-64.so.2"
    other = b"/lib/ld-musl-x86_64.so.1".ljust(len(loader), b"\0")
    (copy / "usr/bin/python3.11").write_bytes(program.replace(loader, other, 1))
    workshop.store(debian, "musl")
    workshop.umoci.run("insert", "--image", f"{workshop.folder}/l:musl", copy, "/")
    found = check(f"oci-layout:{workshop.folder}/l:musl")
    assert found["C library"] == "yes musl 1.2: it runs wheels up to musllinux_1_2"


def test_a_config_that_names_another_cpu(
    workshop: Workshop, debian: Path, on: Callable[[str], Run], tmp_path: Path
) -> None:
    base = workshop.store(debian, "cpu", PATH, "--architecture=arm64")
    why = "its Python is for amd64, but its config says linux/arm64"
    assert check(base)["architecture"] == f"no {why}"
    pushed = on(base)
    assert pushed.code == 1 and why in pushed.err
    assert not (tmp_path / "out").exists()
