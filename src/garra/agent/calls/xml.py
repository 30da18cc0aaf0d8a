"""Calls in tags of their own: Qwen3-Coder's `<function=name><parameter=key>value</parameter></function>`, Llama 3.1's
`<function=name>{…}</function>`, and GLM's `<tool_call>name<arg_key>k</arg_key><arg_value>v</arg_value></tool_call>`.

A parameter's text has no type, so the tool's schema says how it is read.
"""

import json
import re
from typing import Any

import msgspec

from garra.agent.calls.fitting import Found, Tools, call_of, object_at, skip
from garra.wire.messages import ToolSpec

_FUNCTION = re.compile(r"<function=([^<>\s]+)>\s*")
_PARAMETER = re.compile(r"<parameter=([^<>\n]+)>")
_AFTER_VALUE = re.compile(r"</parameter>\s*(?=<parameter=|</function>|</tool_call>)")
_FUNCTION_END = re.compile(r"\s*(?:</function>|(?=</tool_call>))")
_KEY = re.compile(r"<arg_key>([^<>\n]+)</arg_key>\s*<arg_value>")
_AFTER_ARG = re.compile(r"</arg_value>\s*(?=<arg_key>|</tool_call>)")
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_GLM_NAME = re.compile(r"[^<>\s]+")


def function_call(text: str, at: int, tools: Tools) -> Found | None:
    """The call that begins here with `<function=`, inside `<tool_call>` or bare."""
    inside = text.startswith(_OPEN, at)
    named = _FUNCTION.match(text, skip(text, at + len(_OPEN)) if inside else at)
    spec = tools.get(named[1]) if named else None
    if named is None or spec is None:
        return None
    read = object_at(text, named.end()) or _arguments(text, named.end(), spec, _PARAMETER, _AFTER_VALUE)
    end = _FUNCTION_END.match(text, read[1]) if read else None
    call = call_of(spec.name, read[0], tools) if read and end else None
    if call is None or end is None:
        return None
    closed = skip(text, end.end())
    return [call], closed + len(_CLOSE) if inside and text.startswith(_CLOSE, closed) else end.end()


def keyed_call(text: str, at: int, tools: Tools) -> Found | None:
    """The call that begins here with `<tool_call>name`."""
    named = _GLM_NAME.match(text, skip(text, at + len(_OPEN))) if text.startswith(_OPEN, at) else None
    spec = tools.get(named[0]) if named else None
    if named is None or spec is None:
        return None
    read = _arguments(text, skip(text, named.end()), spec, _KEY, _AFTER_ARG)
    closed = skip(text, read[1]) if read else 0
    call = call_of(spec.name, read[0], tools) if read and text.startswith(_CLOSE, closed) else None
    return ([call], closed + len(_CLOSE)) if call else None


def _arguments(
    text: str, at: int, spec: ToolSpec, key: re.Pattern[str], after: re.Pattern[str]
) -> tuple[str, int] | None:
    """The arguments from here on as JSON, and where they end. None for one given twice, or not closed."""
    values: dict[str, Any] = {}
    while named := key.match(text, at):
        closed = after.search(text, named.end())
        if closed is None or named[1] in values:
            return None
        value = text[named.end() : closed.start()]
        values[named[1]] = _typed(value, spec.parameters.get("properties", {}).get(named[1], {}))
        at = closed.end()
    return json.dumps(values, ensure_ascii=False), at


def _typed(text: str, schema: dict[str, Any]) -> Any:
    """The value that the text means. A string stays as it is, but for the line breaks that set it off from its tags."""
    kind = schema.get("type", "string")
    if kind == "string":
        return text.removeprefix("\n").removesuffix("\n")
    try:
        return msgspec.json.decode(text.lower() if kind == "boolean" else text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return text.removeprefix("\n").removesuffix("\n")
