"""An image: layers appended to a base, and what its config says. A value; nothing is sent here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Union

from sematic.oci.base import LAYERS_ANNOTATION, Base
from sematic.oci.errors import ManifestError
from sematic.oci.layer import Bytes, ExistingLayer, Layer
from sematic.oci.manifest import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_MANIFEST,
    Descriptor,
    Document,
    Format,
    Manifest,
    Platform,
    convert_layer_type,
    to_json,
)
from sematic.oci.plan import MOST_LAYERS
from sematic.oci.reference import RegistryReference
from sematic.oci.tar import source_date_epoch, timestamp
from sematic.oci.values import field, frozen, replace

AnyLayer = Union[Layer, ExistingLayer]


@frozen
class Config:
    """What is changed in the base's config (image-spec, config.md); None leaves it as it is."""

    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    entrypoint: Sequence[str] | None = None
    command: Sequence[str] | None = None
    user: str | None = None
    working_dir: str | None = None


@frozen
class Image:
    """A base and what is put on top of it.

    >>> image = Image(platform=Platform("linux", "amd64"))
    >>> image = image.configured(env={"MODE": "test"}, user="1000")
    >>> image.environment()
    {'MODE': 'test'}
    """

    platform: Platform
    base: Base | None = None
    layers: tuple[AnyLayer, ...] = ()
    config: Config = field(default_factory=Config)
    annotations: Mapping[str, str] = field(default_factory=dict)
    format: Format = "oci"

    @classmethod
    def on(cls, base: Base, format: Format = "oci") -> Image:
        """An image that is the base and nothing else yet."""
        return cls(base.platform, base, format=format)

    def append(self, *layers: AnyLayer) -> Image:
        """With more layers on top, lowest first.

        :raises ManifestError: more than a container engine can stack.
        """
        image = replace(self, layers=self.layers + layers)
        if len(image.all_layers()) > MOST_LAYERS:
            raise ManifestError(
                f"the image would have {len(image.all_layers())} layers, "
                f"and container engines stack at most {MOST_LAYERS}"
            )
        return image

    def configured(
        self,
        *,
        env: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        entrypoint: Sequence[str] | None = None,
        command: Sequence[str] | None = None,
        user: str | None = None,
        working_dir: str | None = None,
    ) -> Image:
        """With another config. ``env`` and ``labels`` are added to those there are."""
        before = self.config
        config = Config(
            {**before.env, **(env or {})},
            {**before.labels, **(labels or {})},
            before.entrypoint if entrypoint is None else tuple(entrypoint),
            before.command if command is None else tuple(command),
            before.user if user is None else user,
            before.working_dir if working_dir is None else working_dir,
        )
        return replace(self, config=config)

    def annotated(self, annotations: Mapping[str, str]) -> Image:
        """With more annotations in its manifest."""
        return replace(self, annotations={**self.annotations, **annotations})

    def environment(self) -> dict[str, str]:
        """The environment variables of a container: the base's, and those set here over them."""
        return {**(self.base.environment() if self.base else {}), **self.config.env}

    def all_layers(self) -> tuple[AnyLayer, ...]:
        """The base's and its own, lowest first."""
        return (self.base.layers if self.base else ()) + self.layers

    def is_settled(self) -> bool:
        """Whether every layer's digest is known, and so the image's."""
        return all(layer.descriptor is not None for layer in self.layers)

    def config_blob(self) -> Bytes:
        """The config, as a blob.

        :raises ManifestError: a layer has not been made yet.
        """
        media_type = OCI_CONFIG if self.format == "oci" else DOCKER_CONFIG
        data = to_json(self._config_document())
        return Bytes("config", Descriptor.of(media_type, data), data)

    def manifest(self) -> Manifest:
        """The manifest.

        :raises ManifestError: a layer has not been made yet, or cannot be in this format.
        """
        layers = []
        for layer in self.all_layers():
            descriptor = _settled(layer)[0]
            media_type = convert_layer_type(descriptor.media_type, self.format)
            descriptor = descriptor.with_media_type(media_type)
            layers.append(descriptor if self.format == "oci" else _plain(descriptor))
        return Manifest(
            OCI_MANIFEST if self.format == "oci" else DOCKER_MANIFEST,
            self.config_blob().descriptor,
            tuple(layers),
            self._annotations(),
        )

    def document(self) -> Document:
        """The manifest as it is stored.

        :raises ManifestError: as :meth:`manifest`.
        """
        return self.manifest().document()

    def _annotations(self) -> dict[str, str]:
        if self.format == "docker":
            return {}
        base = {}
        if self.base is not None:
            base["org.opencontainers.image.base.digest"] = self.base.digest
            if isinstance(self.base.source.reference, RegistryReference):  # no path of this machine
                base["org.opencontainers.image.base.name"] = self.base.name
        own = self._own_layers()
        return {**base, **({LAYERS_ANNOTATION: str(own)} if own else {}), **self.annotations}

    def _own_layers(self) -> int:
        """How many are not a base's, nor going to be one's; with those of a base that has some."""
        if any(isinstance(layer, Layer) and layer.is_of_base for layer in self.layers):
            return 0
        return len(self.layers) + (len(self.base.own_layers) if self.base else 0)

    def _config_document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(json.dumps(self.base.config)) if self.base else {}
        created = timestamp(source_date_epoch())
        history = self._base_history()
        diff_ids = [_settled(layer)[1] for layer in self.all_layers()]
        history += [{"created_by": layer.name} for layer in self.layers]
        document.update(self.platform.to_dict())
        document["created"] = created
        document["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
        document["history"] = history
        document["config"] = self._run_config(document.get("config") or {})
        for stale in ("container", "container_config", "id", "parent", "throwaway"):
            document.pop(stale, None)  # of the build that made the base, in Docker's configs
        return document

    def _base_history(self) -> list[dict[str, Any]]:
        """The base's history; made up where it does not speak of every layer, as tools want."""
        if self.base is None:
            return []
        history = list(self.base.config.get("history") or ())
        if sum(not entry.get("empty_layer") for entry in history) == len(self.base.layers):
            return history
        return [{"created_by": layer.name} for layer in self.base.layers]

    def _run_config(self, base: Mapping[str, Any]) -> dict[str, Any]:
        run = dict(base)
        own = self.config
        run["Env"] = [f"{name}={value}" for name, value in self.environment().items()]
        if own.labels:
            run["Labels"] = {**(run.get("Labels") or {}), **own.labels}
        if own.entrypoint is not None:
            # A base's command is an argument to its own entrypoint, not to another.
            run["Entrypoint"] = list(own.entrypoint)
            run.pop("Cmd", None)
        if own.command is not None:
            run["Cmd"] = list(own.command)
        if own.user is not None:
            run["User"] = own.user
        if own.working_dir is not None:
            run["WorkingDir"] = own.working_dir
        return {key: value for key, value in run.items() if value not in (None, [], {})}


def _settled(layer: AnyLayer) -> tuple[Descriptor, str]:
    if layer.descriptor is None or layer.diff_id is None:
        raise ManifestError(f"layer {layer.name!r} has not been made, so its digest is not known")
    return layer.descriptor, layer.diff_id


def _plain(descriptor: Descriptor) -> Descriptor:
    """A descriptor as Docker's family has them, without annotations."""
    return replace(descriptor, annotations={})
