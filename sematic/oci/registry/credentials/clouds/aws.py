"""Amazon's registries: ECR, and ECR Public.

An authorization token, good for 12 hours, is user name and password in base64
(https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html).

botocore finds the AWS credentials (variables, profiles, SSO, roles, containers, instances) and
signs the request. It is what boto3 is made of, and costs less to import.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from sematic.oci.registry.credentials.clouds.cloud import Cloud
from sematic.oci.registry.credentials.credential import Credential

if TYPE_CHECKING:
    from botocore.session import Session

    from sematic.oci.registry.transport import Transport

_PUBLIC = r"public\.ecr\.aws|ecr-public\.aws\.com"
_PRIVATE = (
    r"(?P<account>\d{12})\.dkr(?:\.ecr|(?P<dual>-ecr))(?P<fips>-fips)?\.(?P<region>[a-z0-9-]+)\."
    r"(?:amazonaws\.(?:com|com\.cn|eu)|on\.(?:aws|amazonwebservices\.com\.cn)"
    r"|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
)
_HOSTS = re.compile(f"{_PUBLIC}|{_PRIVATE}")
# Where botocore finds credentials outside of any profile.
_NO_PROFILE = {
    "env": "environment variables",
    "container-role": "role of the container",
    "iam-role": "role of the instance",
}


def _ask(host: str, transport: Transport) -> Credential:
    import botocore.session
    from botocore.config import Config

    session = botocore.session.Session()
    authorities = transport.routes.authorities()
    if authorities and not session.get_config_variable("ca_bundle"):
        session.set_config_variable("ca_bundle", authorities)
    limits = Config(
        connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
    )
    session.set_default_client_config(limits)  # for the requests that get the AWS credentials, too
    registry = _HOSTS.fullmatch(host)
    assert registry
    if account := registry["account"]:
        endpoint = Config(
            use_fips_endpoint=bool(registry["fips"]) or None,
            use_dualstack_endpoint=bool(registry["dual"]) or None,
        )
        client: Any = session.create_client("ecr", registry["region"], config=endpoint)
        (data,) = client.get_authorization_token(registryIds=[account])["authorizationData"]
    else:
        client = session.create_client("ecr-public", "us-east-1")
        data = client.get_authorization_token()["authorizationData"]
    username, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    expires = data["expiresAt"].timestamp()
    return Credential(username, password, source=_source(session), expires=expires)


def _source(session: Session) -> str:
    credentials = session.get_credentials()
    method = str(credentials.method) if credentials else ""
    if method in _NO_PROFILE:
        return f"AWS ({_NO_PROFILE[method]})"
    return f"AWS profile {session.get_config_variable('profile') or 'default'} ({method})"


AWS = Cloud(
    "AWS",
    "aws",
    _HOSTS,
    "Log in with `aws sso login` (or `aws configure`), or choose a profile by AWS_PROFILE.",
    _ask,
)
