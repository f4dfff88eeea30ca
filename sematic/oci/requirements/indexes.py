"""The indexes of this machine: as uv is configured, else as pip is, in uv's words.

uv reads neither pip.conf nor PIP_*. Where uv itself is told of no index, what pip is told is
translated: with several indexes the best version of all counts then, as it does for pip.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sematic.oci.toml import parse_toml

_UV_VARIABLES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_CONFIG_FILE",
)
_UV_KEYS = ("index", "index-url", "extra-index-url", "find-links", "no-index")
_KEYRING, _PROVIDER = "UV_KEYRING_PROVIDER", "keyring-provider"
_STRATEGY, _BEST_OF_ALL = "UV_INDEX_STRATEGY", "unsafe-best-match"
_SECTIONS = ("global", "download", "install")
_LISTS = ("extra-index-url", "find-links", "trusted-host", "constraint")


@dataclass(frozen=True, slots=True)
class Indexes:
    """How indexes are reached.

    :param variables: for uv.
    :param addresses: of the indexes; they may hold user names and passwords.
    :param insecure: hosts that may be spoken to without TLS.
    :param no_index: look at no index, only at links.
    :param is_pips: uv is told of no index, so that all is as pip has it.
    """

    variables: Mapping[str, str]
    addresses: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    no_index: bool = False
    is_pips: bool = False

    def without_usual(self) -> Indexes:
        """Without the index that stands in for PyPI: a requirements file names another."""
        kept = {k: v for k, v in self.variables.items() if k != "UV_DEFAULT_INDEX"}
        return replace(self, variables=kept)

    def with_more(self) -> Indexes:
        """With another index, which a requirements file names beside the usual one."""
        if not self.is_pips or os.environ.get(_STRATEGY):
            return self
        return replace(self, variables={**self.variables, _STRATEGY: _BEST_OF_ALL})

    def environment(self) -> Mapping[str, str]:
        """This process's variables and those that pip's settings stand for."""
        return {**os.environ, **self.variables}


def find_indexes(folder: Path, environ: Mapping[str, str] = os.environ) -> Indexes:
    """The indexes for a project, as uv is configured, else as pip is."""
    tables = list(_uv_tables(folder, environ))
    addresses = [*_of_variables(environ), *_of_tables(tables, environ)]
    if addresses or any(environ.get(name) for name in _UV_VARIABLES):
        insecure = environ.get("UV_INSECURE_HOST", "").split()
        provider = next((t[_PROVIDER] for t in tables if isinstance(t.get(_PROVIDER), str)), "")
        variables = {_KEYRING: provider} if provider and not environ.get(_KEYRING) else {}
        return Indexes(variables, tuple(addresses), tuple(insecure))
    return _translated(_pip_settings(environ), environ)


def _of_variables(environ: Mapping[str, str]) -> Iterator[str]:
    for name in _UV_VARIABLES[:4]:
        for word in environ.get(name, "").split():
            label, equals, address = word.partition("=")
            is_named = equals and "/" not in label
            yield _named(label, address, environ) if is_named else word


def _of_tables(tables: Iterable[Mapping[str, Any]], environ: Mapping[str, str]) -> Iterator[str]:
    """Addresses in uv's settings; "" for a setting without one."""
    for table in tables:
        for key in _UV_KEYS:
            value = table.get(key)
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict):
                    yield _named(str(item.get("name", "")), str(item.get("url", "")), environ)
                elif item:
                    yield str(item) if isinstance(item, str) else ""


def _named(name: str, address: str, environ: Mapping[str, str]) -> str:
    """An index's address with its user name and password, which uv takes from variables."""
    word = "".join(c if c.isalnum() else "_" for c in name.upper())
    user = environ.get(f"UV_INDEX_{word}_USERNAME", "")
    password = environ.get(f"UV_INDEX_{word}_PASSWORD", "")
    scheme, found, rest = address.partition("://")
    if not (user or password) or not found or "@" in rest.partition("/")[0]:
        return address
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def _uv_tables(folder: Path, environ: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """``uv.toml`` and ``[tool.uv]``, and what is in these for ``uv pip`` alone."""
    for table in _uv_files(folder, environ):
        yield table
        yield table.get("pip") or {}


def _uv_files(folder: Path, environ: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    home = Path(environ.get("HOME") or Path.home())
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    for parent in (folder, *folder.parents):
        if (parent / "uv.toml").is_file():
            yield _toml(parent / "uv.toml")
            break
        if (parent / "pyproject.toml").is_file():
            yield (_toml(parent / "pyproject.toml").get("tool") or {}).get("uv") or {}
            break
    for path in (user / "uv/uv.toml", Path("/etc/uv/uv.toml")):
        if path.is_file():
            yield _toml(path)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # uv says so


def _pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """pip's settings, by the names of its options (pip, "Configuration")."""
    found: dict[str, str] = {}
    for path in _pip_files(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue
        for section in _SECTIONS:
            if parser.has_section(section):
                found.update({k.replace("_", "-"): v for k, v in parser.items(section)})
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            found[name[4:].lower().replace("_", "-")] = value
    return found


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    own = environ.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return
    home = Path(environ.get("HOME") or Path.home())
    for folder in reversed((environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")):
        yield Path(folder) / "pip/pip.conf"
    yield Path("/etc/pip.conf")
    yield Path("/Library/Application Support/pip/pip.conf")
    yield home / ".pip/pip.conf"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"
    yield home / "Library/Application Support/pip/pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if own:
        yield Path(own)


def _translated(pip: Mapping[str, str], environ: Mapping[str, str]) -> Indexes:
    lists = {name: pip.get(name, "").split() for name in _LISTS}
    own, extra = pip.get("index-url", ""), lists["extra-index-url"]
    proxy, cert = pip.get("proxy", ""), pip.get("cert", "")
    variables = {
        "UV_DEFAULT_INDEX": own,
        "UV_INDEX": " ".join(extra),
        "UV_FIND_LINKS": ",".join(lists["find-links"]),
        "UV_INSECURE_HOST": " ".join(lists["trusted-host"]),
        "UV_CONSTRAINT": " ".join(lists["constraint"]),
        _STRATEGY: _BEST_OF_ALL if extra else "",
        _KEYRING: "subprocess" if pip.get(_PROVIDER) in ("subprocess", "import") else "",
        "HTTPS_PROXY": proxy,
        "HTTP_PROXY": proxy,
        "SSL_CERT_FILE": cert,
        "SSL_CLIENT_CERT": pip.get("client-cert", ""),
    }
    return Indexes(
        {name: value for name, value in variables.items() if value and not environ.get(name)},
        (*filter(None, [own]), *extra, *lists["find-links"]),
        tuple(lists["trusted-host"]),
        pip.get("no-index", "").lower() in ("1", "true", "yes", "on"),
        is_pips=True,
    )
