"""Whose registry a host is: the cloud's own, and nobody else's, get its credentials."""

from __future__ import annotations

import pytest

from sematic.oci.registry.credentials.clouds.aws import AWS
from sematic.oci.registry.credentials.clouds.azure import AZURE
from sematic.oci.registry.credentials.clouds.cloud import Cloud
from sematic.oci.registry.credentials.clouds.google import GOOGLE
from sematic.oci.registry.credentials.clouds.search import cloud_of

ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("cloud", "host"),
    [
        (AWS, f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"),
        (AWS, f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn"),
        (AWS, f"{ACCOUNT}.dkr.ecr-fips.us-gov-west-1.amazonaws.com"),
        (AWS, f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws"),
        (AWS, f"{ACCOUNT}.dkr.ecr.us-iso-east-1.c2s.ic.gov"),
        (AWS, "public.ecr.aws"),
        (GOOGLE, "gcr.io"),
        (GOOGLE, "eu.gcr.io"),
        (GOOGLE, "europe-west1-docker.pkg.dev"),
        (AZURE, "name.azurecr.io"),
        (AZURE, "name-hash.azurecr.io"),
        (AZURE, "name.azurecr.cn"),
    ],
)
def test_a_cloud_has_registries(cloud: Cloud, host: str) -> None:
    assert cloud_of(host) is cloud


@pytest.mark.parametrize(
    "host",
    [
        "registry.example.com",
        f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com.example.com",
        f"{ACCOUNT}.dkr.ecr.example.com",
        f"{ACCOUNT}.dkr.ecr.eu-west-1.example.amazonaws.com",
        f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com:8443",
        "ecr.eu-west-1.amazonaws.com",
        "public.ecr.aws.example.com",
        "xpublic.ecr.aws",
        "notgcr.io",
        "gcr.io.example.com",
        "pkg.dev.example.com",
        "xpkg.dev",
        "azurecr.io",
        "notazurecr.io",
        "name.azurecr.io.example.com",
        "name.azurecr.com",
    ],
)
def test_another_host_is_no_clouds(host: str) -> None:
    assert cloud_of(host) is None
