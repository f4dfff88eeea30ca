from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from sematic.resolvers.pods import PodsError
from sematic.resolvers.pods.kubernetes.login import Login, account_login, find_login


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "ON_SEMATIC_WORKER"):
        monkeypatch.delenv(name, raising=False)


def config(name: str, user: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A kubeconfig with one cluster, one user and one context of the same name."""
    cluster = {"server": f"https://{name}.example.com/"} | more.pop("cluster", {})
    context = {"cluster": name, "user": name} | more.pop("context", {})
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": context}],
        "current-context": name,
        **more,
    }


def write(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    return path


def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: Any, name: str = "") -> Login:
    monkeypatch.setenv("KUBECONFIG", str(write(tmp_path / "etc/config", document)))
    return find_login(name)


def test_the_usual_file_is_read() -> None:
    write(Path.home() / ".kube/config", config("home", {"token": "t"}))
    found = find_login()
    assert found.server == "https://home.example.com"
    assert found.namespace == "default"
    assert found.authorization() == "Bearer t"


def test_a_context_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = config("two", {"username": "me", "password": "p"}, context={"namespace": "team"})
    paths = [
        write(tmp_path / "1", config("one", {"token": "t"})),
        write(tmp_path / "2", two),
    ]
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, [*paths, tmp_path / "missing"])))
    assert find_login().server == "https://one.example.com"
    found = find_login("two")
    assert (found.server, found.namespace) == ("https://two.example.com", "team")
    assert found.authorization() == "Basic " + base64.b64encode(b"me:p").decode()
    with pytest.raises(PodsError, match="has no context 'three'; there are: one, two"):
        find_login("three")


def test_certificates_are_files_or_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/ca.pem").write_text("authority")
    data = base64.b64encode(b"our key").decode()
    user = {"client-certificate": "me.pem", "client-key-data": data}
    cluster = {"certificate-authority": "ca.pem", "tls-server-name": "inner"}
    found = login(tmp_path, monkeypatch, config("a", user, cluster=cluster))
    assert (found.authority, found.server_name) == ("authority", "inner")
    assert found.certificate == str(tmp_path / "etc/me.pem")
    assert Path(found.key).read_text() == "our key"
    assert Path(found.key).stat().st_mode & 0o777 == 0o600
    assert found.authorization() == ""


def test_a_token_file_is_read_relative_to_the_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/token").write_text("inside\n")
    found = login(tmp_path, monkeypatch, config("a", {"tokenFile": "token"}))
    assert found.authorization() == "Bearer inside"


def test_a_program_gives_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = "client.authentication.k8s.io/v1"
    answer = f'{{"apiVersion": "{version}", "kind": "ExecCredential", "status": {{"token": "t"}}}}'
    program = {"apiVersion": version, "command": "echo", "args": [answer]}
    assert (
        login(tmp_path, monkeypatch, config("a", {"exec": program})).authorization() == "Bearer t"
    )


def test_a_program_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}
    with pytest.raises(PodsError, match=r"the login of context a of .* failed"):
        login(tmp_path, monkeypatch, config("a", {"exec": program}))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("no", "is no kubeconfig"),
        ({"clusters": []}, "has no current context"),
        (config("a", {}, clusters=[]), "has no cluster 'a'; there are: none"),
        (config("a", {"tokenFile": "t"}, cluster={"certificate-authority": "x"}), "cannot be used"),
    ],
)
def test_a_broken_kubeconfig_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: Any, words: str
) -> None:
    with pytest.raises(PodsError, match=words):
        login(tmp_path, monkeypatch, document)


def test_no_cluster_at_all_is_told() -> None:
    with pytest.raises(PodsError, match=r"no Kubernetes cluster is configured: .*~/.kube/config"):
        find_login()


def test_a_pod_uses_its_service_account(tmp_path: Path) -> None:
    for name in ("token", "ca.crt", "namespace"):
        (tmp_path / name).write_text(f"the {name}\n")
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    found = account_login(environ, tmp_path)
    assert found.server == "https://[fd00::1]:6443"
    assert found.namespace == "the namespace"
    assert found.authority == "the ca.crt\n"
    assert found.authorization() == "Bearer the token"
    (tmp_path / "token").unlink()
    with pytest.raises(OSError, match="token"):
        account_login(environ, tmp_path).authorization()
