"""A tool's schema made narrower, so that every call that fits it is short.

For trying out whether a server holds calls to a schema: a weak model would write one string until its tokens end.

What fits the narrow schema fits the whole one. Nothing here is for real work: a file's content is longer.
"""

import math
from typing import Any

STRING_CHARS = 32
ITEMS = 2
LARGEST = 9_999

TRIAL_TOKENS = 1_000
"""Enough for any call of a tool with three strings, even one that is written in escapes throughout."""


def short(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with bounds where it has none."""
    match schema.get("type"):
        case "object":
            parts = {key: short(part) for key, part in schema.get("properties", {}).items()}
            return {**schema, "properties": parts, "additionalProperties": False}
        case "array":
            return {**schema, "items": short(schema.get("items", {})), "maxItems": _least(schema, "maxItems", ITEMS)}
        case "string" if not {"enum", "const", "pattern", "format"} & schema.keys():
            longest = max(_least(schema, "maxLength", STRING_CHARS), schema.get("minLength", 0))
            return {**schema, "maxLength": longest}
        case "integer" | "number" if "enum" not in schema and "const" not in schema:
            return _short_number(schema)
    return schema


def _least(schema: dict[str, Any], key: str, limit: int) -> int:
    return min(int(schema.get(key, limit)), limit)


def _short_number(schema: dict[str, Any]) -> dict[str, Any]:
    """A whole number of few digits, where the schema allows one: the digits of a fraction have no end."""
    least = max(0, math.ceil(schema.get("minimum", 0)))
    most = min(LARGEST, math.floor(schema.get("maximum", LARGEST)))
    if least > most:
        return schema
    return {**schema, "type": "integer", "minimum": least, "maximum": most}
