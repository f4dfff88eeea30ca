"""The image-spec's own JSON schemas as a judge of documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4


class ImageSpec:
    """The schemas in a folder; they name each other by file name."""

    def __init__(self, folder: Path) -> None:
        self._schemas = {path.name: json.loads(path.read_bytes()) for path in folder.iterdir()}
        if not self._schemas:
            raise LookupError(f"no schemas in {folder}")
        resources = []
        for name, schema in self._schemas.items():
            resource = DRAFT4.create_resource(schema)
            for base in ("", "https://opencontainers.org/schema/", _IMAGE):
                resources.append((base + name, resource))
        self._registry: Registry[Any] = Registry().with_resources(resources)

    def check(self, schema: str, document: Any) -> None:
        """:raises jsonschema.ValidationError: it is not what the schema says."""
        Draft4Validator(self._schemas[schema], registry=self._registry).validate(document)


_IMAGE = "https://opencontainers.org/schema/image/"
