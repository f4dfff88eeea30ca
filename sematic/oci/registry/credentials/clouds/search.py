"""Which cloud a registry belongs to, and what that cloud gave for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from sematic.oci.registry.credentials.credential import Credential, renewal
from sematic.oci.values import frozen, replace

if TYPE_CHECKING:
    from sematic.oci.registry.credentials.clouds.cloud import Cloud
    from sematic.oci.registry.transport import Transport


@frozen
class _Given:
    """What a cloud gave for a host: a credential, or the reason why not."""

    credential: Credential | None = None
    failure: str = ""
    renew_at: float = inf


class Clouds:
    """Credentials of the clouds, each asked for once and again before it ends.

    :param transport: for what is asked of registries themselves.
    :param clock: seconds since 1970.
    """

    def __init__(self, transport: Transport, clock: Callable[[], float] = time.time) -> None:
        self._transport = transport
        self._clock = clock
        self._given: dict[str, _Given] = {}

    def credential(self, host: str) -> Credential | None:
        """The credential for a host; None if it is no cloud's, or its cloud gives none.

        That is no error yet: the registry may be open to all.
        """
        cloud = cloud_of(host)
        if cloud is None:
            return None
        given = self._given.get(host, _Given(renew_at=0))
        if self._clock() >= given.renew_at:
            given = self._given[host] = self._ask(cloud, host, given)
        return given.credential

    def failure(self, host: str) -> str:
        """Why :meth:`credential` gave none, and what to do; "" if there is nothing to say."""
        given = self._given.get(host)
        return given.failure if given else ""

    def _ask(self, cloud: Cloud, host: str, before: _Given) -> _Given:
        now = self._clock()
        try:
            credential = cloud.ask(host, self._transport)
        except Exception as error:  # whatever other people's code raises says why it gives none
            if before.credential and now < before.credential.expires:
                return replace(before, renew_at=before.credential.expires)
            return _Given(failure=cloud.failure(error))
        return _Given(credential, renew_at=renewal(now, credential.expires - now))


def cloud_of(host: str) -> Cloud | None:
    """The cloud whose registry a host is, if it is a cloud's."""
    from sematic.oci.registry.credentials.clouds.aws import AWS
    from sematic.oci.registry.credentials.clouds.azure import AZURE
    from sematic.oci.registry.credentials.clouds.google import GOOGLE

    return next((cloud for cloud in (AWS, GOOGLE, AZURE) if cloud.hosts.fullmatch(host)), None)
