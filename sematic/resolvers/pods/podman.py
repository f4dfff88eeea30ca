"""Pods as containers of this machine, by podman.

A pod is a ``podman run`` that is waited for as any process is. Drivers are no containers: they
start some, and are processes of the same image as :mod:`sematic.resolvers.pods.local` runs them.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sematic.oci.base import Base, find_base
from sematic.oci.cache import Cache
from sematic.oci.errors import OCIError
from sematic.oci.manifest import OCI_INDEX, to_json
from sematic.oci.places import open_source
from sematic.oci.reference import LayoutReference, parse_reference
from sematic.oci.registry.routes import Routes, is_loopback
from sematic.resolvers.file_records import FileRecords
from sematic.resolvers.pods.local import LocalPlace, LocalRuntime, processes, variables
from sematic.resolvers.pods.pods import PodEvent, PodsError, PodSpec
from sematic.resolvers.pods.processes import Command, Processes
from sematic.resolvers.records import RunRecord
from sematic.resolvers.stores.registry import SCHEME

_LABEL = "dev.sematic.run"
_OWN_FAILURE = 125  # podman-run(1), "Exit Status"
_KILLED = 137
_KEPT_KINDS = ("SEMATIC_REGISTRY_", "SEMATIC_INSECURE_", "AWS_", "AZURE_")
# What podman is set up by; a driver has an environment of its own otherwise.
_SETTINGS = (
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
)


class PodmanPlace:
    """The containers of this machine; records lie where those of local runs do."""

    @property
    def kind(self) -> str:
        return "podman"

    @property
    def records(self) -> FileRecords:
        return LocalPlace().records

    def pods(self, run: RunRecord, *, drives: bool = False) -> Processes:
        return processes(self, run, PodmanRuntime(run.store), drives=drives)

    def driver_loss(self, run: RunRecord) -> str:
        return LocalPlace().driver_loss(run)

    def stop(self, run_id: str) -> None:
        found = podman("ps", "--all", "--quiet", f"--filter=label={_LABEL}={run_id}").split()
        if found:
            podman("rm", "--force", "--ignore", "--time=0", *found)
        LocalPlace().stop(run_id)


class PodmanRuntime:
    """Runs workers in containers.

    :param store: the URL of the run's store, which they must reach.
    """

    def __init__(self, store: str) -> None:
        self._store = store
        self._drivers = LocalRuntime()
        self._images: dict[str, str] = {}
        self._lock = threading.Lock()

    def command(self, pod: PodSpec, folder: Path) -> Command:
        if pod.kind == "driver":
            return _with_podman(self._drivers.command(pod, folder))
        with self._lock:
            if pod.image not in self._images:
                self._images[pod.image] = _load(pod.image)
            image = self._images[pod.image]
        own = {**_of_user(os.environ), **variables(pod)}
        arguments = [
            *("podman", "run", "--name", pod.name, "--label", f"{_LABEL}={pod.run_id}"),
            *("--pull=never", "--log-driver=none", "--security-opt=label=disable"),
            *(f"--env={name}" for name in sorted(own)),  # the values are no one else's to see
            *_reach(self._store),
            *(image, *pod.arguments),
        ]
        return Command(arguments, {**os.environ, **own}, folder)

    def explain(self, pod: PodSpec, code: int) -> PodEvent | None:
        if pod.kind == "driver" or code not in (_OWN_FAILURE, _KILLED):
            return None
        if code == _OWN_FAILURE:
            message = "podman could not run its container; its log says why"
            return PodEvent(pod.name, "failed", "exit", message, code)
        try:
            (container,) = json.loads(podman("inspect", "--type=container", pod.name))
        except (PodsError, ValueError):
            return None
        if not container["State"].get("OOMKilled"):
            return None
        message = "the kernel killed it, as it took more memory than its container may have"
        return PodEvent(pod.name, "failed", "oom", message, code)

    def remove(self, names: Sequence[str]) -> None:
        if names:
            podman("rm", "--force", "--ignore", "--time=0", *names)

    def close(self) -> None:
        self._drivers.close()


def podman(*arguments: str) -> str:
    """What a podman command prints.

    :raises PodsError: it fails, or there is no podman.
    """
    try:
        done = subprocess.run(
            ["podman", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise PodsError("there is no podman on PATH: install it, or take --pods local") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["it says nothing"]
        raise PodsError(f"podman {arguments[0]} failed: {said[0].removeprefix('Error: ')}")
    return done.stdout


def _with_podman(command: Command) -> Command:
    """The command of a driver that finds podman as it is set up for the user."""
    env = {**command.env, **{name: os.environ[name] for name in _SETTINGS if name in os.environ}}
    env["PATH"] = f"{Path(command.arguments[0]).parent}:{os.environ.get('PATH', os.defpath)}"
    return replace(command, env=env)


def _of_user(environ: Mapping[str, str]) -> dict[str, str]:
    """What a container needs of the user's variables to reach the store; files it has none."""
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(_KEPT_KINDS) and not name.endswith("_FILE")
    }


def _load(image: str) -> str:
    """The id of an image in podman's storage, brought there if need be.

    :raises PodsError: it cannot be, or has nothing to run on.
    """
    reference = parse_reference(image)
    try:
        base = find_base(open_source(reference), Cache())
    except OCIError as error:
        raise PodsError(f"{image} cannot run in containers: {error}") from error
    if len(base.own_layers) == len(base.layers):
        raise PodsError(
            f"{image} has no base, and so no interpreter to run on in a container.\n"
            'Name one as [tool.sematic] base, as "python:3.11-slim".'
        )
    id = base.manifest.config.digest.partition(":")[2]
    if _is_there(id):
        return id
    if isinstance(reference, LayoutReference):
        return _load_from_layout(Path(reference.path).absolute(), base)
    name = f"{reference.name}@{base.digest}"
    host = reference.name.partition("/")[0]
    insecure = ["--tls-verify=false"] if Routes().may_be_plain(host) else []
    return podman("pull", "--quiet", *insecure, name).strip()


def _is_there(id: str) -> bool:
    try:
        podman("image", "exists", id)
    except PodsError:
        return False
    return True


def _load_from_layout(layout: Path, base: Base) -> str:
    """Have podman read one image of a layout, which it can choose by tag only."""
    with tempfile.TemporaryDirectory(prefix="sematic-") as name:
        folder = Path(name)
        (folder / "blobs").symlink_to(layout / "blobs")
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        manifest = base.source.manifest(base.digest).descriptor.to_dict()
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [manifest]}
        (folder / "index.json").write_bytes(to_json(index))
        return podman("pull", "--quiet", f"oci:{folder}").strip()


def _reach(store: str) -> Iterator[str]:
    """Options by which a container reaches a store."""
    url = urlsplit(store)
    if url.scheme == "file":
        path = unquote(url.path)
        os.makedirs(path, exist_ok=True)
        yield f"--mount=type=bind,source={path},target={path}"
    elif store.startswith(SCHEME) and is_loopback(url.netloc):
        yield "--network=host"
