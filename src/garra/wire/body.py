"""What is sent: messages, tools and a whole request as JSON.

The same values always become the same bytes. The messages are the last thing before the scalars that may change from
step to step, so a request is, up to the end of its messages, a byte-for-byte prefix of the next one. Nothing here looks
at a clock, a model or a setting.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from garra.wire.dialect import PLAIN, Dialect, adapted_messages, adapted_tools
from garra.wire.messages import Assistant, Message, Part, System, Text, ToolCall, ToolResult, ToolSpec, User
from garra.wire.request import ChatRequest

NO_OUTPUT = "(no output)"


def message_to_wire(message: Message) -> dict[str, Any]:
    """One message, in chat-completions form."""
    match message:
        case System(text):
            return {"role": "system", "content": text}
        case User(content):
            return {"role": "user", "content": content if isinstance(content, str) else [_part(p) for p in content]}
        case ToolResult():
            # Some templates skip a message without content, and the call would stand unanswered.
            return {"role": "tool", "tool_call_id": message.call_id, "content": message.text or NO_OUTPUT}
        case Assistant():
            return _assistant(message)


def tools_to_wire(specs: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """The tools, in the order given."""
    return [
        {
            "type": "function",
            "function": {"name": spec.name, "description": spec.description, "parameters": spec.parameters},
        }
        for spec in specs
    ]


def request_body(request: ChatRequest, *, max_tokens_field: str = "max_tokens", dialect: Dialect = PLAIN) -> bytes:
    """The body of a streamed request. In `params` and `extra`, None takes a key out, anything else replaces it."""
    body: dict[str, Any] = {"model": request.model, "stream": True}
    if dialect.usage_in_stream:
        body["stream_options"] = {"include_usage": True}
    if request.tools:
        body["tools"] = adapted_tools(tools_to_wire(request.tools), dialect)
        body["tool_choice"] = request.tool_choice
    usual = [message_to_wire(message) for message in request.messages]
    body["messages"] = adapted_messages(request.messages, usual, dialect)
    if request.max_tokens is not None:
        body[max_tokens_field] = request.max_tokens
    merged = body | request.params | request.extra
    return encode({key: value for key, value in merged.items() if value is not None})


def encode(value: Any) -> bytes:
    """JSON. Half a surrogate pair (from a file name, say) has no UTF-8 and becomes a replacement character."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_mended(value))


def decode(data: bytes | str) -> Any:
    """Parse JSON. Raises ValueError for whatever is none: the text, its encoding, or nesting without end."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise ValueError(str(exc)) from exc


def _assistant(message: Assistant) -> dict[str, Any]:
    wire: dict[str, Any] = {
        "role": "assistant",
        "content": None if message.calls and not message.text else message.text,
    }
    if message.reasoning and message.reasoning_field:
        wire[message.reasoning_field] = message.reasoning
    if message.calls:
        wire["tool_calls"] = [_call(call) for call in message.calls]
    return wire


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = call.arguments if _is_object(call.arguments) else "{}"
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _is_object(text: str) -> bool:
    """vLLM parses the arguments of past calls, and a history with one malformed call would be refused for ever."""
    try:
        return isinstance(decode(text), dict)
    except ValueError:
        return False


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    return {"type": "image_url", "image_url": {"url": part.url}}


def _mended(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_mended(key): _mended(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_mended(inner) for inner in value]
        case _:
            return value
