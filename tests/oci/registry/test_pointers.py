from __future__ import annotations

from ipaddress import ip_address

import pytest

from sematic.oci.errors import Denied, RegistryError
from sematic.oci.memo import Forgetful
from sematic.oci.reference import RegistryReference
from sematic.oci.registry import Registries, Repository
from sematic.oci.registry.pointers import Reach, pointed, reach_of
from sematic.oci.registry.routes import Routes
from tests.oci.registry.blobs import known, unheard
from tests.oci.registry.conftest import Time
from tests.oci.registry.scripted import Reply, ScriptedRegistry

PUBLIC, PRIVATE, LOCAL = "https://1.1.1.1/v2/", "https://10.1.2.3/v2/", "http://127.0.0.1:5000/v2/"
METADATA = "http://169.254.169.254/latest/meta-data/"


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        *((address, Reach.LINK) for address in ("127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::")),
        *((address, Reach.LINK) for address in ("169.254.169.254", "fe80::1", "224.0.0.1")),
        *((address, Reach.LINK) for address in ("::ffff:127.0.0.1", "::ffff:169.254.169.254")),
        *((address, Reach.PRIVATE) for address in ("10.0.0.1", "192.168.1.1", "172.16.0.1")),
        *((address, Reach.PRIVATE) for address in ("100.64.0.1", "fd00::1", "::ffff:10.0.0.1")),
        *((address, Reach.PUBLIC) for address in ("1.1.1.1", "2606:4700::1", "::ffff:1.1.1.1")),
    ],
)
def test_an_address_can_be_reached_from_so_far(address: str, reach: Reach) -> None:
    assert reach_of(ip_address(address)) == reach


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        (PUBLIC, "uploads/1?x=y", "https://1.1.1.1/v2/uploads/1?x=y"),
        (PUBLIC, "https://8.8.8.8/blob", "https://8.8.8.8/blob"),
        (PUBLIC, "https://storage.invalid/blob", "https://storage.invalid/blob"),
        (PRIVATE, "https://10.9.9.9/blob", "https://10.9.9.9/blob"),
        (PRIVATE, "https://10.1.2.3:9000/blob", "https://10.1.2.3:9000/blob"),
        (PRIVATE, "https://1.1.1.1/blob", "https://1.1.1.1/blob"),
        (LOCAL, "http://localhost:9000/blob", "http://localhost:9000/blob"),
        (LOCAL, PRIVATE, PRIVATE),
    ],
)
def test_a_host_may_point_to_what_is_as_public_as_itself(
    url: str, location: str, target: str
) -> None:
    assert pointed(url, location, Routes(environ={})) == target


@pytest.mark.parametrize(
    ("url", "location"),
    [
        *((PUBLIC, location) for location in (METADATA, LOCAL, PRIVATE, "//localhost/x")),
        *((PUBLIC, f"https://{host}/") for host in ("[::1]:80", "2130706433", "0x7f.1", "127.1")),
        *((PRIVATE, location) for location in (METADATA, LOCAL, "https://user@localhost:1/")),
    ],
)
def test_no_host_may_point_to_what_is_less_public(url: str, location: str) -> None:
    with pytest.raises(RegistryError, match=r"pointed to .* address of .*\n.*SEMATIC_INSECURE"):
        pointed(url, location, Routes(environ={}))


def test_a_proxy_does_not_change_that() -> None:
    routes = Routes(environ={"https_proxy": "http://10.0.0.1:3128"})
    assert pointed(PUBLIC, "https://storage.example.com/x", routes)
    for location in (METADATA, LOCAL, "https://0x7f.1/"):
        with pytest.raises(RegistryError, match="pointed to"):
            pointed("https://registry.example.com/", location, routes)


def test_a_host_that_the_user_named_may_be_pointed_to() -> None:
    assert pointed(PUBLIC, PRIVATE, Routes(["10.1.2.3"], {})) == PRIVATE


@pytest.fixture
def public(
    scripted: ScriptedRegistry, time: Time, monkeypatch: pytest.MonkeyPatch
) -> tuple[ScriptedRegistry, Repository]:
    """A registry that is reached by a public name, through a proxy."""
    monkeypatch.setenv("HTTP_PROXY", f"http://{scripted.host}")
    host = "registry.example.com"
    scripted.script("GET", f"http://{host}/v2/", Reply(200), times=1)
    registries = Registries(insecure=[host], memo=Forgetful(), patience=time.patience())
    return scripted, registries.repository(RegistryReference(host, "team/app"), push=True)


@pytest.mark.parametrize("location", [METADATA, "http://127.0.0.1:1/x", "http://10.0.0.1/x"])
def test_a_public_registry_points_nobody_inwards(
    location: str, public: tuple[ScriptedRegistry, Repository]
) -> None:
    registry, repository = public
    registry.script("GET", "/manifests/v1", Reply(307, {"Location": location}))
    registry.script("HEAD", "/blobs/", Reply(404))
    registry.script("POST", "/uploads/", Reply(202, {"Location": location}))
    bearer = f'Bearer realm="{location}",service="x"'
    registry.script("GET", "/manifests/v2", Reply(401, {"WWW-Authenticate": bearer}))
    before = f"registry.example.com pointed to {location.split('/')[2]}"
    with pytest.raises(RegistryError, match=before):
        repository.manifest("v1")
    with pytest.raises(RegistryError, match=before):
        repository.put(known(), unheard)
    with pytest.raises((RegistryError, Denied), match=before):
        repository.manifest("v2")
    assert not [request for request in registry.requests if location in request.url]
