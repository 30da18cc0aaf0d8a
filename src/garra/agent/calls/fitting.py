"""Whether what a model wrote is a call: the name is a tool's, to the letter, and the arguments fit its schema.

Also the pieces of JSON that the forms share. Nothing here knows a form, or searches a text.
"""

import json
import os
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from garra.tools.schema import Mismatch, fit, parse_arguments
from garra.wire.messages import ToolCall, ToolSpec

Tools: TypeAlias = Mapping[str, ToolSpec]
Found: TypeAlias = tuple[list[ToolCall], int]
"""The calls of one place in a text, and where they end."""

SPACE = re.compile(r"\s*")
_json = json.JSONDecoder()


def new_call(name: str, arguments: str) -> ToolCall:
    """A call under an id that no other call has: a call in a text has none of its own that could go back."""
    return ToolCall(f"call_{os.urandom(6).hex()}", name, arguments)


def fits(arguments: str, spec: ToolSpec) -> bool:
    """Whether this is an object that the tool takes."""
    try:
        fit(parse_arguments(arguments), spec.parameters)
    except (Mismatch, LookupError, TypeError):  # the last two: a schema from elsewhere that is itself at fault
        return False
    return True


def call_of(name: str, arguments: str, tools: Tools) -> ToolCall | None:
    """The call, when there is such a tool and it takes these arguments."""
    spec = tools.get(name)
    return new_call(name, arguments) if spec is not None and fits(arguments, spec) else None


def skip(text: str, at: int) -> int:
    """Where the spaces end that begin here."""
    space = SPACE.match(text, at)
    return space.end() if space else at


def value_at(text: str, at: int) -> tuple[Any, int] | None:
    """The JSON value that begins here, and where it ends."""
    try:
        return _json.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None


def object_at(text: str, at: int) -> tuple[str, int] | None:
    """The JSON object that begins here, as it is written, and where it ends."""
    found = value_at(text, at) if text.startswith("{", at) else None
    return (text[at : found[1]], found[1]) if found else None


def members(text: str, at: int) -> tuple[dict[str, tuple[Any, str]], int] | None:
    """The members of the JSON object that begins here, each as a value and as it is written, and where it ends.

    An object that names a member twice says two things, and is none.
    """
    if not text.startswith("{", at):
        return None
    found: dict[str, tuple[Any, str]] = {}
    at += 1
    while (key := value_at(text, skip(text, at))) and isinstance(key[0], str) and key[0] not in found:
        at = skip(text, key[1])
        value = value_at(text, start := skip(text, at + 1)) if text.startswith(":", at) else None
        if value is None:
            return None
        found[key[0]] = (value[0], text[start : value[1]])
        at = skip(text, value[1]) + 1
        if text.startswith("}", at - 1):
            return found, at
        if not text.startswith(",", at - 1):
            return None
    return None


def json_call(text: str, at: int, tools: Tools) -> Found | None:
    """`{"name": …, "arguments": …}` (or `parameters`), also inside OpenAI's `{"type": "function", "function": …}`."""
    read = members(text, at)
    if read is None:
        return None
    found, end = read
    kind, inner = found.pop("type", ("function", ""))[0], found.get("function")
    found.pop("id", None)
    if inner is not None and len(found) == 1:
        deeper = members(inner[1], 0)
        found = deeper[0] if deeper else {}
    if kind != "function" or len(found) != 2:
        return None
    arguments = found.get("arguments") or found.get("parameters")
    call = call_of(*_called(found["name"][0], arguments), tools) if "name" in found and arguments else None
    return ([call], end) if call else None


def _called(name: Any, arguments: tuple[Any, str]) -> tuple[str, str]:
    """Name and arguments. A string that holds the object is opened."""
    value, written = arguments
    return name if isinstance(name, str) else "", value if isinstance(value, str) else written


def json_calls(text: str, at: int, tools: Tools, separators: str = "") -> Found | None:
    """One such object or a list of them, or several with one of these characters, or only spaces, between them."""
    if text.startswith("[", at):
        found = _run(text, skip(text, at + 1), tools, ",")
        end = skip(text, found[1]) if found else 0
        return (found[0], end + 1) if found and text.startswith("]", end) else None
    return _run(text, at, tools, separators)


def _run(text: str, at: int, tools: Tools, separators: str) -> Found | None:
    calls: list[ToolCall] = []
    end = at
    while found := json_call(text, at, tools):
        calls += found[0]
        end = at = found[1]
        after = skip(text, at)
        at = skip(text, after + 1) if text[after : after + 1] in tuple(separators) else after
        if separators == "," and at == after:  # a list's members stand with a comma between them
            break
    return (calls, end) if calls else None
