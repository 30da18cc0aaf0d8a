"""Mending the arguments of a call that do not parse, when they can be read in one way only.

Every way of mending is tried; the call is changed when they come to one object between them, and it fits the tool's
schema. Anything else stays as the model wrote it, and is answered to the model. A JSON object is never touched, not a
byte of it. Nothing here guesses at what is missing inside a string, a key or a number.
"""

import json
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from garra.agent.calls.fitting import fits
from garra.wire.messages import ToolCall, ToolSpec

LIMIT_CHARS = 256 * 1024
"""Longer arguments are left alone; OpenClaw takes no longer ones at all (openclaw.md 3.8)."""

_BEFORE_CHARS, _AFTER_CHARS = 96, 3
"""So much may stand around a whole object (openclaw.md 3.9)."""

_FENCED = re.compile(r"\s*```(?:json)?\s*(.*?)\s*```\s*", re.DOTALL)
_JUNK_BEFORE = re.compile(r"[^\"'\[\]{}:]*(?:(?:arguments|parameters|args|input|json)\s*:\s*)?", re.IGNORECASE)
"""No part of an object: an object whose beginning is lost is not whole."""

_JUNK_AFTER = re.compile(r"[\s}\]);.,`]*\Z")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', re.DOTALL)
_CURLY = re.compile("[“”„]")
_OPENERS = {"{": "}", "[": "]"}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


_lenient = json.JSONDecoder(strict=False, object_pairs_hook=_once)


def repaired(call: ToolCall, spec: ToolSpec | None) -> ToolCall:
    """The call with arguments that parse and fit `spec`; the call as it was where it needs none, or two are possible.

    Not for a call that the length limit has cut: what is missing there is not known.
    """
    text = call.arguments
    if spec is None or len(text) > LIMIT_CHARS or not text.strip() or isinstance(_decoded(text), dict):
        return call
    readings: dict[str, str] = {}
    for value in _readings(text, spec):
        written = _written(value)
        if written is not None and fits(written, spec):
            readings[json.dumps(json.loads(written), sort_keys=True)] = written
    if len(readings) != 1:
        return call
    return msgspec.structs.replace(call, arguments=next(iter(readings.values())))


def _readings(text: str, spec: ToolSpec) -> Iterator[Any]:
    """Every object that the text may stand for."""
    value = _decoded(text)
    if isinstance(value, str):
        inner = list(_objects(value))
        yield from inner or _as_only_argument(value, spec)
    elif value is None:
        yield from _objects(text)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Every object that the text may stand for, when it is one written a little wrong."""
    for bare in dict.fromkeys((text, *_unwrapped(text))):
        for mend in _MENDS:
            value = mend(bare)
            if isinstance(value, dict):
                yield value


def _unwrapped(text: str) -> Iterator[str]:
    """The object without what stands around it."""
    if fenced := _FENCED.fullmatch(text):
        yield fenced[1]
    start = text.find("{", 0, _BEFORE_CHARS + 1)
    if start < 0 or not _JUNK_BEFORE.fullmatch(text, 0, start):
        return
    try:
        end = _lenient.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        yield text[start:]
        return
    if len(text[end:].strip()) <= _AFTER_CHARS and _JUNK_AFTER.match(text, end):
        yield text[start:end]


def _loaded(text: str) -> Any:
    """Strict JSON, but that it takes line breaks and tabs in strings; None for any other, and for a key given twice."""
    try:
        return _lenient.decode(text)
    except (ValueError, RecursionError):
        return None


def _without_trailing_commas(text: str) -> Any:
    return _loaded(_PIECE.sub(lambda found: "" if found[0] == "," else found[0], text))


def _with_straight_quotes(text: str) -> Any:
    """Curly quotes as delimiters, where no straight one stands beside them."""
    return _loaded(_CURLY.sub('"', text)) if '"' not in text and _CURLY.search(text) else None


def _python(text: str) -> Any:
    """A Python literal. Parsed, never evaluated."""
    if "'" not in text and not re.search(r"\b(?:True|False|None)\b", text):
        return None
    from ast import literal_eval  # costs some milliseconds: only for arguments that look like it

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _closed(text: str) -> Any:
    """The object with one or two brackets put at its end, when it stops right behind a value."""
    bare = text.rstrip()
    open_brackets: list[str] = []
    rest = _STRING.sub("", bare)
    if '"' in rest or not bare.endswith(('"', "}", "]", "true", "false", "null")):
        return None
    for char in rest:
        if char in _OPENERS:
            open_brackets.append(_OPENERS[char])
        elif char in "}]" and (not open_brackets or open_brackets.pop() != char):
            return None
    return _loaded(bare + "".join(reversed(open_brackets))) if 1 <= len(open_brackets) <= 2 else None


_MENDS: tuple[Callable[[str], Any], ...] = (
    _loaded,
    _without_trailing_commas,
    _with_straight_quotes,
    _python,
    _closed,
)


def _as_only_argument(value: str, spec: ToolSpec) -> Iterator[dict[str, Any]]:
    """A bare string, for a tool that needs one string and nothing else."""
    required = spec.parameters.get("required", ())
    if len(required) == 1 and spec.parameters.get("properties", {}).get(required[0], {}).get("type") == "string":
        yield {required[0]: value}


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def _written(value: Any) -> str | None:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):  # a literal of Python that JSON has no word for
        return None
