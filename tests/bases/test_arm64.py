"""An image for linux/arm64, made on whatever machine this is, runs where arm64 does."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bases.conftest import HOUR
from tests.e2e.command import end, start
from tests.peers.elf import MACHINES, machines
from tests.peers.qemu import Qemu
from tests.peers.tools import Umoci

MAIN = """\
import json, platform, subprocess, sys
import numpy, pydantic

class Point(pydantic.BaseModel):
    x: int

matrix = numpy.arange(9.0).reshape(3, 3) + numpy.eye(3)
command = [sys.executable, "-c", "import numpy; print(numpy.__file__)"]
print(json.dumps({
    "machine": platform.machine(),
    "solved": numpy.linalg.solve(matrix, matrix @ [1, 2, 3]).round(9).tolist(),
    "point": Point(x="7").x,
    "python": sys.executable,
    "subprocess": subprocess.run(command, capture_output=True, text=True).stdout.strip(),
}))
"""


def test_wheels_for_arm64_compute_there(
    bases: Path, umoci: Umoci, qemu: Qemu, tmp_path: Path
) -> None:
    project = tmp_path / "demo"
    project.mkdir()
    (project / "main.py").write_text(MAIN)
    (project / "requirements.txt").write_text("numpy\npydantic\n")
    process = start(
        *("push", project, "--requirements", project / "requirements.txt"),
        *("--base", f"oci-layout:{bases}:worker", "--platform", "linux/arm64"),
        *("--to", f"oci-layout:{tmp_path}/image:v1"),
    )
    assert end(process, HOUR).code == 0
    root = umoci.unpack(tmp_path / "image", "v1", tmp_path / "bundle")
    assert machines(root) == {MACHINES["arm64"]}
    config = json.loads((tmp_path / "bundle/config.json").read_text())["process"]
    env = dict(pair.split("=", 1) for pair in config["env"])
    said = qemu.run(root, *config["args"], f"{config['cwd']}/main.py", env=env, seconds=HOUR)
    found = json.loads(said)
    assert found.pop("subprocess").startswith("/sematic/venv/lib/python3.11/site-packages/numpy/")
    assert found == {
        "machine": "aarch64",
        "solved": [1.0, 2.0, 3.0],
        "point": 7,
        "python": "/sematic/venv/bin/python3",
    }
