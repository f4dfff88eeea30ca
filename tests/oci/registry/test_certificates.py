from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic.oci.errors import SettingsError
from sematic.oci.reference import RegistryReference
from sematic.oci.registry import open_repository
from sematic.oci.registry.certificates import certificates_folder, tls_context
from sematic.oci.registry.failures import NoAnswer
from tests.oci.registry.blobs import known, unheard
from tests.peers.certificates import Tls, privately_signed
from tests.peers.registry import Registry, registry


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return privately_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def picky(
    tls: Tls, peers_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    """A registry that wants to see a certificate of a private authority, and has one of it."""
    root = tmp_path_factory.mktemp("picky")
    with registry(root, tls=tls, clients=tls.authority) as made:
        yield made
    shutil.rmtree(root)


def certs_d(host: str, home: Path, program: str, **files: Path) -> Path:
    """The folder for a host below docker's or podman's configuration."""
    folder = home / ".config" / program / "certs.d" / host
    folder.mkdir(parents=True)
    for suffix, path in files.items():
        shutil.copy(path, folder / f"own.{suffix}")
    return folder


def put(host: str) -> str:
    reference = RegistryReference(host, "team/app")
    return open_repository(reference, push=True).put(known(), unheard).fate


@pytest.mark.parametrize("program", ["docker", "containers"])
def test_certificates_for_a_host_are_trusted_and_shown(
    program: str, picky: Registry, tls: Tls, tmp_path: Path
) -> None:
    files = {"crt": tls.authority, "cert": tls.certificate, "key": tls.key}
    certs_d(picky.host, tmp_path / "home", program, **files)
    assert put(picky.host) in ("new", "reused")


def test_certificates_for_another_host_are_not(picky: Registry, tls: Tls, tmp_path: Path) -> None:
    certs_d("other.example.com", tmp_path / "home", "docker", crt=tls.authority)
    with pytest.raises(NoAnswer, match=r"is not trusted.*\n.*SSL_CERT_FILE"):
        put(picky.host)


def test_a_certificate_that_is_lacking_is_said_by_the_host(
    picky: Registry, tls: Tls, tmp_path: Path
) -> None:
    certs_d(picky.host, tmp_path / "home", "docker", crt=tls.authority)
    why = rf"{picky.host} does not take the certificate of this machine.*\n.*certs\.d"
    with pytest.raises(NoAnswer, match=why):
        put(picky.host)


def test_a_certificate_without_its_key_is_named(picky: Registry, tls: Tls, tmp_path: Path) -> None:
    folder = certs_d(picky.host, tmp_path / "home", "docker", cert=tls.certificate)
    with pytest.raises(SettingsError, match=rf"{folder}/own.cert: this certificate, or its key"):
        put(picky.host)


def test_what_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "own.crt").write_text("nothing of the kind")
    with pytest.raises(SettingsError, match=r"own\.crt: this certificate"):
        tls_context({}, tmp_path)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_certificate_file_that_is_not_there_is_named(variable: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"{variable}=.*nowhere"):
        tls_context({variable: str(tmp_path / "nowhere")})


def test_a_user_s_own_folder_comes_first(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    docker = certs_d("a:1", tmp_path, "docker")
    assert certificates_folder("a:1", environ) == docker
    assert certificates_folder("a:1", environ) != certs_d("a:1", tmp_path, "containers")
    assert certificates_folder("a:2", environ) is None
