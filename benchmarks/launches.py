"""From ``python launch.py`` after an edit to the first line of a step in its pod."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import uuid4

from benchmarks.images import base_name, seed_base
from benchmarks.measure import Usage, run_timed
from benchmarks.results import Sample, now
from tests.e2e.launching import make_environment, uv_install
from tests.peers.kubernetes.build import INSTRUCTION, is_built
from tests.peers.registry import registry

SCENARIO, WORKLOAD = "resolve to pod", "launcher"
_PROCESSES, _KUBERNETES = "processes of this machine", "Kubernetes"
_RUNNER = "runner"
_SCRIPT = """
import sys
import time
from pathlib import Path

import sematic


@sematic.func(inline=False)
def step() -> float:
    return time.time()


@sematic.func
def pipeline() -> float:
    return step()


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(repr(pipeline().resolve(sematic.CloudResolver(detach=False))))
"""


@dataclass(frozen=True)
class Launcher:
    """A script that runs one step in a pod.

    :param variables: that say where pods are and where the image goes.
    """

    name: str
    python: Path
    project: Path
    variables: dict[str, str]

    def launch(self, number: int) -> Usage:
        """The wall time is until the step begins; CPU and memory are of the whole command."""
        (self.project / "edited.py").write_text(f"# edit {number}\n")
        result = self.project.parent / f"result-{uuid4().hex}"
        began = time.time()
        usage = run_timed((self.python, "launch.py", result), cwd=self.project, **self.variables)
        return replace(usage, wall=float(result.read_text()) - began)


def absent() -> dict[str, str]:
    """Kinds of pods that cannot be had here, and why."""
    if is_built():
        return {}
    return {_KUBERNETES: f"Kubernetes is not built: run `{INSTRUCTION}`"}


def measure(scratch: Path, rounds: int) -> Iterator[Sample]:
    """Each kind of pods in turn, in every round."""
    run = now()
    with ExitStack() as stack:
        launchers = [
            stack.enter_context(start(scratch))
            for name, start in _KINDS.items()
            if name not in absent()
        ]
        for launcher in launchers:
            launcher.launch(0)
        for number in range(1, rounds + 1):
            for launcher in launchers:
                load = os.getloadavg()[0]
                usage = launcher.launch(number)
                where = (run, WORKLOAD, SCENARIO, launcher.name, number)
                yield Sample(*where, **asdict(usage), load=load)


@contextmanager
def _processes(scratch: Path) -> Iterator[Launcher]:
    yield _launcher(scratch / "processes", _PROCESSES, "none")


@contextmanager
def _kubernetes(scratch: Path) -> Iterator[Launcher]:
    """A cluster of one node."""
    from tests.e2e.in_cluster.clusters import RULES, make_account
    from tests.peers.kubernetes.cluster import cluster

    with (
        cluster(scratch / "cluster") as made,
        registry(scratch / "cluster-registry", address=made.gateway) as images,
    ):
        made.trust(images.host)
        seed_base(images)
        namespace = made.make_namespace("bench")
        make_account(made, namespace, _RUNNER, RULES)
        base = f"{images.host}/{base_name()}"
        launcher = _launcher(scratch / "kubernetes", _KUBERNETES, base)
        uv_install(launcher.python, "pyyaml")
        place = {
            "KUBECONFIG": str(made.kubeconfig),
            "SEMATIC_NAMESPACE": namespace,
            "SEMATIC_SERVICE_ACCOUNT": _RUNNER,
            "SEMATIC_INSECURE_REGISTRIES": images.host,
            "SEMATIC_REPOSITORY": f"{images.host}/bench/launch",
        }
        yield replace(launcher, variables={**launcher.variables, **place})


def _launcher(folder: Path, name: str, base: str) -> Launcher:
    project = folder / "project"
    project.mkdir(parents=True)
    (project / "launch.py").write_text(textwrap.dedent(_SCRIPT))
    (project / "pyproject.toml").write_text(f'[tool.sematic]\nbase = "{base}"\n')
    folders = {f"SEMATIC_{kind}_DIR": str(folder / kind.lower()) for kind in ("CACHE", "DATA")}
    return Launcher(name, make_environment(folder / "venv"), project, folders)


_KINDS: dict[str, Callable[[Path], AbstractContextManager[Launcher]]] = {
    _PROCESSES: _processes,
    _KUBERNETES: _kubernetes,
}
