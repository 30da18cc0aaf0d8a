"""The form that we ask for where tools are described in the prompt, and that Hermes and Qwen models are taught:
`<tool_call>{"name": …, "arguments": …}</tool_call>`.

It is the one form that is a call even when it is wrong: an unknown name or arguments that are no JSON are passed on as
they are, so that the model is told. Whoever runs a call checks it.
"""

import json
import re

from garra.agent.calls.fitting import Found, Tools, new_call, value_at

OPEN, CLOSE = "<tool_call>", "</tool_call>"

_START = re.compile(rf"{OPEN}\s*(?=\{{)")
_END = re.compile(rf"\s*{CLOSE}")
_NAMED = re.compile(r'\{\s*"name"\s*:\s*"((?:[^"\\]|\\.)*)"\s*,\s*"arguments"\s*:\s*')
_LAST_BRACES = re.compile(r"[\s}]*")


def tagged_call(text: str, at: int, tools: Tools) -> Found | None:
    """The call that begins here; None where there is no name to it."""
    start = _START.match(text, at)
    if start is None:
        return None
    if named := _NAMED.match(text, start.end()):
        return _named(text, named)
    read = value_at(text, start.end())
    value, end = read or ({}, 0)
    name, arguments = value.get("name"), value.get("arguments", {})
    if not isinstance(name, str) or not name:
        return None
    return [new_call(name, arguments if isinstance(arguments, str) else json.dumps(arguments))], _past_tag(text, end)


def _named(text: str, named: re.Match[str]) -> Found | None:
    """The call in the form that was asked for. Its arguments stay as they were written, byte for byte."""
    try:
        name = str(json.loads(f'"{named[1]}"'))
    except ValueError:
        return None
    if read := value_at(text, named.end()):
        value, end = read
        arguments = value if isinstance(value, str) else text[named.end() : end]
        return [new_call(name, arguments)], _past_tag(text, end)
    closed = text.find(CLOSE, named.end())
    end = closed if closed >= 0 else len(text)
    return [new_call(name, text[named.end() : end].strip())], _past_tag(text, end)


def _past_tag(text: str, end: int) -> int:
    """Behind the closing tag, where there is one: what stands before it, such as the call's last brace, is passed."""
    rest = _LAST_BRACES.match(text, end)
    end = rest.end() if rest else end
    return closed.end() if (closed := _END.match(text, end)) else end
