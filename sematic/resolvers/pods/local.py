"""Pods as processes of this machine, from the unpacked layers of their image."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from sematic.oci.folders import cache_folder, data_folder
from sematic.resolvers.file_records import FileRecords
from sematic.resolvers.pods.guard import Guard
from sematic.resolvers.pods.place import Place
from sematic.resolvers.pods.pods import PodEvent, PodSpec
from sematic.resolvers.pods.process_table import end_processes, has_process, is_older
from sematic.resolvers.pods.processes import Command, Processes, Runtime, remove_old
from sematic.resolvers.pods.unpacked import Unpacked, open_image
from sematic.resolvers.records import RunRecord

RUN_VARIABLE = "SEMATIC_RUN_ID"
"""Every process of a run has it, and is found by it."""

_START_SECONDS = 10.0  # from a run's record to the process that drives it

_KEPT = ("LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "XDG_RUNTIME_DIR")
_KEPT_KINDS = ("SEMATIC_", "AWS_", "AZURE_", "GOOGLE_", "SSL_CERT_")
_KEPT_ENDS = ("_proxy", "_PROXY")
# Pods have homes of their own; what they need to reach the store stays the user's.
_IN_HOME = {
    "DOCKER_CONFIG": ".docker",
    "REGISTRY_AUTH_FILE": ".config/containers/auth.json",
    "AWS_CONFIG_FILE": ".aws/config",
    "AWS_SHARED_CREDENTIALS_FILE": ".aws/credentials",
    "CLOUDSDK_CONFIG": ".config/gcloud",
}


class LocalPlace:
    """This machine."""

    def __init__(self) -> None:
        self._data = data_folder().absolute()

    @property
    def kind(self) -> str:
        return "local"

    @property
    def records(self) -> FileRecords:
        return FileRecords(self._data / "runs")

    def pods(self, run: RunRecord, *, drives: bool = False) -> Processes:
        return processes(self, run, LocalRuntime(), drives=drives)

    def driver_loss(self, run: RunRecord) -> str:
        host, comma, process = run.driver.rpartition(", process ")
        if comma:
            is_there = host != socket.gethostname() or is_older(int(process), run.created)
            return "" if is_there else f"process {process}"
        is_new = time.time() - run.created < _START_SECONDS
        is_there = is_new or has_process(RUN_VARIABLE, run.id, "--resolve")
        return "" if is_there else "its process is gone"

    def stop(self, run_id: str) -> None:
        end_processes(RUN_VARIABLE, run_id)


def processes(place: Place, run: RunRecord, runtime: Runtime, *, drives: bool) -> Processes:
    """The pods of a run of this machine, with a guard if this process drives it."""
    folder = data_folder().absolute() / "pods"
    stack = ExitStack()
    stack.callback(runtime.close)
    if drives:
        stack.callback(Guard(place.kind, run.id).dismiss)
        stack.callback(place.stop, run.id)  # whatever steps have left in the background
    remove_old(folder)
    return Processes(folder / run.id, runtime, stack)


class LocalRuntime:
    """Runs workers by the interpreter of this machine that their image asks for."""

    def __init__(self) -> None:
        self._images: dict[str, Unpacked] = {}
        self._lock = threading.Lock()

    def command(self, pod: PodSpec, folder: Path) -> Command:
        with self._lock:
            if pod.image not in self._images:
                lie = data_folder().absolute() / "unpacked"
                self._images[pod.image] = open_image(pod.image, lie)
            image = self._images[pod.image]
        home = folder / "home"
        home.mkdir()
        env = {
            **_of_user(os.environ),
            **image.env,
            "HOME": str(home),
            "SEMATIC_DATA_DIR": str(data_folder().absolute()),
            "SEMATIC_CACHE_DIR": str(cache_folder().absolute()),
            **variables(pod),
        }
        arguments = (image.python, "-m", "sematic.resolvers.worker", *pod.arguments)
        return Command(arguments, env, image.folder)

    def explain(self, pod: PodSpec, code: int) -> PodEvent | None:
        return None

    def remove(self, names: Sequence[str]) -> None:
        """A process that has ended leaves nothing."""

    def close(self) -> None:
        for image in self._images.values():
            image.close()


def variables(pod: PodSpec) -> dict[str, str]:
    """What every pod is told by its environment."""
    return {
        **pod.env,
        "SEMATIC_CONTAINER_IMAGE": pod.image,
        "ON_SEMATIC_WORKER": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _of_user(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that are the user's and not the launching program's."""
    kept = {
        name: value
        for name, value in environ.items()
        if name in _KEPT or name.startswith(_KEPT_KINDS) or name.endswith(_KEPT_ENDS)
    }
    for name, path in _IN_HOME.items():
        found = Path.home() / path
        if found.exists():
            kept.setdefault(name, str(found))
    return kept
