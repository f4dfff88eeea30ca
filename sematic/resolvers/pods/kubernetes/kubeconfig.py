"""Kubeconfigs (Kubernetes, "Organizing Cluster Access Using kubeconfig Files")."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sematic.resolvers.pods.kubernetes.login import INSTALL, Login, bearer_of, text_or_file
from sematic.resolvers.pods.pods import PodsError

_PARTS = ("clusters", "contexts", "users")
_OTHER_LOGINS = ("exec", "auth-provider")


class Entry(dict[str, Any]):
    """A cluster, context or user, with the folder that its relative paths start from."""

    folder = Path()


def kubeconfig_login(files: Sequence[Path], context: str = "") -> Login:
    """What a context of some kubeconfigs says; of equal names the first file's count.

    :raises PodsError: they cannot be read, or do not have what they should.
    """
    where = os.pathsep.join(map(str, files))
    entries, current = _read(files)
    context = context or current
    if not context:
        raise PodsError(
            f"{where} has no current context: name one with SEMATIC_KUBE_CONTEXT, "
            "or choose one with `kubectl config use-context`."
        )
    chosen = _entry(entries, "contexts", context, where)
    cluster = _entry(entries, "clusters", chosen.get("cluster", ""), where)
    user = _entry(entries, "users", chosen["user"], where) if chosen.get("user") else Entry()
    try:
        return _login(cluster, user, chosen, f"context {context} of {where}", files, context)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PodsError(f"context {context} of {where} cannot be used: {error!r}") from None


def _login(
    cluster: Entry, user: Entry, context: Entry, source: str, files: Sequence[Path], name: str
) -> Login:
    certificate, key = (_pem_file(user, part) for part in ("client-certificate", "client-key"))
    authorization = _authorization(user)
    if not certificate and any(user.get(other) for other in _OTHER_LOGINS):
        certificate, key, authorization = _other_login(files, name, source)
    return Login(
        str(cluster["server"]).rstrip("/"),
        context.get("namespace") or "default",
        source,
        text_or_file(cluster, "certificate-authority", cluster.folder),
        not cluster.get("insecure-skip-tls-verify"),
        cluster.get("tls-server-name") or "",
        cluster.get("proxy-url") or "",
        certificate,
        key,
        authorization,
    )


def _authorization(user: Entry) -> Callable[[], str]:
    if file := user.get("tokenFile"):
        return bearer_of(user.folder / file)
    if token := user.get("token"):
        return lambda: f"Bearer {token}"
    if "username" in user:
        pair = f"{user['username']}:{user.get('password', '')}"
        basic = "Basic " + base64.b64encode(pair.encode()).decode()
        return lambda: basic
    return str


def _other_login(
    files: Sequence[Path], context: str, source: str
) -> tuple[str, str, Callable[[], str]]:
    """Certificate, key and authorization by a login program or an identity provider."""
    try:
        from kubernetes import client, config
    except ImportError:
        raise PodsError(f"{source} logs in with a program; that needs `{INSTALL}`") from None
    settings: Any = client.Configuration()
    load: Any = config.load_kube_config
    try:
        load(os.pathsep.join(map(str, files)), context, settings)
    except config.ConfigException as error:
        raise PodsError(f"{source} cannot be used: {error}") from None

    def authorization() -> str:
        return settings.get_api_key_with_prefix("BearerToken") or ""

    if not settings.cert_file and not authorization():
        raise PodsError(
            f"the login of {source} failed.\n"
            "Try `kubectl get pods`; what it asks for is missing here too."
        )
    return settings.cert_file or "", settings.key_file or "", authorization


def _read(files: Sequence[Path]) -> tuple[dict[tuple[str, str], Entry], str]:
    """Entries by kind and name, and the current context."""
    try:
        import yaml
    except ImportError:
        raise PodsError(f"Kubernetes needs more packages: `{INSTALL}`") from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entries: dict[tuple[str, str], Entry] = {}
    current = ""
    for file in files:
        try:
            document = yaml.load(file.read_bytes(), loader) or {}
            for part in _PARTS:
                for named in document.get(part) or ():
                    entry = Entry(named.get(part.removesuffix("s")) or {})
                    entry.folder = file.absolute().parent
                    entries.setdefault((part, named["name"]), entry)
            current = current or document.get("current-context") or ""
        except OSError as error:
            raise PodsError(f"{file} cannot be read: {error.strerror}") from None
        except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise PodsError(f"{file} is no kubeconfig: {' '.join(str(error).split())}") from None
    return entries, current


def _entry(entries: Mapping[tuple[str, str], Entry], part: str, name: str, where: str) -> Entry:
    found = entries.get((part, name))
    if found is None:
        there = ", ".join(sorted(known for kind, known in entries if kind == part)) or "none"
        kind = part.removesuffix("s")
        raise PodsError(f"{where} has no {kind} {name!r}; there are: {there}")
    return found


def _pem_file(user: Entry, name: str) -> str:
    """The file of a certificate or key. OpenSSL takes them from files only."""
    if path := user.get(name):
        return str(user.folder / path)
    if not (text := text_or_file(user, name, user.folder)):
        return ""
    with tempfile.NamedTemporaryFile("w", prefix="sematic-", suffix=".pem", delete=False) as file:
        file.write(text)
    import atexit

    atexit.register(Path(file.name).unlink, missing_ok=True)
    return file.name
