from __future__ import annotations

import pytest

from sematic.oci.errors import SettingsError
from sematic.oci.registry.routes import Routes, is_loopback, origin


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:5000"]
)
def test_a_loopback_host_may_be_plain(host: str) -> None:
    assert Routes(environ={}).may_be_plain(host)


@pytest.mark.parametrize(
    "host",
    [
        *("registry.example.com", "registry.example.com:5000", "10.0.0.1", "127.0.0.1.example.com"),
        *("localhost.example.com", "user@127.0.0.1.example.com", "[::2]", "1270.0.0.1"),
    ],
)
def test_no_other_host_may_be_plain(host: str) -> None:
    assert not Routes(environ={}).may_be_plain(host)


def test_a_host_that_the_user_names_may_be_plain() -> None:
    routes = Routes(["argument:1"], {"SEMATIC_INSECURE_REGISTRIES": "one.example, two.example:80"})
    assert routes.may_be_plain("argument:1")
    assert routes.may_be_plain("one.example")
    assert routes.may_be_plain("ONE.example:5000")
    assert routes.may_be_plain("two.example:80")
    assert not routes.may_be_plain("two.example:81")
    assert not routes.may_be_plain("two.example")


def test_loopback_is_told_by_the_name_alone() -> None:
    assert is_loopback("LOCALHOST:80")
    assert not is_loopback("example.com")


def test_an_origin_has_the_default_port() -> None:
    assert origin("https://a/x") == origin("https://A:443/y")
    assert origin("http://a") != origin("https://a")
    assert origin("https://a:444") != origin("https://a")


def test_the_proxy_is_that_of_the_scheme() -> None:
    routes = Routes(environ={"HTTPS_PROXY": "http://p:1", "http_proxy": "q:2"})
    assert routes.proxy("https", "registry.example.com") == "http://p:1"
    assert routes.proxy("http", "registry.example.com:80") == "http://q:2"


def test_loopback_has_no_proxy() -> None:
    assert Routes(environ={"HTTPS_PROXY": "http://p:1"}).proxy("https", "127.0.0.1:5000") == ""


@pytest.mark.parametrize(
    "rule",
    ["*", "example.com", ".example.com", "*.example.com", "r.example.com:5000", "x, r.example.com"],
)
def test_no_proxy_excepts_a_host(rule: str) -> None:
    routes = Routes(environ={"HTTPS_PROXY": "http://p:1", "NO_PROXY": rule})
    assert routes.proxy("https", "r.example.com:5000") == ""


@pytest.mark.parametrize("rule", ["ample.com", "r.example.com:80", "10.0.0.0/8", "", ","])
def test_no_proxy_excepts_no_other(rule: str) -> None:
    routes = Routes(environ={"HTTPS_PROXY": "http://p:1", "NO_PROXY": rule})
    assert routes.proxy("https", "r.example.com:5000") == "http://p:1"


def test_no_proxy_takes_networks() -> None:
    routes = Routes(environ={"HTTPS_PROXY": "http://p:1", "no_proxy": "10.0.0.0/8,fd00::/8"})
    assert routes.proxy("https", "10.1.2.3:5000") == ""
    assert routes.proxy("https", "[fd00::1]:5000") == ""
    assert routes.proxy("https", "11.1.2.3:5000") == "http://p:1"


def test_a_socks_proxy_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="socks5"):
        Routes(environ={"HTTPS_PROXY": "socks5://p:1"}).proxy("https", "example.com")
