"""Clouds: who the environment is at their registries, as their own Python libraries tell.

    clouds = Clouds(transport)
    clouds.credential("123456789012.dkr.ecr.eu-west-1.amazonaws.com")   # AWS, 12 hours

    search          which cloud a host belongs to; what was given is kept until it ends
    ├── aws         Elastic Container Registry, by botocore
    ├── google      Artifact Registry and Container Registry, by google-auth
    └── azure       Azure Container Registry, by azure-identity
        cloud       what is known of each of them

The libraries are optional (``sematic[aws]``, ``[gcp]``, ``[azure]``) and slow to import, 0.1 to
0.3 s: one is imported when a registry of its cloud is to be shown something, and not before.
"""

from sematic.oci.registry.credentials.clouds.search import Clouds

__all__ = ["Clouds"]
