"""The launcher's login at the registry of a run's image, as a secret that the cluster pulls with.

It is owned by the run's record, and removed with it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from sematic.oci.reference import DOCKER_HUB, RegistryReference, parse_reference
from sematic.oci.registry.credentials import Credential, Credentials
from sematic.resolvers.pods.kubernetes.client import Api
from sematic.resolvers.pods.kubernetes.errors import ApiError
from sematic.resolvers.pods.kubernetes.manifest import run_labels
from sematic.resolvers.pods.pods import PodsError

_HUB_KEY = "https://index.docker.io/v1/"


def secret_name(run_id: str) -> str:
    return f"sematic-pull-{run_id}"


def make_pull_secret(api: Api, run_id: str, image: str, owner: Mapping[str, Any]) -> None:
    """Make the secret of a run, if there is none yet.

    :raises PodsError: there is no login, or none of a kind that clusters can use.
    """
    reference = parse_reference(image)
    if not isinstance(reference, RegistryReference):
        return
    credential = Credentials(reference.host).find(reference.name)
    if credential is None:
        raise PodsError(
            f"share-registry-login is set, but there is no login for {reference.host} here.\n"
            f"Log in with `docker login {reference.host}`, or name a secret that the cluster has "
            "as image-pull-secrets."
        )
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {
            "name": secret_name(run_id),
            "labels": run_labels(run_id, "login"),
            "ownerReferences": [dict(owner)],
        },
        "stringData": {".dockerconfigjson": docker_config(reference.host, credential)},
    }
    try:
        api.request("create", "secrets", body=secret)
    except ApiError as error:
        if not error.is_conflict:
            raise


def docker_config(host: str, credential: Credential) -> str:
    """What a kubelet reads (Kubernetes, "Pull an Image from a Private Registry").

    :raises PodsError: it is no password.
    """
    if not (credential.username and credential.password):
        raise PodsError(
            f"the login for {host} ({credential}) is no user name with a password, "
            "and clusters can use nothing else.\n"
            "Name a secret that the cluster has as image-pull-secrets."
        )
    pair = f"{credential.username}:{credential.password}".encode()
    entry = {"auth": base64.b64encode(pair).decode()}
    return json.dumps({"auths": {_HUB_KEY if host == DOCKER_HUB else host: entry}})
