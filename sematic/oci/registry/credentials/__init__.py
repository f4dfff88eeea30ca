"""Who to be at a registry: what the environment, docker, podman and the clouds say.

Read in this order, the first that knows the registry counts:

1. ``SEMATIC_REGISTRY_USERNAME`` and ``SEMATIC_REGISTRY_PASSWORD``, for one host only;
2. ``$REGISTRY_AUTH_FILE``;
3. ``$DOCKER_CONFIG/config.json``, else ``~/.docker/config.json``;
4. podman's ``$XDG_RUNTIME_DIR/containers/auth.json``, ``~/.config/containers/auth.json``;
5. the cloud whose registry it is, through that cloud's own library.

Of a file, its credential helpers come before what it holds itself. Nothing is read before a
registry asks for credentials.

    store           where logins are kept
    search          the order
    ├── edit        docker's file, changed
    ├── files       docker's and podman's files, read
    ├── helpers     programs that keep credentials
    └── clouds      AWS, Google, Azure
        credential  what is found
"""

from sematic.oci.registry.credentials.clouds import Clouds
from sematic.oci.registry.credentials.credential import Credential, renewal
from sematic.oci.registry.credentials.search import Credentials

__all__ = ["Clouds", "Credential", "Credentials", "renewal"]
