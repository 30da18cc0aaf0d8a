"""Reading the calls that a model wrote between `<tool_call>` tags, out of its text as it streams.

A call counts where it stands in the reply itself, not in a code fence or between backticks, and every call of a run of
them counts. What the model writes after them is left out: it could only be a guess at results that it had not seen. A
call that is not whole is still given as a call, with its arguments as they are, so that the model is told; whoever runs
it checks them.
"""

import json
import os
import re
from collections.abc import AsyncGenerator, Sequence

from garra.agent.calls.described import CLOSE, OPEN
from garra.wire.events import CallDelta, Event, Finish, TextDelta
from garra.wire.messages import ToolCall, ToolSpec

_START = re.compile(rf"\s*{OPEN}\s*(?=\{{)")
_END = re.compile(rf"\s*{CLOSE}")
_NAMED = re.compile(r'\{\s*"name"\s*:\s*"((?:[^"\\]|\\.)*)"\s*,\s*"arguments"\s*:\s*')
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_FENCE_CHARS = 8
"""So much of a line tells whether it is a fence."""

_json = json.JSONDecoder()


async def read_calls(events: AsyncGenerator[Event], tools: Sequence[ToolSpec] = ()) -> AsyncGenerator[Event]:
    """The same events, with tagged calls in the text turned into calls. What may become a tag is held back."""
    reading = _Reading()
    try:
        async for event in events:
            match event:
                case TextDelta(text):
                    if shown := reading.take(text):
                        yield TextDelta(shown)
                case Finish(reason):
                    rest, calls = reading.end()
                    if rest:
                        yield TextDelta(rest)
                    for index, call in enumerate(calls):
                        yield CallDelta(index, call.id, call.name, call.arguments)
                    yield Finish("tool_calls" if calls and reason != "length" else reason)
                case _:
                    yield event
    finally:
        await events.aclose()


class _Reading:
    """The text so far: what was shown, what is held back, and the pieces of a call once one has begun."""

    def __init__(self) -> None:
        self._fences = 0
        self._line = self._last = ""
        self._held = ""
        self._call: list[str] = []

    def take(self, text: str) -> str:
        """More text; what of it may be shown."""
        if self._call:
            self._call.append(text)
            return ""
        self._held += text
        shown = ""
        while not self._call:
            before, self._held = _before_tag(self._held)
            shown += self._passed(before)
            if not self._held.startswith(OPEN):
                break
            begun = False if self._is_quoted() else _begins_call(self._held)
            if begun is None:
                break
            if begun:
                self._call.append(self._held)
            else:
                shown += self._passed(OPEN)
                self._held = self._held[len(OPEN) :]
        return shown

    def end(self) -> tuple[str, list[ToolCall]]:
        """What is text after all, and the calls."""
        if not self._call:
            return self._held, []
        written = "".join(self._call)
        calls = _calls(written)
        return ("" if calls else written), calls

    def _passed(self, text: str) -> str:
        """Text on its way out, with the code fences in it counted."""
        *lines, last = (self._line + text).split("\n")
        self._fences += sum(_FENCE.match(line) is not None for line in lines)
        self._line = last[:_FENCE_CHARS]
        self._last = text[-1:] or self._last
        return text

    def _is_quoted(self) -> bool:
        fences = self._fences + (_FENCE.match(self._line) is not None)
        return fences % 2 == 1 or self._last == "`"


def _before_tag(text: str) -> tuple[str, str]:
    """What may be shown, and what must wait: the tag and all after it, or what may become one."""
    at = text.find(OPEN)
    if at >= 0:
        return text[:at], text[at:]
    for length in range(min(len(OPEN) - 1, len(text)), 0, -1):
        if text.endswith(OPEN[:length]):
            return text[:-length], text[-length:]
    return text, ""


def _begins_call(held: str) -> bool | None:
    """Whether an object follows the tag; None while only spaces do."""
    rest = held[len(OPEN) :].lstrip()
    return rest.startswith("{") if rest else None


def _calls(written: str) -> list[ToolCall]:
    """The calls that follow each other from the beginning of the text on."""
    calls: list[ToolCall] = []
    at = 0
    while (start := _START.match(written, at)) and (found := _call(written, start.end())):
        name, arguments, at = found
        calls.append(ToolCall(f"call_{os.urandom(6).hex()}", name, arguments))
    return calls


def _call(text: str, at: int) -> tuple[str, str, int] | None:
    """Name, arguments and end of the call whose object begins at `at`; None where there is no name to it."""
    if named := _NAMED.match(text, at):
        return _named(text, named)
    try:
        value, end = _json.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    name, arguments = value.get("name"), value.get("arguments", {})
    if not isinstance(name, str) or not name:
        return None
    return name, arguments if isinstance(arguments, str) else json.dumps(arguments), _past_tag(text, end)


def _named(text: str, named: re.Match[str]) -> tuple[str, str, int] | None:
    """The call in the form that was asked for. Its arguments stay as they were written, byte for byte."""
    try:
        name = str(json.loads(f'"{named[1]}"'))
    except ValueError:
        return None
    try:
        value, end = _json.raw_decode(text, named.end())
    except (ValueError, RecursionError):
        closed = text.find(CLOSE, named.end())
        end = closed if closed >= 0 else len(text)
        return name, text[named.end() : end].strip(), _past_tag(text, end)
    arguments = value if isinstance(value, str) else text[named.end() : end]
    return name, arguments, _past_tag(text, end)


def _past_tag(text: str, end: int) -> int:
    """Behind the closing tag, where there is one: what stands before it, such as the call's last brace, is passed."""
    rest = re.compile(r"[\s}]*").match(text, end)
    end = rest.end() if rest else end
    return closed.end() if (closed := _END.match(text, end)) else end
