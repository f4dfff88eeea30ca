"""Runs in a namespace of a Kubernetes cluster.

    place           the namespace, as the driver, the launcher and the command see it
    ├── pods        the pods of one run, followed by one watch
    │   ├── manifest    what a pod is told to be
    │   ├── events      what its status means
    │   └── logs        what it has written
    ├── records     what is known of runs: a ConfigMap each, which owns all else of the run
    ├── lease       the driver lives: renewed by it, looked at by workers
    └── pull_secret the launcher's login at the registry, for the run
    watch           objects as they change
    client          requests to the API server
    login           where it is, and who we are there

Requests are made as registries' are, and documents are plain dicts: importing ``kubernetes``
takes longer than all that is done from ``resolve()`` to the creation of the pod. It is imported
where a kubeconfig wants a login that is more than a token or a certificate.
"""

from __future__ import annotations

from sematic.resolvers.pods.kubernetes.place import KubernetesPlace

__all__ = ["KubernetesPlace"]
