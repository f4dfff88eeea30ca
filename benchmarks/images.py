"""What lies in the registries that are pushed to."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError

from tests.peers.install import base_folder, digest_of
from tests.peers.registry import Registry
from tests.peers.tools import Skopeo

_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


def seed_base(to: Registry) -> None:
    """Put the base there, as :func:`base_name`."""
    with TemporaryDirectory(prefix="sematic-") as home:
        skopeo = Skopeo("skopeo", Path(home))
        skopeo.copy(f"oci:{base_folder()}:worker", f"docker://{to.host}/base/worker:latest")


def base_name() -> str:
    """``NAME@DIGEST``: what a tag stands for would have to be asked with every push."""
    return f"base/worker@{digest_of(base_folder(), 'worker')}"


def layer_digests(reference: str) -> list[str]:
    """The layers of an image (of an index, of its first image); none if it is not there."""
    host, _, rest = reference.partition("/")
    name, _, tag = rest.rpartition("@" if "@" in rest else ":")
    request = urllib.request.Request(
        f"http://{host}/v2/{name}/manifests/{tag}", headers={"Accept": ", ".join(_TYPES + _INDEXES)}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            manifest = json.load(answer)
    except HTTPError as error:
        if error.code == 404:
            return []
        raise
    if manifests := manifest.get("manifests"):
        return layer_digests(f"{host}/{name}@{manifests[0]['digest']}")
    return [layer["digest"] for layer in manifest["layers"]]
