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


class ChunkReader:
    """Chunk after chunk of one reply. `finish` is the server's word for why it ended, once it has said so."""

    def __init__(self) -> None:
        self.finish = ""
        self.said = self.called = False
        self._ids: dict[str, int] = {}
        self._last = -1

    def read(self, chunk: dict[str, Any]) -> Iterator[Event]:
        """The events of one chunk, in the order of the reply. Usage comes last."""
        choices = chunk.get("choices")
        choice: dict[str, Any] = next(filter(_is_first, choices if isinstance(choices, list) else []), {})
        for name in ("delta", "message"):
            if isinstance(delta := choice.get(name), dict):
                yield from self._delta(delta)
        if isinstance(text := choice.get("text"), str) and text:  # as the older completions route says it
            self.said = True
            yield TextDelta(text)
        if isinstance(reason := choice.get("finish_reason"), str) and reason:
            self.finish = reason
        for usage in (chunk.get("usage"), choice.get("usage")):
            if event := _usage(usage):
                yield event
                return

    def _delta(self, delta: dict[str, Any]) -> Iterator[Event]:
        for field in REASONING_FIELDS:
            if isinstance(text := delta.get(field), str) and text:
                self.said = True
                yield ReasoningDelta(text, field)
                break
        for text in (_plain(delta.get("content")), _plain(delta.get("refusal"))):
            if text:
                self.said = True
                yield TextDelta(text)
        calls = delta.get("tool_calls")
        for position, call in enumerate(calls if isinstance(calls, list) else []):
            if isinstance(call, dict):
                self.said = self.called = True
                yield self._call(call, position)

    def _call(self, call: dict[str, Any], position: int) -> CallDelta:
        raw = call.get("function")
        function = raw if isinstance(raw, dict) else {}
        call_id, name = _text(call.get("id")), _text(function.get("name"))
        index = call.get("index")
        if type(index) is not int:
            index = self._index_of(call_id, bool(call_id or name), position)
        self._last = index
        return CallDelta(index, call_id, name, _arguments(function.get("arguments")))

    def _index_of(self, call_id: str, opens: bool, position: int) -> int:
        """Where a server sends no index: a new id or name opens a call, anything else continues the last one."""
        if call_id in self._ids:
            return self._ids[call_id]
        index = self._last + 1 if opens else max(self._last, position)
        if call_id:
            self._ids[call_id] = index
        return index


def _is_first(choice: Any) -> bool:
    return isinstance(choice, dict) and choice.get("index", 0) in (0, None)


def _usage(usage: Any) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    if type(prompt) is not int:
        return None
    return Usage(prompt, completion if type(completion) is int else 0, cached if type(cached) is int else None)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _plain(content: Any) -> str:
    """Content as text; some servers send a list of parts."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return _text(content)


def _arguments(value: Any) -> str:
    """Arguments as JSON text; some servers send them parsed."""
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else _text(value)
