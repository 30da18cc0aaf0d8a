"""Arguments of a tool call: from the model's JSON text to values that fit the tool's schema.

Knows the part of JSON Schema that our tools use: type, required, enum, properties, additionalProperties, items, minimum
and maximum. Lenient where only one reading is possible ("5" for an integer, "true" for a boolean, null for an argument
left out); everything else is a `Mismatch` that says in one line what was expected and what came.
"""

from typing import Any

import msgspec

_NAMES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "null",
}
_ARTICLES = {"integer": "an integer", "object": "an object", "array": "an array", "null": "null"}
_SHOWN_CHARS = 60


class Mismatch(ValueError):
    """The arguments do not fit. The text is one line, for the model."""


def parse_arguments(text: str) -> dict[str, Any]:
    """The arguments as an object. Nothing at all means no arguments; a string that holds the object is opened."""
    if not text.strip():
        return {}
    value = _decode(text)
    if isinstance(value, str):
        value = _decode(value) if value.strip() else {}
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Mismatch(f"the arguments should be a JSON object, got {_shown(value)}")
    return value


def _decode(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as wrong:
        raise Mismatch(f"the arguments are not valid JSON: {wrong}") from None


def fit(value: Any, schema: dict[str, Any]) -> Any:
    """The value as the schema wants it. Raises Mismatch with every fault found, in one line."""
    faults: list[str] = []
    fitted = _fit(value, schema, "", faults)
    if faults:
        raise Mismatch("; ".join(faults))
    return fitted


def signature(name: str, schema: dict[str, Any]) -> str:
    """How a tool is called, in one line: `read(path: string, offset?: integer)`."""
    required = schema.get("required", ())
    parts = (
        f"{key}{'' if key in required else '?'}: {'|'.join(map(str, part['enum'])) if 'enum' in part else part['type']}"
        for key, part in schema.get("properties", {}).items()
    )
    return f"{name}({', '.join(parts)})"


def _fit(value: Any, schema: dict[str, Any], at: str, faults: list[str]) -> Any:
    wanted = schema.get("type")
    if wanted is not None:
        value = _lenient(value, wanted)
        if not _is(value, wanted):
            faults.append(f"{_place(at)} should be {_article(wanted)}, got {_shown(value)}")
            return value
    _check_range(value, schema, at, faults)
    if isinstance(value, dict) and wanted == "object":
        return _fit_object(value, schema, at, faults)
    if isinstance(value, list) and "items" in schema:
        return [_fit(item, schema["items"], f"{at}[{index}]", faults) for index, item in enumerate(value)]
    return value


def _fit_object(value: dict[str, Any], schema: dict[str, Any], at: str, faults: list[str]) -> dict[str, Any]:
    known: dict[str, Any] = schema.get("properties", {})
    required = schema.get("required", ())
    fitted: dict[str, Any] = {}
    for key, item in value.items():
        if key in known:
            if item is not None or key in required:
                fitted[key] = _fit(item, known[key], _join(at, key), faults)
        elif schema.get("additionalProperties"):
            fitted[key] = item
        elif item is not None:
            faults.append(f"unknown argument {_place(_join(at, key))}{_nearest(key, known)}")
    missing = [key for key in required if key not in value]
    faults.extend(f"{_place(_join(at, key))} is missing ({_article(known[key]['type'])})" for key in missing)
    return fitted


def _check_range(value: Any, schema: dict[str, Any], at: str, faults: list[str]) -> None:
    if "enum" in schema and value not in schema["enum"]:
        faults.append(f"{_place(at)} should be one of {', '.join(map(str, schema['enum']))}, got {_shown(value)}")
    if not isinstance(value, int | float):
        return
    if "minimum" in schema and value < schema["minimum"]:
        faults.append(f"{_place(at)} should be at least {schema['minimum']}, got {value}")
    if "maximum" in schema and value > schema["maximum"]:
        faults.append(f"{_place(at)} should be at most {schema['maximum']}, got {value}")


def _is(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    if wanted == "number":
        return isinstance(value, int | float)
    return _NAMES.get(type(value)) == wanted


def _lenient(value: Any, wanted: str) -> Any:
    """The value as the wanted type where it can be read in one way only; else as it came."""
    if isinstance(value, float) and wanted == "integer" and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and wanted == "string":
        return str(value)
    if isinstance(value, str) and wanted != "string":
        return _from_text(value.strip(), wanted)
    return value


def _from_text(text: str, wanted: str) -> Any:
    read = text.lower() if wanted == "boolean" else text
    try:
        value = msgspec.json.decode(read)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return text
    if isinstance(value, float) and wanted == "integer" and value.is_integer():
        return int(value)
    return value if _is(value, wanted) else text


def _nearest(name: str, known: dict[str, Any]) -> str:
    near = near_names(name, known)
    if near:
        return f' (did you mean "{near[0]}"?)'
    return f" (it takes {', '.join(known)})" if known else " (it takes none)"


def near_names(name: str, known: Any, count: int = 1) -> list[str]:
    """The known names most like this one: alike in spelling, or one within the other."""
    from difflib import get_close_matches  # costs a regular expression or two: only when something is wrong

    lowered = {key.lower(): key for key in known}
    inside = [key for key in lowered if len(key) > 2 and (key in name.lower() or name.lower() in key)]
    close = get_close_matches(name.lower(), list(lowered), n=count, cutoff=0.6)
    return [lowered[key] for key in dict.fromkeys([*close, *inside])][:count]


def _place(at: str) -> str:
    return f'"{at}"' if at else "the value"


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _article(wanted: str) -> str:
    return _ARTICLES.get(wanted, f"a {wanted}")


def _shown(value: Any) -> str:
    """The value as the model wrote it, short, with its type. One line."""
    kind = _article(_NAMES.get(type(value), type(value).__name__))
    if value is None:
        return kind
    text = msgspec.json.encode(value).decode()
    return f"{kind}: {text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + '…'}"
