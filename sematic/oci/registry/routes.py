"""How hosts are reached: plain or TLS, through which proxy, trusting whom."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sematic.oci.errors import SettingsError
from sematic.oci.registry.certificates import authorities, certificates_folder, tls_context

if TYPE_CHECKING:
    import ssl

_LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def split_host(host: str) -> tuple[str, str]:
    """A host's name (lower case, IPv6 without brackets) and its port, "" if it has none."""
    match = re.fullmatch(r"(?s)\[?(.*?)\]?(?::(\d*))?", host.lower().rpartition("@")[2])
    assert match
    return match[1], match[2] or ""


def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is this machine by its name alone."""
    return _LOOPBACK.fullmatch(split_host(host)[0]) is not None


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what must be equal for credentials to be sent there as well."""
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    return parts.scheme, parts.hostname or "", port


class Routes:
    """What the user and the environment say of the ways to hosts.

    :param insecure: hosts (with or without port) that may be spoken to in plain http, besides
        loopback and those of ``SEMATIC_INSECURE_REGISTRIES``.
    """

    def __init__(
        self, insecure: Iterable[str] = (), environ: Mapping[str, str] = os.environ
    ) -> None:
        named = environ.get("SEMATIC_INSECURE_REGISTRIES", "").split(",")
        self._insecure = {host.strip().lower() for host in (*insecure, *named) if host.strip()}
        self._environ = environ

    def may_be_plain(self, host: str) -> bool:
        """Whether plain http is allowed."""
        return is_loopback(host) or self.is_trusted(host)

    def is_trusted(self, host: str) -> bool:
        """Whether the user named a host as one that may be insecure."""
        host = host.lower()
        name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
        return not self._insecure.isdisjoint((host, name))

    def proxy(self, scheme: str, host: str) -> str:
        """The URL of the proxy for a host, "" where there is none. Never one for loopback."""
        if is_loopback(host):
            return ""
        url = self._variable(f"{scheme}_proxy") or self._variable("all_proxy")
        if not url or self._is_excepted(host):
            return ""
        if "://" not in url:
            url = f"http://{url}"
        try:
            kind, name, _ = origin(url)
        except ValueError:
            kind, name = "http", ""
        if not name:
            raise SettingsError(f"{scheme.upper()}_PROXY: that is no address of a proxy")
        if kind not in _DEFAULT_PORTS:
            raise SettingsError(
                f"{scheme.upper()}_PROXY: a {kind} proxy cannot be used, "
                "only http and https proxies"
            )
        return url

    def authorities(self) -> str:
        """The file or folder of certificates to trust; "" leaves that to the system."""
        return authorities(self._environ)[1]

    def tls(self, folder: Path | None) -> ssl.SSLContext:
        """What TLS connections are made with, by the certificates folder of the host.

        :raises SettingsError: a variable or the folder names no certificates.
        """
        return tls_context(self._environ, folder)

    def certificates(self, host: str) -> Path | None:
        """The folder with certificates for one host, None if there is none."""
        return certificates_folder(host, self._environ)

    def _variable(self, name: str) -> str:
        return self._environ.get(name) or self._environ.get(name.upper()) or ""

    def _is_excepted(self, host: str) -> bool:
        name, port = split_host(host)
        rules = (rule.strip().lower() for rule in self._variable("no_proxy").split(","))
        return any(_excepts(rule, name, port) for rule in rules if rule)


def _excepts(rule: str, name: str, port: str) -> bool:
    """Whether one entry of NO_PROXY is about a host: ``*``, a domain, an address, a network."""
    if rule == "*":
        return True
    if "/" in rule:
        return _is_within(name, rule)
    rule_name, rule_port = split_host(rule) if rule.count(":") < 2 or "[" in rule else (rule, "")
    if rule_port and rule_port != port:
        return False
    rule_name = rule_name.removeprefix("*").lstrip(".")
    return bool(rule_name) and (name == rule_name or name.endswith(f".{rule_name}"))


def _is_within(name: str, network: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(name) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
