"""Builds Kubernetes from Debian's source package, once per machine.

    python -m tests.peers.kubernetes.build

Debian has no packages of Kubernetes' servers, but the source package `kubernetes` of bookworm is
upstream's whole tree. What a cluster needs besides (etcd, containerd, runc, network plugins) comes
from Debian's packages, unpacked and not installed: their services would be started otherwise.
Programs are kept in the cache folder, everything else is removed. A build that was interrupted goes
on where it was.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.peers.cache import cache_folder, is_stamped, lock, put
from tests.peers.debian import (
    BOOKWORM,
    InstallError,
    check_machine,
    exit_code,
    private_apt,
    run,
    say,
)

VERSION = "1.20.2"
COMMANDS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
GO = "go-1.19"
GO_PACKAGES = (f"golang-{GO[3:]}-go", f"golang-{GO[3:]}-src")
# The vendored one panics at random with this Go.
REFLECT2 = "golang-github-modern-go-reflect2-dev"
# Unpacked programs, by their package.
PROGRAMS: Mapping[str, Sequence[str]] = {
    "etcd-server": ("usr/bin/etcd",),
    "containerd": ("usr/bin/containerd", "usr/bin/containerd-shim-runc-v2", "usr/bin/ctr"),
    "runc": ("usr/sbin/runc",),
    "containernetworking-plugins": tuple(
        f"usr/lib/cni/{name}" for name in ("bridge", "host-local", "loopback")
    ),
}
# Without the clients of cloud providers and the driver of Docker: a tenth of all packages.
TAGS = "providerless,dockerless"

# Raise it when what is built changes.
RECIPE = 1

INSTRUCTION = "python -m tests.peers.kubernetes.build"

_TREE = "k8s.io/kubernetes"
_SOURCES = Path(__file__).parent


def programs_folder() -> Path:
    """The programs of a cluster, each by its name."""
    return cache_folder() / "kubernetes"


def is_built() -> bool:
    return is_stamped(programs_folder(), _stamp())


def build() -> None:
    """Build what is missing. Raises InstallError where this machine cannot."""
    if is_built():
        return
    check_machine([f"Kubernetes {VERSION}"], INSTRUCTION)
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with lock(cache / "kubernetes.lock"):
        if is_built():
            return
        scratch = cache / "kubernetes-build"
        began = time.monotonic()
        put(Build(scratch).make(), programs_folder(), _stamp())
        shutil.rmtree(scratch)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        say(
            f"built Kubernetes {VERSION} in {time.monotonic() - began:.0f} s, with "
            f"{used.ru_utime + used.ru_stime:.0f} s of processor time"
        )


def _stamp() -> str:
    return f"{RECIPE} {VERSION} {' '.join(PROGRAMS)}\n"


class Build:
    """One build in a folder of its own, of which only the cache of Go survives an interruption."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._packages = scratch / "packages"
        self._root = scratch / "root"
        self._tree = scratch / "gopath/src" / _TREE
        self._programs = scratch / "programs"

    def make(self) -> Path:
        """The folder with all programs."""
        for folder in (self._packages, self._root, self._tree, self._programs):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self._unpack()
        self._repair()
        self._generate()
        self._compile()
        for files in PROGRAMS.values():
            for file in files:
                shutil.move(self._root / file, self._programs / Path(file).name)
        return self._programs

    def _unpack(self) -> None:
        say("unpacking the source package of Kubernetes")
        apt = self._scratch / "apt"
        shutil.rmtree(apt, ignore_errors=True)
        apt.mkdir()
        config = private_apt(apt, f"deb {BOOKWORM}", f"deb-src {BOOKWORM}")
        get = ("apt-get", "-c", config, "-q")
        run(*get, "source", "--download-only", f"kubernetes/{BOOKWORM}", cwd=self._packages)
        run(*get, "download", *GO_PACKAGES, REFLECT2, *PROGRAMS, cwd=self._packages)
        for package in self._packages.glob("*.deb"):
            run("dpkg", "-x", package, self._root)
        (archive,) = self._packages.glob("kubernetes_*.orig.tar.gz")
        run("tar", "-xzf", archive, "--strip-components=1", "-C", self._tree)

    def _repair(self) -> None:
        here = self._tree / "vendor/github.com/modern-go/reflect2"
        packaged = self._root / "usr/share/gocode/src/github.com/modern-go/reflect2"
        for file in (*here.glob("*.go"), *here.glob("*.s")):
            file.unlink()
        for file in (*packaged.glob("*.go"), *packaged.glob("*.s")):
            shutil.copy(file, here)
        for name in ("kube", "pause"):
            (self._tree / "cmd" / name).mkdir()
            shutil.copy(_SOURCES / f"{name}.go", self._tree / "cmd" / name / "main.go")

    def _generate(self) -> None:
        """Write the only file that upstream generates and does not keep, as its Makefile does."""
        say("generating the API's description")
        generator = self._scratch / "openapi-gen"
        self._go("build", "-o", generator, f"{_TREE}/vendor/k8s.io/kube-openapi/cmd/openapi-gen")
        marked = run(
            *("grep", "-rl", "--include=*.go", "-e", "+k8s:openapi-gen="),
            *("cmd", "pkg", "plugin", *self._vendored()),
            cwd=self._tree,
        )
        inputs = sorted({f"{_TREE}/{Path(file).parent}" for file in marked.splitlines()})
        self._run(
            *(generator, "--logtostderr", "-i", ",".join(inputs)),
            *("-p", f"{_TREE}/pkg/generated/openapi", "-O", "zz_generated.openapi"),
            *("-h", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"),
            *("-r", self._scratch / "violations"),
        )

    def _vendored(self) -> list[str]:
        # With a slash at the end: they are symbolic links, which grep follows only then.
        names = (folder.name for folder in (self._tree / "vendor/k8s.io").iterdir())
        return [
            f"vendor/k8s.io/{name}/"
            for name in names
            if name not in ("code-generator", "sample-apiserver")
        ]

    def _compile(self) -> None:
        say("compiling Kubernetes: about five minutes on two idle cores")
        variables = {
            f"{_TREE}/vendor/k8s.io/{package}.{name}": value
            for package in ("client-go/pkg/version", "component-base/version")
            for name, value in {
                "gitVersion": f"v{VERSION}",
                "gitMajor": VERSION.split(".", maxsplit=1)[0],
                "gitMinor": VERSION.split(".")[1],
            }.items()
        }
        flags = " ".join(["-s", "-w", *(f"-X {name}={text}" for name, text in variables.items())])
        for name in ("pause", "kube"):
            program = self._programs / name
            options = ("-tags", TAGS, "-ldflags", flags)
            self._go("build", *options, "-o", program, f"{_TREE}/cmd/{name}")
        for name in COMMANDS:
            (self._programs / name).symlink_to("kube")

    def _go(self, *arguments: str | Path) -> None:
        self._run(self._root / "usr/lib" / GO / "bin/go", *arguments)

    def _run(self, *command: str | Path) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._scratch),
            "GOROOT": str(self._root / "usr/lib" / GO),
            "GOPATH": str(self._scratch / "gopath"),
            "GOCACHE": str(self._scratch / "compiled"),
            "GO111MODULE": "off",
            "GOFLAGS": "",
            "CGO_ENABLED": "0",
            "GOGC": "200",  # a fifth less to compute, for more memory
        }
        done = subprocess.run(
            command, cwd=self._tree, env=environment, capture_output=True, encoding="utf-8"
        )
        if done.returncode != 0:
            raise InstallError(f"`{command[0]}` failed:\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    sys.exit(exit_code(build, INSTRUCTION))
