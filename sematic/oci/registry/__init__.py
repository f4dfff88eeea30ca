"""Registries: repositories as places that images are read from and delivered to.

    from sematic.oci.reference import RegistryReference
    from sematic.oci.registry import open_repository

    repository = open_repository(RegistryReference("registry.example.com", "team/app"))
    repository.head("v1")       # 'sha256:...', or None

Each part knows those below it only:

    login           who somebody is, before that is kept
    repository      the Source and the Destination
    ├── uploads     a blob's way in: PUT or PATCH, sessions, trying again
    ├── downloads   a blob's way out: checked, carried on
    └── referrers   the index that old registries need
        client      one method per endpoint of the distribution spec
        pages       lists of tags
        auth        challenges, tokens              credentials     docker's and podman's files
            failures    what refusals mean
            transport   HTTP: connections, redirects, trying again
            ├── connections kept open: a request, and what was answered
            │   ├── dialing     to hosts and through proxies, plain or TLS
            │   └── exchange    HTTP/1.1: whole answers, and bounded ones
            ├── backoff     waiting, for all threads together
            ├── body        a blob on its way, counted
            ├── pointers    where a host may send us
            ├── routes      plain or TLS, proxies
            ├── certificates  whom to trust, what to show
            └── answer      what a server said

Importing this costs little: sockets come with the first request, ssl with the first for https.
"""

from sematic.oci.registry.backoff import Patience
from sematic.oci.registry.repository import Registries, Repository, open_repository

__all__ = ["Patience", "Registries", "Repository", "open_repository"]
