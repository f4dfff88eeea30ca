"""What each component of a cluster is told: command lines and configuration files."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.peers.certificates import Tls, privately_signed
from tests.peers.kubernetes.machine import Machine

NODE = "node"
PAUSE = "localhost/pause:1"
SOCKET = "/run/containerd/containerd.sock"
# The address of the service `kubernetes`, which all pods are told in their environment. No
# kube-proxy is needed to reach it: it is one of the machine's own.
SERVICE = "10.96.0.1"
_SERVICES = "10.96.0.0/16"
_ETCD = "http://127.0.0.1:2379"
_PEER = "http://127.0.0.1:2380"

# Who may call the API server, and as which user of which groups.
_USERS: Mapping[str, tuple[str, Sequence[str]]] = {
    "admin": ("admin", ("system:masters",)),
    "kube-controller-manager": ("system:kube-controller-manager", ()),
    "kube-scheduler": ("system:kube-scheduler", ()),
    "kubelet": (f"system:node:{NODE}", ("system:nodes",)),
}

# oom scores are restricted, because not every machine lets root lower them.
_CONTAINERD = """\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{programs}"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{registries}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{programs}/runc"
      SystemdCgroup = false
"""


@dataclass(frozen=True)
class Configuration:
    """The files of a cluster, all in `folder`."""

    folder: Path
    machine: Machine
    programs: Path
    tls: Tls

    @property
    def url(self) -> str:
        """The API server's, here and on the machine."""
        return f"https://{self.machine.address}"

    @property
    def registries(self) -> Path:
        """How registries are spoken to, a folder for each."""
        return self.folder / "registries"

    def kubeconfig(self, name: str) -> Path:
        return self.folder / f"{name}.kubeconfig"

    def write_kubeconfig(self, name: str, token: str) -> Path:
        cluster = {"server": self.url, "certificate-authority": str(self.tls.authority)}
        file = self.kubeconfig(name)
        _write(
            file,
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "tests", "cluster": cluster}],
                "users": [{"name": name, "user": {"token": token}}],
                "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": name}}],
                "current-context": "tests",
            },
        )
        return file

    def trust(self, host: str) -> None:
        """Have images from a registry pulled in plain http."""
        folder = self.registries / host
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts.toml").write_text(
            # The first would do, but is not read without a second.
            f'server = "http://{host}"\n[host."http://{host}"]\n'
        )

    def commands(self) -> Mapping[str, Sequence[str]]:
        """The command line of each component."""
        key = str(self.tls.key)
        local = ("--bind-address=127.0.0.1", "--port=0", "--leader-elect=false")
        fast = ("--kube-api-qps=200", "--kube-api-burst=400")
        return {
            "etcd": (
                *("etcd", "--data-dir=/run/etcd", "--unsafe-no-fsync"),
                *(f"--listen-client-urls={_ETCD}", f"--advertise-client-urls={_ETCD}"),
                *(f"--listen-peer-urls={_PEER}", f"--initial-advertise-peer-urls={_PEER}"),
                f"--initial-cluster=default={_PEER}",
            ),
            "kube-apiserver": (
                *("kube-apiserver", f"--etcd-servers={_ETCD}", "--secure-port=443"),
                f"--advertise-address={self.machine.address}",
                f"--service-cluster-ip-range={_SERVICES}",
                *(f"--tls-cert-file={self.tls.certificate}", f"--tls-private-key-file={key}"),
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                *("--authorization-mode=Node,RBAC", "--allow-privileged"),
                "--enable-admission-plugins=NodeRestriction",
                # Tokens of pods are bound to them and run out, as in clusters of today.
                "--feature-gates=BoundServiceAccountTokenVolume=true",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-signing-key-file={key}",
                f"--service-account-key-file={self.tls.certificate}",
                "--kubelet-preferred-address-types=InternalIP",
                # How long pods stay on a node that is lost.
                "--default-not-ready-toleration-seconds=5",
                "--default-unreachable-toleration-seconds=5",
            ),
            "kube-controller-manager": (
                *("kube-controller-manager", *local, *fast),
                f"--kubeconfig={self.kubeconfig('kube-controller-manager')}",
                "--use-service-account-credentials",
                f"--service-account-private-key-file={key}",
                f"--root-ca-file={self.tls.authority}",
                "--controllers=*,-cloud-node-lifecycle,-service,-route",
                "--feature-gates=BoundServiceAccountTokenVolume=true",
                # After which a node is lost.
                *("--node-monitor-period=1s", "--node-monitor-grace-period=16s"),
            ),
            "kube-scheduler": (
                *("kube-scheduler", *local, *fast),
                f"--kubeconfig={self.kubeconfig('kube-scheduler')}",
            ),
            "containerd": ("containerd", "--config", str(self.folder / "containerd.toml")),
            "kubelet": (
                *("kubelet", f"--config={self.folder / 'kubelet.json'}"),
                f"--kubeconfig={self.kubeconfig('kubelet')}",
                *(f"--hostname-override={NODE}", f"--node-ip={self.machine.address}"),
                # Else no pod would be given up: that all nodes are lost is not believed.
                "--node-labels=node.kubernetes.io/exclude-disruption=true",
                *("--container-runtime=remote", f"--container-runtime-endpoint=unix://{SOCKET}"),
            ),
        }


def write(folder: Path, machine: Machine, programs: Path) -> Configuration:
    """Make certificates and all files."""
    folder.mkdir()
    names = [f"IP:{address}" for address in (machine.address, SERVICE, "127.0.0.1")]
    made = Configuration(folder, machine, programs, privately_signed(folder, names))
    made.registries.mkdir()
    tokens = []
    for number, (name, (user, groups)) in enumerate(_USERS.items()):
        token = secrets.token_hex()
        made.write_kubeconfig(name, token)
        tokens.append(f'{token},{user},{number},"{",".join(groups)}"\n')
    (folder / "tokens.csv").write_text("".join(tokens))
    (folder / "containerd.toml").write_text(
        _CONTAINERD.format(
            socket=SOCKET,
            pause=PAUSE,
            programs=programs,
            cni=folder / "cni",
            registries=made.registries,
        )
    )
    (folder / "cni").mkdir()
    _write(folder / "cni/10-tests.conflist", _network(machine))
    _write(folder / "kubelet.json", _kubelet(machine, folder))
    return made


def _network(machine: Machine) -> Mapping[str, object]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": machine.subnet}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "pods", "isGateway": True, "ipam": addresses}
    return {"cniVersion": "0.4.0", "name": "tests", "plugins": [bridge]}


def _kubelet(machine: Machine, folder: Path) -> Mapping[str, object]:
    resolver = folder / "resolv.conf"
    resolver.touch()
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": machine.address,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{machine.name}",
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "resolvConf": str(resolver),
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "1s",
        "nodeLeaseDurationSeconds": 8,
        "syncFrequency": "5s",
        "kubeAPIQPS": 50,
        "kubeAPIBurst": 100,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "featureGates": {"BoundServiceAccountTokenVolume": True},
    }


def _write(file: Path, value: Mapping[str, object]) -> None:
    file.write_text(json.dumps(value, indent=1))
