"""Values and types: making a value what an annotation says, and whether that can be.

:func:`cast` works on values, when a func is called and when it returns; :func:`check` on the types
of futures, whose values are not there yet. Futures may stand for values in lists, tuples and dicts.

| annotation | takes |
| --- | --- |
| ``int`` | numbers (1.7 is 1), text that is a whole number |
| ``float`` | numbers, text that is a number |
| ``bool`` | ``bool``, numbers |
| ``str``, ``bytes`` | these and their subclasses, nothing else |
| ``list``, ``tuple``, ``set``, ``frozenset`` | iterables but text, bytes, dicts; items are cast |
| ``dict``, ``TypedDict`` | mappings; keys and values are cast |
| dataclasses | instances, mappings, other dataclasses with these fields; fields are cast |
| enums | members, values of members |
| ``Path`` | paths, text |
| ``Union``, ``Optional`` | the first that fits as it is, else the first that can be cast to |
| ``Literal`` | one of these |
| ``Any``, ``object``, type variables | everything |
| other classes | their instances, also of subclasses |
"""

from __future__ import annotations

from sematic.casting.annotations import item_type, tuple_types, type_text
from sematic.casting.compatibility import check
from sematic.casting.values import cast

__all__ = ["cast", "check", "item_type", "tuple_types", "type_text"]
