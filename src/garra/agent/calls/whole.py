"""Calls in forms that plain text may have too: they count only when they are the whole message.

Bare JSON, Llama's `{"name": …, "parameters": …}; {…}`, Python lists, `[name]` with an object. A message is held back
only while it may still be nothing but calls, which its first characters mostly settle.
"""

import re

from garra.agent.calls.fitting import Tools, call_of, json_calls, object_at, skip
from garra.agent.calls.heads import HEAD_CHARS, may_begin, whole_heads
from garra.agent.calls.pythonic import pythonic_calls
from garra.wire.messages import ToolCall

_BRACKETED = re.compile(r"\[(tool:)?([^\[\]\s]+)\]\s*(?=\{)")
_OPENERS, _CLOSERS, _BETWEEN = "{[(", "}])", "{[;"


class Whole:
    """A message's text as long as it may be nothing but calls."""

    def __init__(self, tools: Tools) -> None:
        self._heads = whole_heads(tools)
        self._start: str | None = ""
        self._held: list[str] = []
        self._quotes = '"'
        self._quote = ""
        self._escaped = False
        self._depth = 0

    def take(self, text: str) -> bool:
        """More text. False once it cannot be a call any more."""
        self._held.append(text)
        if self._start is None:
            return self._balances(text)
        self._start += text
        solid = self._start.lstrip()
        may = may_begin(solid, self._heads) if solid else (None if len(self._start) < HEAD_CHARS else False)
        if may is None or not may:
            return may is None
        self._start = None
        self._quotes = "\"'" if solid.startswith("[") else '"'
        return self._balances(solid)

    def text(self) -> str:
        """What is held."""
        return "".join(self._held)

    def _balances(self, text: str) -> bool:
        """Whether only what stands between two calls follows where one has ended."""
        return all(self._step(char) for char in text)

    def _step(self, char: str) -> bool:
        if not self._quote:
            return self._outside(char)
        if self._escaped:
            self._escaped = False
        elif char == "\\":
            self._escaped = True
        elif char == self._quote:
            self._quote = ""
        return True

    def _outside(self, char: str) -> bool:
        if self._depth == 0 and not char.isspace() and char not in _BETWEEN:
            return False
        if char in _OPENERS:
            self._depth += 1
        elif char in _CLOSERS:
            self._depth -= 1
        elif char in self._quotes:
            self._quote = char
        return True


def whole_calls(text: str, tools: Tools) -> list[ToolCall]:
    """The calls of a message that is nothing but calls; none for any other."""
    text = text.strip()
    found = json_calls(text, 0, tools, ";")
    if found and not text[found[1] :].strip(" \n;"):
        return found[0]
    return _bracketed(text, tools) or (pythonic_calls(text, tools) if text.endswith("]") else [])


def _bracketed(text: str, tools: Tools) -> list[ToolCall]:
    """`[name]` and an object, closed with `[/name]` or `[END_TOOL_REQUEST]`; or `[tool:name]` and an object."""
    calls: list[ToolCall] = []
    at = 0
    while named := _BRACKETED.match(text, at):
        read = object_at(text, named.end())
        call = call_of(named[2], read[0], tools) if read else None
        if read is None or call is None:
            return []
        calls.append(call)
        closers = (f"[/{named[2]}]", "[END_TOOL_REQUEST]", *(("[/tool]", "") if named[1] else ()))
        at = skip(text, read[1])
        closer = next((closer for closer in closers if text.startswith(closer, at)), None)
        if closer is None:
            return []
        at = skip(text, at + len(closer))
    return calls if at == len(text) else []
