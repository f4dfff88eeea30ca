"""Where the API server is, and who we are there: a kubeconfig, or the service account of a pod."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sematic.resolvers.pods.pods import PodsError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TOKEN_SECONDS = 60.0  # tokens of pods are replaced long before they expire

INSTALL = "pip install 'sematic[kubernetes]'"


@dataclass(frozen=True, slots=True)
class Login:
    """What a request to an API server needs.

    :param server: its URL.
    :param namespace: where to be, if nothing else is said.
    :param source: where this comes from, for messages.
    :param authority: certificates (PEM) that sign the server's, "" for the system's.
    :param certificate: file of our own certificate, "" for none.
    :param key: file of its key.
    :param authorization: gives the value of the header, "" for none.
    """

    server: str
    namespace: str
    source: str
    authority: str = ""
    is_verified: bool = True
    server_name: str = ""
    proxy: str = ""
    certificate: str = ""
    key: str = ""
    authorization: Callable[[], str] = str


def find_login(context: str = "") -> Login:
    """In a pod that we have started its service account; else a kubeconfig, if there is one.

    :param context: of the kubeconfig, "" for its current one.
    :raises PodsError: there is neither, or it is broken.
    """
    if os.environ.get("ON_SEMATIC_WORKER") and is_in_cluster():
        return account_login()
    files = kubeconfig_files()
    if files:
        from sematic.resolvers.pods.kubernetes.kubeconfig import kubeconfig_login

        return kubeconfig_login(files, context)
    if is_in_cluster() and not context:
        return account_login()
    raise PodsError(
        f"no Kubernetes cluster is configured: there is no {_searched()}, and this is no pod.\n"
        "Log in to one (`kubectl get pods` works then), or run elsewhere: SEMATIC_PODS=local."
    )


def kubeconfig_files() -> list[Path]:
    """The files of ``$KUBECONFIG``, else ``~/.kube/config``, that are there."""
    named = os.environ.get("KUBECONFIG", "")
    paths = [Path(part).expanduser() for part in named.split(os.pathsep) if part]
    return [path for path in paths or [Path.home() / ".kube/config"] if path.is_file()]


def _searched() -> str:
    return os.environ.get("KUBECONFIG") or "~/.kube/config"


def is_in_cluster() -> bool:
    """Whether this is a pod that may talk to its API server."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and (ACCOUNT / "token").is_file()


def account_login(environ: Mapping[str, str] = os.environ, folder: Path = ACCOUNT) -> Login:
    """The service account of this pod (Kubernetes, "Accessing the API from within a Pod")."""
    host = environ["KUBERNETES_SERVICE_HOST"]
    port = environ.get("KUBERNETES_SERVICE_PORT", "443")
    try:
        return Login(
            f"https://{f'[{host}]' if ':' in host else host}:{port}",
            (folder / "namespace").read_text().strip(),
            "the service account of this pod",
            (folder / "ca.crt").read_text(),
            authorization=bearer_of(folder / "token"),
        )
    except OSError as error:
        raise PodsError(f"the service account of this pod cannot be read: {error}") from None


def bearer_of(file: Path) -> Callable[[], str]:
    """The token in a file, which is replaced from time to time."""
    token, read = "", 0.0

    def authorization() -> str:
        nonlocal token, read
        if not token or time.monotonic() - read > _TOKEN_SECONDS:
            token, read = file.read_text().strip(), time.monotonic()
        return f"Bearer {token}"

    return authorization


def text_or_file(table: Mapping[str, Any], name: str, folder: Path) -> str:
    """PEM that a kubeconfig holds itself (``NAME-data``), or names the file of."""
    if data := table.get(f"{name}-data"):
        return base64.b64decode(data).decode()
    path = table.get(name)
    return (folder / path).read_text() if path else ""
