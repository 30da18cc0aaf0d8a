"""One parsed chunk of a streamed reply, or a whole reply, becomes events.

Reads what vLLM sends and what its relatives send instead. Drops what it does not know; refuses what is no object. An
`error` inside a chunk is not read here: `chat` looks for it first.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from garra.wire.events import CallDelta, Event, ReasoningDelta, TextDelta, Usage

# Newest first: vLLM's present name, its former one, and that of some proxies.
REASONING_FIELDS = ("reasoning", "reasoning_content", "reasoning_text")
TOKENS_LIMIT = 2**31
"""No prompt has as many tokens: a server that says so has miscounted."""


class ChunkReader:
    """Chunk after chunk of one reply. `finish` is the server's word for why it ended, once it has said so."""

    def __init__(self) -> None:
        self.finish = ""
        self.said = self.called = False
        self._places = CallPlaces()

    def read(self, chunk: dict[str, Any]) -> Iterator[Event]:
        """The events of one chunk, in the order of the reply. Usage comes last."""
        choices = chunk.get("choices")
        choice: dict[str, Any] = next(filter(_is_first, choices if isinstance(choices, list) else []), {})
        for name in ("delta", "message"):
            if isinstance(delta := choice.get(name), dict):
                yield from self._delta(delta, whole=name == "message")
        if isinstance(text := choice.get("text"), str) and text:  # as the older completions route says it
            self.said = True
            yield TextDelta(text)
        if isinstance(reason := choice.get("finish_reason"), str) and reason:
            self.finish = reason
        for usage in (chunk.get("usage"), choice.get("usage")):
            if event := _usage(usage):
                yield event
                return

    def _delta(self, delta: dict[str, Any], *, whole: bool) -> Iterator[Event]:
        for field in REASONING_FIELDS:
            if text := _plain(delta.get(field)):
                self.said = True
                yield ReasoningDelta(text, field)
                break
        for text in (_plain(delta.get("content")), _plain(delta.get("refusal"))):
            if text:
                self.said = True
                yield TextDelta(text)
        calls = delta.get("tool_calls")
        for position, call in enumerate(calls if isinstance(calls, list) else []):
            if isinstance(call, dict) and (piece := self._call(call, position, whole=whole)):
                self.said = self.called = True
                yield piece

    def _call(self, call: dict[str, Any], position: int, *, whole: bool) -> CallDelta | None:
        """One element of `tool_calls`: a piece of a call, or all of it in a whole message. None where it is empty."""
        raw = call.get("function")
        function = raw if isinstance(raw, dict) else {}
        call_id, name = _text(call.get("id")), _text(function.get("name"))
        arguments = _arguments(function.get("arguments"))
        if not (call_id or name or arguments):
            return None
        index = position if whole else call.get("index")
        return CallDelta(self._places.place(index, call_id, name, position), call_id, name, arguments)


class CallPlaces:
    """Which call a piece belongs to. Servers number them by index, by id, by both, or say it once and no more."""

    def __init__(self) -> None:
        self._by_index: dict[int, int] = {}
        self._by_id: dict[str, int] = {}
        self._id_at: dict[int, str] = {}
        self._last: int | None = None

    def place(self, index: Any, call_id: str, name: str, position: int) -> int:
        """The place of the piece's call in the reply: the server's index, unless another call has that."""
        if type(index) is int:
            place = self._indexed(index, call_id, name)
        else:
            place = self._unnumbered(call_id, bool(call_id or name), position)
        if call_id:
            self._by_id.setdefault(call_id, place)
        self._id_at[place] = self._id_at.get(place) or call_id
        self._last = place
        return place

    def _indexed(self, index: int, call_id: str, name: str) -> int:
        known = self._by_index.get(index)
        if known is None and not (call_id or name) and self._last is not None:
            return self._last  # more of a call that was opened under another number
        if known is None or (call_id and name and self._id_at[known] not in ("", call_id)):
            known = self._by_index[index] = self._next() if index in self._id_at else index
        return known

    def _unnumbered(self, call_id: str, opens: bool, position: int) -> int:
        """Where a server sends no index: a new id or name opens a call, anything else continues the last one."""
        if call_id in self._by_id:
            return self._by_id[call_id]
        if opens:
            return self._next()
        return position if self._last is None else max(self._last, position)

    def _next(self) -> int:
        return max(self._id_at, default=-1) + 1


def _is_first(choice: Any) -> bool:
    """Whether it is the one choice that was asked for. An index that is no number says that there are no others."""
    return isinstance(choice, dict) and (type(index := choice.get("index")) is not int or index == 0)


def _usage(usage: Any) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    prompt = _tokens(usage.get("prompt_tokens"))
    if prompt is None:
        return None
    return Usage(prompt, _tokens(usage.get("completion_tokens")) or 0, _tokens(cached))


def _tokens(value: Any) -> int | None:
    """A count of tokens. Anything that cannot be one is none: the budget of the session is reckoned from it."""
    return value if type(value) is int and 0 <= value < TOKENS_LIMIT else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _plain(content: Any) -> str:
    """Content as text. Some servers send a list of parts, and careless ones a number for a text of digits."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) if isinstance(part, dict) else _text(part) for part in content)
    return _as_json(content) if type(content) in (int, float) else _text(content)


def _arguments(value: Any) -> str:
    """Arguments as JSON text; some servers send them parsed. Nothing of them is left out, whatever it is."""
    return value if isinstance(value, str) else "" if value is None else _as_json(value)


def _as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
