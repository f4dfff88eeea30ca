"""What the tests of the registry client share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from sematic.oci.events import Event
from sematic.oci.memo import Forgetful
from sematic.oci.reference import RegistryReference
from sematic.oci.registry import Patience, Registries, Repository
from tests.oci.registry.scripted import ScriptedRegistry, scripted_registry


@pytest.fixture(autouse=True)
def nothing_from_outside(own_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxies or certificates but the test's own."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "SEMATIC_INSECURE_REGISTRIES"):
        monkeypatch.delenv(name, raising=False)


@dataclass
class Time:
    """A clock that moves when somebody sleeps, and at no other time."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self) -> Patience:
        return Patience(clock=self.clock, sleep=self.sleep)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def scripted() -> Iterator[ScriptedRegistry]:
    with scripted_registry() as registry:
        yield registry


@pytest.fixture
def other() -> Iterator[ScriptedRegistry]:
    """A second host."""
    with scripted_registry("localhost") as registry:
        yield registry


Opener = Callable[..., Repository]


@pytest.fixture
def opened(scripted: ScriptedRegistry, time: Time, events: list[Event]) -> Opener:
    """Opens a repository of the scripted registry, `team/app` unless named."""

    def open_one(
        name: str = "team/app", *, push: bool = True, memo: Forgetful | None = None
    ) -> Repository:
        registries = Registries(
            scripted.host, memo=memo, listener=events.append, patience=time.patience()
        )
        return registries.repository(RegistryReference(scripted.host, name), push=push)

    return open_one


@pytest.fixture
def repository(opened: Opener) -> Repository:
    return opened()
