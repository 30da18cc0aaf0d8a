"""Chat messages as a client sends them, turned into what chat templates expect.

Text parts become one string (joined by line breaks) unless the template walks over parts itself; arguments of calls
become objects; an absent content becomes an empty one. Images and the like are refused: no engine here reads them.
"""

import json
from typing import Any

from garra.errors import RequestRefused

_TEXT_PARTS = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
    "thinking": "thinking",
}
_KEPT = ("name", "tool_call_id")


def conversation_of(messages: list[dict[str, Any]], *, parts: bool) -> list[dict[str, Any]]:
    """The messages for a template. `parts`: the template wants lists of parts and not strings."""
    return [_message(message, parts=parts) for message in messages]


def _message(message: dict[str, Any], *, parts: bool) -> dict[str, Any]:
    texts = _texts(message.get("content"))
    content: Any = [{"type": "text", "text": text} for text in texts] if parts else "\n".join(texts)
    result: dict[str, Any] = {"role": message["role"], "content": content}
    result.update({key: message[key] for key in _KEPT if message.get(key) is not None})
    if message["role"] != "assistant":
        return result
    if (reasoning := message.get("reasoning") or message.get("reasoning_content")) is not None:
        result["reasoning"] = result["reasoning_content"] = reasoning
    if calls := message.get("tool_calls"):
        result["tool_calls"] = [_call(call) for call in calls]
    return result


def _texts(content: Any) -> list[str]:
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    return [_text(part) for part in content]


def _text(part: Any) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type", "text") if isinstance(part, dict) else None
    if kind not in _TEXT_PARTS:
        raise RequestRefused(f"Only text can be read by this model; a part of type {kind!r} cannot.", param="messages")
    text = part.get(_TEXT_PARTS[kind])
    if not isinstance(text, str):
        raise RequestRefused(
            f"A part of type {kind!r} must hold a string under {_TEXT_PARTS[kind]!r}.", param="messages"
        )
    return text


def _call(call: Any) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise RequestRefused("Each of `tool_calls` must hold a `function` with a `name`.", param="messages")
    return {**call, "function": {**function, "arguments": _arguments(function.get("arguments"))}}


def _arguments(arguments: Any) -> Any:
    """Templates want an object. What a model once wrote and is no JSON stays text: history must not be refused."""
    if not arguments:
        return {}
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
