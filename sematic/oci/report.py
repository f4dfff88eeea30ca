"""What the command line says of plans, deliveries and images: as text and as JSON values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sematic.oci.base import Base
from sematic.oci.blob import Destination
from sematic.oci.delivery import Delivery
from sematic.oci.files import LeftOut
from sematic.oci.project_image import Build
from sematic.oci.untrusted import one_line

_LARGEST = 10
_SHOWN = 20


def size_text(size: int) -> str:
    """A number of bytes in decimal units, as ``45.1 kB``."""
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95 or unit == "GB":
            break
    return f"{value:.1f} {unit}"


def delivery_text(delivery: Delivery) -> str:
    """The summary of a delivery, one line or two."""
    counts = ", ".join(f"{delivery.count(fate)} {fate}" for fate in ("new", "reused", "mounted"))
    text = (
        f"{len(delivery.layers)} layers ({counts}), {size_text(delivery.sent)} sent "
        f"in {delivery.seconds:.2f} s"
    )
    return text + (f"\ntagged {', '.join(delivery.tags)}" if delivery.tags else "")


def delivery_json(delivery: Delivery, notes: Sequence[str]) -> dict[str, Any]:
    return {
        "reference": delivery.reference,
        "digest": delivery.digest,
        "tags": list(delivery.tags),
        "layers": [
            {
                "name": layer.name,
                "digest": layer.digest,
                "size": layer.size,
                "fate": layer.fate,
                "sent": layer.sent,
            }
            for layer in delivery.layers
        ],
        "new": delivery.count("new"),
        "reused": delivery.count("reused"),
        "mounted": delivery.count("mounted"),
        "sent": delivery.sent,
        "seconds": round(delivery.seconds, 3),
        "notes": list(notes),
    }


def plan_json(built: Build, destination: Destination) -> dict[str, Any]:
    """A plan; ``reused`` is what the destination has, as far as is known without making it."""
    layers = []
    for plan, layer in built.layers():
        descriptor = layer.descriptor
        there = descriptor is not None and destination.has(descriptor)
        layers.append(
            {
                "name": plan.name,
                "kind": plan.kind,
                "files": plan.count,
                "bytes": plan.size,
                "digest": descriptor.digest if descriptor else None,
                "compressed": descriptor.size if descriptor else None,
                "reused": there,
            }
        )
    groups = [group for plan in built.plans for group in plan.groups]
    largest = sorted(groups, key=lambda group: (-group.size, group.name))[:_LARGEST]
    return {
        "platform": str(built.image.platform),
        "python": built.python,
        "environment": built.environment,
        "base": built.image.base.name if built.image.base else None,
        "base_layers": len(built.image.base.layers) if built.image.base else 0,
        "layers": layers,
        "files": sum(plan.count for plan in built.plans),
        "bytes": sum(plan.size for plan in built.plans),
        "largest": [{"name": g.name, "kind": g.kind, "bytes": g.size} for g in largest],
        "left_out": [{"path": o.path, "rule": o.rule} for o in built.left_out],
        "notes": list(built.notes),
    }


def plan_text(plan: dict[str, Any], left_out: Sequence[LeftOut]) -> Iterator[str]:
    """The same for people, line by line."""
    yield f"environment  {plan['environment']} (Python {plan['python']}), for {plan['platform']}"
    yield f"base         {plan['base'] or 'none'}"
    yield ""
    yield f"{'layer':>5}  {'files':>6}  {'bytes':>9}  {'':6}  name"
    for number, layer in enumerate(plan["layers"], plan["base_layers"] + 1):
        fate = "reused" if layer["reused"] else "sent"
        size = size_text(layer["bytes"])
        yield f"{number:>5}  {layer['files']:>6}  {size:>9}  {fate:6}  {one_line(layer['name'])}"
    yield f"{'':5}  {plan['files']:>6}  {size_text(plan['bytes']):>9}"
    yield ""
    yield "largest"
    for group in plan["largest"]:
        yield f"  {size_text(group['bytes']):>9}  {one_line(group['name'])}"
    if left_out:
        yield ""
        yield "left out"
        yield from _left_out(left_out)
    for note in plan["notes"]:
        yield f"note: {note}"


def _left_out(left_out: Sequence[LeftOut]) -> Iterator[str]:
    rules = Counter(item.rule for item in left_out)
    for rule, count in rules.most_common(_SHOWN):
        paths = [one_line(item.path) for item in left_out if item.rule == rule]
        shown = ", ".join(paths[:3]) + (f" and {count - 3} more" if count > 3 else "")
        yield f"  {one_line(rule)}: {shown}"
    if len(rules) > _SHOWN:
        yield f"  and by {len(rules) - _SHOWN} more rules"


def image_json(image: Base) -> dict[str, Any]:
    """An image, whatever made it."""
    return {
        "reference": image.name,
        "digest": image.digest,
        "media_type": image.manifest.media_type,
        "platform": str(image.platform),
        "created": image.config.get("created"),
        "config": image.config.get("config") or {},
        "annotations": dict(image.manifest.annotations),
        "layers": [
            {
                "name": name,
                "media_type": layer.descriptor.media_type,
                "digest": layer.descriptor.digest,
                "size": layer.descriptor.size,
                "diff_id": layer.diff_id,
            }
            for layer, name in zip(image.layers, image.layer_names(), strict=True)
        ],
        "size": sum(layer.descriptor.size for layer in image.layers),
    }


def image_text(image: dict[str, Any]) -> Iterator[str]:
    """The same for people, line by line."""
    config = image["config"]
    yield f"{image['reference']}"
    yield f"digest      {image['digest']}"
    yield f"type        {image['media_type']}"
    yield f"platform    {image['platform']}"
    yield f"created     {one_line(str(image['created']))}"
    for key in ("Entrypoint", "Cmd", "User", "WorkingDir"):
        if config.get(key):
            yield f"{key.lower():11} {one_line(_value(config[key]))}"
    yield from _pairs("env", config.get("Env") or ())
    yield from _pairs("label", _equals(config.get("Labels") or {}))
    yield from _pairs("annotation", _equals(image["annotations"]))
    yield f"layers      {len(image['layers'])}, {size_text(image['size'])}"
    for layer in image["layers"]:
        kind = layer["media_type"].rpartition(".")[2]
        size = size_text(layer["size"])
        yield f"  {layer['digest'][:19]}  {size:>9}  {kind:8}  {one_line(layer['name'])}"


def _pairs(word: str, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield f"{word:11} {one_line(line)}"


def _equals(pairs: dict[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in sorted(pairs.items())]


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
