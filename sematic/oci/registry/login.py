"""Asking a registry whether it knows somebody, before anything is kept.

As docker does it: ``/v2/`` is asked without credentials, and with what its challenge wants; a
token for that is one without scopes
(https://distribution.github.io/distribution/spec/auth/token/).
"""

from __future__ import annotations

from sematic.oci.errors import Denied, RegistryError
from sematic.oci.registry.auth import Authorizer
from sematic.oci.registry.client import api_host, is_challenge
from sematic.oci.registry.credentials import Credential, Credentials
from sematic.oci.registry.failures import what_it_said
from sematic.oci.registry.transport import Transport
from sematic.oci.values import frozen, replace


@frozen
class Login:
    """What a registry said to somebody.

    :param credential: what to keep.
    :param is_checked: False where the registry takes anyone and looked at no password.
    """

    credential: Credential
    is_checked: bool


class _Given(Credentials):
    """One credential, for whatever is asked."""

    def __init__(self, credential: Credential) -> None:
        super().__init__(environ={})
        self._credential = credential

    def find(self, place: str) -> Credential | None:
        return self._credential


def log_in(place: str, credential: Credential, transport: Transport) -> Login:
    """Show a user name and a password to the registry of a place, ``HOST`` or ``HOST/NAMESPACE``.

    A token server may hand out a refresh token. That is kept then, and no password: it can be
    taken back, and opens nothing but the registry.

    :raises Denied: the registry or its token server refuses them.
    :raises RegistryError: it was not reached, or answers as no registry does.
    """
    host = place.partition("/")[0]
    base = transport.base(api_host(host))
    authorizer = Authorizer(transport, _Given(credential), offline=True)
    answer = transport.request("GET", f"{base}/v2/")
    is_checked = is_challenge(answer, base)
    if is_checked:
        header = authorizer.challenged(place, answer, (), "")
        answer = transport.request("GET", f"{base}/v2/", {"Authorization": header})
        if is_challenge(answer, base):
            authorizer.refused(place, ())
    if answer.status != 200:
        kind = Denied if answer.status in (401, 403) else RegistryError
        advice = "\nIs it a registry?" if answer.status == 404 else ""
        said = what_it_said(answer, authorizer.secrets(place))
        raise kind(
            f"{host} refused the login: {answer.status} {said}".rstrip() + advice,
            status=answer.status,
        )
    if refresh_token := authorizer.refresh_token(place):
        credential = replace(credential, password="", identity_token=refresh_token)
    return Login(credential, is_checked)
