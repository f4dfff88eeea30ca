"""One push for several platforms, on whatever machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sematic.oci.base import find_base
from sematic.oci.cache import Cache
from sematic.oci.errors import SettingsError
from sematic.oci.manifest import OCI_INDEX, Platform
from sematic.oci.memo import Forgetful
from sematic.oci.places import open_source
from sematic.oci.project import push
from sematic.oci.reference import parse_reference
from sematic.oci.settings import read_settings
from tests.oci.wheels.made import make_wheel
from tests.peers.index import Index

BOTH = "linux/amd64,linux/arm64"


def test_an_index_shares_the_layers_of_pure_wheels(
    packages: Index, project: Path, tmp_path: Path
) -> None:
    for machine in ("x86_64", "aarch64"):
        tag = f"cp311-cp311-manylinux_2_17_{machine}"
        data: dict[str, str | bytes] = {
            "native/data.bin": bytes(5 << 20),
            f"native/{machine}.so": "code",
        }
        make_wheel(packages.folder, "native", files=data, tag=tag)
    make_wheel(packages.folder, "pure", files={"pure/data.bin": bytes(6 << 20)})
    (project / "requirements.txt").write_text("native\npure\n")
    files = (str(project / "requirements.txt"),)
    repository = f"oci-layout:{tmp_path / 'images'}"
    settings = read_settings(project, requirements=files, platform=BOTH, repository=repository)
    delivery = push(project, settings, cache=Cache(tmp_path / "cache"))
    source = open_source(parse_reference(f"{repository}:latest"))
    index = source.manifest(delivery.digest)
    assert index.media_type == OCI_INDEX
    assert [each["platform"]["architecture"] for each in json.loads(index.data)["manifests"]] == [
        "amd64",
        "arm64",
    ]
    images = [find_base(source, Forgetful(), Platform.parse(name)) for name in BOTH.split(",")]
    amd64, arm64 = ({layer.descriptor.digest for layer in image.layers} for image in images)
    digests: dict[str, set[str]] = {}
    for layer in delivery.layers:
        digests.setdefault(layer.name, set()).add(layer.digest)
    assert digests["pure 1.0"] <= amd64 & arm64
    assert not digests["native 1.0"] & amd64 & arm64
    new = [layer.name for layer in delivery.layers if layer.fate == "new"]
    assert sorted(new) == ["native 1.0", "native 1.0", "pure 1.0", "runtime", "source . and 1 more"]
    again = push(project, settings, cache=Cache(tmp_path / "cache"))
    assert (again.digest, again.sent) == (delivery.digest, 0)


def test_an_environment_is_for_one_platform(project: Path) -> None:
    with pytest.raises(SettingsError, match="an environment is for one platform"):
        read_settings(project, platform=BOTH)


def test_a_platform_without_wheels_is_refused(packages: Index, project: Path) -> None:
    (project / "requirements.txt").write_text("")
    files = (str(project / "requirements.txt"),)
    settings = read_settings(project, requirements=files, platform="linux/s390x")
    with pytest.raises(SettingsError, match="requirements cannot be resolved for linux/s390x"):
        push(project, settings)
