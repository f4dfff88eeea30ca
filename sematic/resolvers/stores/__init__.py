"""Where inputs, outcomes and logs of steps lie.

    from sematic.resolvers.stores import fetch, keep, open_store

    store = open_store("registry://registry.example.com/team/artifacts")
    artifact = keep(store, open("large.bin", "rb"))
    store.bind("step-1-out", b"{}", [artifact])
    fetch(store, artifact).read()

A folder (``file:///...``), a repository of a registry (``registry://HOST/REPOSITORY``), or any
file system that fsspec knows (``s3://...``).
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from sematic.resolvers.stores.errors import StoreError
from sematic.resolvers.stores.store import Artifact, Store, fetch, keep, scratch

__all__ = ["Artifact", "Store", "StoreError", "fetch", "keep", "open_store", "scratch"]


def open_store(url: str) -> Store:
    """The store at a URL, or in a folder. Nothing is asked yet.

    :raises StoreError: nothing can be a store there.
    """
    scheme, colon, rest = url.partition("://")
    if not colon:
        scheme, rest = "file", url
    if scheme == "file":
        from sematic.resolvers.stores.folder import FolderStore

        return FolderStore(Path(unquote(urlsplit(url).path) if colon else rest).expanduser())
    if scheme == "registry":
        from sematic.resolvers.stores.registry import RegistryStore

        return RegistryStore(rest)
    from sematic.resolvers.stores.fsspec import FsspecStore

    return FsspecStore(url)
