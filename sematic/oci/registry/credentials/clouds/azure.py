"""Azure's registries: ACR.

A token of Microsoft Entra is exchanged, at the registry, for a refresh token that is good for
three hours; what follows is OAuth2 as the distribution specification has it
(https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md).

azure-identity's DefaultAzureCredential finds who the environment is: variables, workload identity,
managed identity, `az login`. It opens no browser.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from sematic.oci.errors import Denied
from sematic.oci.registry.credentials.clouds.cloud import Cloud
from sematic.oci.registry.credentials.credential import Credential
from sematic.oci.registry.failures import what_it_said
from sematic.oci.untrusted import parse_json

if TYPE_CHECKING:
    from azure.identity import ChainedTokenCredential

    from sematic.oci.registry.transport import Transport

_USERNAME = "00000000-0000-0000-0000-000000000000"  # what docker is told in place of one
_HOSTS = re.compile(r"(?:[a-z0-9-]+\.)+azurecr\.(io|cn|us|de)")
# Who gives tokens, and for whom, where clouds are countries' own.
_NATIONAL = {
    "cn": ("login.chinacloudapi.cn", "https://management.core.chinacloudapi.cn/.default"),
    "us": ("login.microsoftonline.us", "https://management.core.usgovcloudapi.net/.default"),
    "de": ("login.microsoftonline.de", "https://management.core.cloudapi.de/.default"),
}
_SCOPE = "https://containerregistry.azure.net/.default"
_SECONDS = 3 * 3600


def _ask(host: str, transport: Transport) -> Credential:
    from azure.identity import DefaultAzureCredential

    registry = _HOSTS.fullmatch(host)
    assert registry
    authority, scope = _NATIONAL.get(registry[1], ("", _SCOPE))
    with DefaultAzureCredential(
        authority=os.environ.get("AZURE_AUTHORITY_HOST") or authority or None,
        connection_verify=transport.routes.authorities() or True,
        connection_timeout=5,
        read_timeout=10,
        retry_total=2,
        process_timeout=10,
    ) as chain:
        token = _token(chain, scope)
        # The library says only here which of its ways it went.
        source = f"Azure {type(chain._successful_credential).__name__}"
    refresh_token = _exchange(host, transport, token)
    expires = _expiry(refresh_token)
    return Credential(_USERNAME, identity_token=refresh_token, source=source, expires=expires)


def _token(chain: ChainedTokenCredential, scope: str) -> str:
    """:raises Denied: Entra gave none; with the words of the last that was tried."""
    from azure.core.exceptions import ClientAuthenticationError

    try:
        return chain.get_token(scope).token
    except ClientAuthenticationError as error:
        raise Denied(_summary(str(error.message), len(chain.credentials))) from None


def _summary(message: str, ways: int) -> str:
    """What counts of a message that lists, one a line, the ways that were tried.

    :param ways: how many there are. The library goes no further than to one that is set up and
        refused.
    """
    tried = re.findall(r"^\t(\w+)(.*)", message, re.MULTILINE)
    refused = tried[-1:] if len(tried) < ways else []
    expired = [each for each in tried if "AADSTS" in each[1]]  # an error of Microsoft Entra
    return "".join(next(iter(refused + expired), (message,)))


def _exchange(host: str, transport: Transport, token: str) -> str:
    """A refresh token of the registry.

    :raises Denied: it gives none.
    """
    fields = {"grant_type": "access_token", "service": host, "access_token": token}
    if tenant := os.environ.get("AZURE_TENANT_ID"):
        fields["tenant"] = tenant
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    url = f"https://{host}/oauth2/exchange"
    answer = transport.request("POST", url, headers, body=urlencode(fields).encode())
    if answer.status != 200:
        said = what_it_said(answer, {token})
        raise Denied(f"{host} takes no token of Microsoft Entra: {answer.status} {said}")
    try:
        return str(parse_json(answer.data)["refresh_token"])
    except (ValueError, LookupError, TypeError):
        raise Denied(f"{host} gave no refresh token for one of Microsoft Entra") from None


def _expiry(token: str) -> float:
    """When a JSON web token ends (RFC 7519, "exp")."""
    import base64

    try:
        payload = token.split(".")[1]
        claims = parse_json(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (ValueError, LookupError, TypeError):
        return time.time() + _SECONDS


AZURE = Cloud(
    "Azure",
    "azure",
    _HOSTS,
    "Log in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET.",
    _ask,
)
