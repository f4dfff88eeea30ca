"""A cluster with one node, on a machine within this one.

Everything is real: etcd, the API server, controllers, scheduler, kubelet, containerd, runc. Not
there: kube-proxy and DNS; the only service that pods reach is `kubernetes`.
"""

from __future__ import annotations

import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from tests.peers.kubernetes.build import programs_folder
from tests.peers.kubernetes.configuration import PAUSE, SERVICE, Configuration, write
from tests.peers.kubernetes.machine import Machine, MachineError, machine
from tests.peers.kubernetes.pause import pause_archive

# Generous: the tests share their cores with others.
_SECONDS = 240


class ClusterError(Exception):
    """A cluster, or a part of it, does not get ready."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster. Components are known by their programs' names (kubelet, etcd ...)."""

    machine: Machine
    configuration: Configuration

    @property
    def kubeconfig(self) -> Path:
        """Of one who may do everything."""
        return self.configuration.kubeconfig("admin")

    @property
    def gateway(self) -> str:
        """The address of this machine, for registries that pods and the node are to reach."""
        return self.machine.gateway

    def trust(self, registry: str) -> None:
        """Have images from a registry (HOST:PORT) pulled in plain http."""
        self.configuration.trust(registry)

    def api(self, kubeconfig: Path | None = None) -> client.ApiClient:
        """A client of one who may do everything, or of another."""
        settings = client.Configuration()
        untyped: Any = config
        untyped.load_kube_config(str(kubeconfig or self.kubeconfig), client_configuration=settings)
        return client.ApiClient(settings)

    def core(self, kubeconfig: Path | None = None) -> Any:
        """The client's CoreV1Api. It takes and gives more than its types say."""
        return client.CoreV1Api(self.api(kubeconfig))

    def make_namespace(self, prefix: str = "test") -> str:
        """A namespace in which pods can be made at once."""
        core = self.core()
        name = f"{prefix}-{uuid4().hex[:8]}"
        core.create_namespace({"metadata": {"name": name}})

        def has_account() -> bool:
            return _is_found(lambda: core.read_namespaced_service_account("default", name))

        self._wait(f"the service account of namespace {name}", has_account)
        return name

    def login(self, namespace: str, account: str) -> Path:
        """A kubeconfig of a service account."""
        core = self.core()
        asked = {"spec": {"audiences": [], "expirationSeconds": 3600}}
        answer = core.create_namespaced_service_account_token(account, namespace, asked)
        return self.configuration.write_kubeconfig(f"{namespace}-{account}", answer.status.token)

    @contextmanager
    def without(self, component: str) -> Iterator[None]:
        """Kill a component; start it again at the end, and wait until all is well."""
        self.machine.processes[component].kill()
        try:
            yield
        finally:
            self.start(component)
            self.wait()

    @contextmanager
    def paused(self, component: str) -> Iterator[None]:
        """Have a component hang: it takes connections, and does nothing."""
        process = self.machine.processes[component]
        process.pause()
        try:
            yield
        finally:
            process.go_on()
            self.wait()

    def restart(self, component: str) -> None:
        """Have a component crash and start again, and wait until all is well.

        An API server that is asked to end would wait a minute for its watches.
        """
        with self.without(component):
            pass

    def start(self, component: str) -> None:
        self.machine.start(component, *self.configuration.commands()[component])

    def wait(self) -> None:
        """Wait until the API server and the kubelet answer and the node is ready."""
        self._wait("the API server", self._has_api)
        self._wait("the kubelet", self._has_kubelet)
        self._wait("the node", self._has_node)

    def _has_api(self) -> bool:
        context = ssl.create_default_context(cafile=self.configuration.tls.authority)
        return _answers(f"{self.configuration.url}/readyz", context)

    def _has_kubelet(self) -> bool:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # it makes its own certificate
        return _answers(f"https://{self.machine.address}:10250/healthz", context)

    def _has_node(self) -> bool:
        nodes = self.core().list_node().items
        return any(
            condition.type == "Ready" and condition.status == "True"
            for node in nodes
            for condition in node.status.conditions or ()
        )

    def _wait(self, what: str, is_there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _SECONDS
        while not is_there():
            for process in self.machine.processes.values():
                if not process.is_running():
                    raise ClusterError(
                        f"{process.name} ended with {process.popen.returncode} before {what} was "
                        f"ready. Its last words:\n{process.last_words()}"
                    )
            if time.monotonic() > deadline:
                logs = (f"{p.name}:\n{p.last_words()}" for p in self.machine.processes.values())
                raise ClusterError(f"{what} did not get ready:\n" + "\n".join(logs))
            time.sleep(0.1)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster until the end, with its files in a new folder. Needs root, and built programs."""
    programs = programs_folder()
    with machine(folder, [programs]) as inner:
        made = Cluster(inner, write(folder / "etc", inner, programs))
        inner.run("ip", "addr", "add", f"{SERVICE}/32", "dev", "lo")
        for component in ("etcd", "containerd", "kube-apiserver"):
            made.start(component)
        made._wait("containerd", lambda: _takes_images(inner))
        archive = folder / "pause.tar"
        archive.write_bytes(pause_archive(PAUSE, programs / "pause"))
        inner.run("ctr", "--namespace=k8s.io", "images", "import", str(archive))
        made._wait("the API server", made._has_api)
        for component in ("kubelet", "kube-controller-manager", "kube-scheduler"):
            made.start(component)
        made.wait()
        yield made


def _answers(url: str, context: ssl.SSLContext) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10, context=context):
            return True
    except OSError:  # urllib's errors are some
        return False


def _takes_images(inner: Machine) -> bool:
    with suppress(MachineError):
        inner.run("ctr", "version")
        return True
    return False


def _is_found(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except ApiException as error:
        if error.status != 404:
            raise
        return False
    return True
