"""An answer as vLLM 0.32 sends it: the frames of its stream, in its order, and the whole reply.

The role comes first with empty content; the finish reason comes with the last piece of text, or with an empty delta
after calls; the usage has a frame of its own without choices; `[DONE]` ends it.
"""

import re
from typing import Any

import msgspec

from garra.testing.script import Answer, Call, Thought

_CREATED = 1767225600
_HEAD = {"id": "chatcmpl-scripted", "created": _CREATED}


def sse(data: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + (data if isinstance(data, bytes) else msgspec.json.encode(data)) + b"\n\n"


def finish_of(answer: Answer) -> str:
    """Why the answer ended, unless the script says otherwise."""
    return answer.finish or ("tool_calls" if any(isinstance(part, Call) for part in answer.parts) else "stop")


def usage_of(answer: Answer, prompt_tokens: int) -> dict[str, Any]:
    """Tokens, counted as words: what a script says needs no tokenizer."""
    said = sum(len(words(part if isinstance(part, str) else part.text)) for part in answer.parts)
    said = said if answer.completion_tokens is None else answer.completion_tokens
    usage: dict[str, Any] = {
        "prompt_tokens": prompt_tokens,
        "total_tokens": prompt_tokens + said,
        "completion_tokens": said,
    }
    if answer.cached_tokens is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": answer.cached_tokens}
    return usage


def words(text: str) -> list[str]:
    """Text in pieces that begin where a word does; joined they are the text."""
    return re.findall(r"\s*\S+\s*$|\s*\S+|\s+", text)


def frames(answer: Answer, *, model: str, prompt_tokens: int, with_usage: bool = True) -> list[bytes]:
    """The frames of the stream. An ending that leaves some out is obeyed here, all others are the server's to play."""
    deltas = _deltas(answer)
    finish = finish_of(answer)
    if finish == "tool_calls" or len(deltas) == 1:
        deltas.append({})
    last = len(deltas) - 1
    told = answer.ending != "no-finish"
    sent = [
        sse(_chunk(model, delta, finish if told and position == last else None))
        for position, delta in enumerate(deltas)
    ]
    if told and with_usage:
        usage = usage_of(answer, prompt_tokens)
        sent.append(sse({**_HEAD, "object": "chat.completion.chunk", "model": model, "choices": [], "usage": usage}))
    if answer.ending != "no-done":
        sent.append(sse(b"[DONE]"))
    return sent


def whole(answer: Answer, *, model: str, prompt_tokens: int) -> dict[str, Any]:
    """The reply to a request that asks for no stream."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    text = "".join(part for part in answer.parts if isinstance(part, str))
    calls = [part for part in answer.parts if isinstance(part, Call)]
    if text or not calls:
        message["content"] = text
    for part in answer.parts:
        if isinstance(part, Thought):
            message[part.field] = message.get(part.field, "") + part.text
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}
            for call in calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_of(answer)}
    usage = usage_of(answer, prompt_tokens)
    return {**_HEAD, "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}


def _deltas(answer: Answer) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    index = 0
    for part in answer.parts:
        if isinstance(part, Call):
            deltas += _call_deltas(part, index)
            index += 1
        elif isinstance(part, Thought):
            deltas += [{part.field: piece} for piece in words(part.text)]
        else:
            deltas += [{"content": piece} for piece in words(part)]
    return deltas


def _call_deltas(call: Call, index: int) -> list[dict[str, Any]]:
    """The name first, then the arguments in two pieces at least, as a server that parses while it writes."""
    first = {"id": call.id, "type": "function", "index": index, "function": {"name": call.name}}
    middle = (len(call.text) + 1) // 2
    pieces = [piece for piece in (call.text[:middle], call.text[middle:]) if piece]
    rest = [{"index": index, "function": {"arguments": piece}} for piece in pieces]
    return [{"content": None, "tool_calls": [part]} for part in (first, *rest)]


def _chunk(model: str, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**_HEAD, "object": "chat.completion.chunk", "model": model, "choices": [choice]}
