"""An internet with the clouds in it, and a machine that is nowhere near them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.clouds import aws as amazon
from tests.peers.clouds import azure as microsoft
from tests.peers.clouds import google as alphabet
from tests.peers.clouds.aws import Aws
from tests.peers.clouds.azure import Azure
from tests.peers.clouds.google import Google
from tests.peers.internet import LOOPBACK, Internet, internet, relay
from tests.peers.registry import Registry
from tests.peers.registry import registry as start_registry
from tests.peers.tokens import Account, TokenServer, token_server
from tests.projects import write_tree

_NAMES = (*amazon.NAMES, *alphabet.NAMES, *microsoft.NAMES)
_OWN = ("AWS_", "AZURE_", "CLOUDSDK_", "GCE_", "GOOGLE_", "IDENTITY_", "MSI_", "XDG_")
TokenRegistry = tuple[TokenServer, Registry]


@pytest.fixture(scope="session")
def whole_internet(peers_folder: Path) -> Iterator[Internet]:
    folder = peers_folder / "internet"
    folder.mkdir()
    with internet(folder, _NAMES) as connected:
        yield connected


@pytest.fixture
def net(whole_internet: Internet, monkeypatch: pytest.MonkeyPatch) -> Internet:
    """The internet, without any sites yet; this machine has no cloud's metadata server."""
    whole_internet.sites.clear()
    whole_internet.asked.clear()
    for name in os.environ:
        if name.lower().endswith(("_proxy", "_ca_bundle")) or name.startswith(_OWN):
            monkeypatch.delenv(name)
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "NO_GCE_CHECK": "true"}
    for name, value in (whole_internet.environ | nowhere).items():
        monkeypatch.setenv(name, value)
    return whole_internet


@pytest.fixture
def aws(net: Internet, docker_registry: Registry) -> Aws:
    made = Aws()
    site = made.registry(relay(docker_registry))
    net.sites |= {amazon.API: made.api, amazon.HOST: site, LOOPBACK: made.metadata}
    net.sites |= {amazon.PUBLIC_API: made.api, amazon.PUBLIC_HOST: site}
    return made


def tokens_at(folder: Path, host: str, path: str) -> Iterator[TokenRegistry]:
    """A registry that names a token server at its own host."""
    with token_server(folder, {}) as tokens:
        tokens.realm, tokens.service = f"https://{host}{path}", host
        with start_registry(folder, tokens=tokens) as registry:
            yield tokens, registry


@pytest.fixture(scope="session")
def google_registry(peers_cache: Path, peers_folder: Path) -> Iterator[TokenRegistry]:
    yield from tokens_at(peers_folder / "google", alphabet.HOST, "/v2/token")


@pytest.fixture
def google(net: Internet, google_registry: TokenRegistry) -> Google:
    tokens, registry = google_registry
    made = Google(tokens)
    tokens.accounts.clear()
    net.sites |= {alphabet.HOST: made.registry(relay(registry)), LOOPBACK: made.metadata}
    net.sites |= {alphabet.OAUTH: made.oauth, alphabet.STS: made.sts}
    return made


@pytest.fixture(scope="session")
def azure_registry(peers_cache: Path, peers_folder: Path) -> Iterator[TokenRegistry]:
    yield from tokens_at(peers_folder / "azure", microsoft.HOST, "/oauth2/token")


@pytest.fixture
def azure(net: Internet, azure_registry: TokenRegistry) -> Azure:
    tokens, registry = azure_registry
    made = Azure(tokens)
    tokens.accounts["me"] = Account("")
    tokens.announced = None
    net.sites |= {microsoft.HOST: made.registry(relay(registry)), microsoft.ENTRA: made.entra}
    net.sites |= {LOOPBACK: made.identity}
    return made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "demo", {"app.py": "print('here')\n"})
