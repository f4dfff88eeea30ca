"""Google's registries: Artifact Registry, and Container Registry.

An OAuth2 access token, good for an hour, is the password of `oauth2accesstoken`
(https://cloud.google.com/artifact-registry/docs/docker/authentication#token).

google-auth finds the application default credentials: a service account's key, workload identity
federation, what gcloud keeps, the metadata server of Google's machines. For the last it wants
requests, so that is what it gets for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timezone
from math import inf
from typing import TYPE_CHECKING, Any

from sematic.oci.registry.credentials.clouds.cloud import Cloud
from sematic.oci.registry.credentials.credential import Credential

if TYPE_CHECKING:
    from google.auth.transport.requests import Request

    from sematic.oci.registry.transport import Transport

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_SECONDS = 10.0


def _ask(host: str, transport: Transport) -> Credential:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about quotas, and old versions of Python
        import google.auth

        request = _request(transport.routes.authorities())
        credentials, _ = google.auth.default(scopes=[_SCOPE], request=request)
        credentials.refresh(request)
    expiry = credentials.expiry  # without a zone, but in UTC
    return Credential(
        "oauth2accesstoken",
        str(credentials.token),
        source=_source(credentials),
        expires=expiry.replace(tzinfo=timezone.utc).timestamp() if expiry else inf,
    )


def _request(authorities: str) -> Request:
    """Makes google-auth's requests, none of which may take two minutes, as they may by default."""
    import requests
    from google.auth.transport.requests import Request

    class Bounded(Request):
        def __call__(
            self,
            url: str,
            method: str = "GET",
            body: bytes | None = None,
            headers: Mapping[str, str] | None = None,
            timeout: float = _SECONDS,
            **kwargs: Any,
        ) -> Any:
            return Request.__call__(self, url, method, body, headers, timeout, **kwargs)

    session = requests.Session()
    session.verify = authorities or True
    return Bounded(session)


def _source(credentials: Any) -> str:
    source = "Google application default credentials"
    email = getattr(credentials, "service_account_email", "")
    return f"{source} (service account {email})" if email else source


GOOGLE = Cloud(
    "Google Cloud",
    "gcp",
    re.compile(r"(?:[a-z0-9-]+\.)*(?:gcr\.io|pkg\.dev)"),
    "Log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS.",
    _ask,
)
