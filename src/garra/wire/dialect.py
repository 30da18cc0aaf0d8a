"""What one server wants otherwise than most: the `compat` flags of a model row, applied to what is sent.

Each rule looks at one message, or at it and the one before it, so that what was sent stays sent. The plain dialect
changes nothing. No rule is guessed from an address or a name: the person sets it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from garra.wire.messages import Assistant, Message, System, ToolResult, User

AFTER_RESULTS = {"role": "assistant", "content": "I have the results of the tools."}
_STRICT_KEYS = ("role", "content", "tool_calls", "tool_call_id")
_NAMED_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_DATA = ("enum", "const", "default", "examples", "required")


class Dialect(msgspec.Struct, frozen=True):
    """The rules that hold for a server. The names of OpenClaw's flags stand beside them."""

    developer_role: bool = False
    """`supportsDeveloperRole`: the system prompt comes as `developer`."""
    usage_in_stream: bool = True
    """`supportsUsageInStreaming`: the usage is asked for (`stream_options`)."""
    strict_field: bool = False
    """`supportsStrictMode`: each tool says that its schema is not strict."""
    plain_text: bool = False
    """`requiresStringContent`: a message of text parts alone is one text."""
    strict_keys: bool = False
    """`strictMessageKeys`: a message has no other keys than those of its role in the first version of the API."""
    named_results: bool = False
    """`requiresToolResultName`: a result names its tool."""
    reply_after_results: bool = False
    """`requiresAssistantAfterToolResult`: a person's message does not follow a result directly."""
    thinking_as_text: bool = False
    """`requiresThinkingAsText`: earlier thinking goes back before the text, not beside it."""
    thinking_always: bool = False
    """`requiresReasoningContentOnAssistantMessages`: every reply has `reasoning_content`, if only an empty one."""
    dropped_keywords: tuple[str, ...] = ()
    """`unsupportedToolSchemaKeywords`: these are left out of the tools' schemas."""


PLAIN = Dialect()


def adapted_messages(
    messages: Sequence[Message], wire: Sequence[dict[str, Any]], dialect: Dialect
) -> list[dict[str, Any]]:
    """The messages as this server wants them; `wire` holds them in their usual form."""
    if dialect == PLAIN:
        return list(wire)
    sent: list[dict[str, Any]] = []
    for before, message, usual in zip((None, *messages), messages, wire, strict=False):
        if dialect.reply_after_results and isinstance(before, ToolResult) and isinstance(message, User):
            sent.append(dict(AFTER_RESULTS))
        sent.append(_adapted(message, usual, dialect))
    return sent


def adapted_tools(tools: Sequence[dict[str, Any]], dialect: Dialect) -> list[dict[str, Any]]:
    """The tools as this server wants them."""
    if not (dialect.dropped_keywords or dialect.strict_field):
        return list(tools)
    strict = {"strict": False} if dialect.strict_field else {}
    return [tool | {"function": _function(tool["function"], dialect.dropped_keywords) | strict} for tool in tools]


def _function(function: dict[str, Any], dropped: Sequence[str]) -> dict[str, Any]:
    return function | {"parameters": _schema(function["parameters"], dropped)}


def _schema(schema: Any, dropped: Sequence[str]) -> Any:
    """A schema without some keywords. Names of properties and plain data are left alone, whatever they are called."""
    if isinstance(schema, list | tuple):
        return [_schema(item, dropped) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in dropped:
            continue
        if keyword in _NAMED_SCHEMAS and isinstance(value, Mapping):
            value = {name: _schema(inner, dropped) for name, inner in value.items()}
        kept[keyword] = value if keyword in (*_DATA, *_NAMED_SCHEMAS) else _schema(value, dropped)
    return kept


def _adapted(message: Message, usual: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    wire = dict(usual)
    match message:
        case System() if dialect.developer_role:
            wire["role"] = "developer"
        case User() if dialect.plain_text:
            wire["content"] = _joined(wire["content"])
        case ToolResult() if dialect.named_results:
            wire["name"] = message.name
        case Assistant():
            wire = _reply(message, wire, dialect)
    return {key: wire[key] for key in _STRICT_KEYS if key in wire} if dialect.strict_keys else wire


def _reply(message: Assistant, wire: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    if dialect.thinking_as_text and message.reasoning:
        wire.pop(message.reasoning_field, None)
        wire["content"] = f"{message.reasoning}\n\n{message.text}".strip()
    if dialect.thinking_always:
        wire.pop("reasoning", None)
        wire["reasoning_content"] = "" if dialect.thinking_as_text else message.reasoning
    return wire


def _joined(content: Any) -> Any:
    """The texts of a message as one; as it is where an image is among them."""
    if isinstance(content, str) or any(part["type"] != "text" for part in content):
        return content
    return "\n".join(part["text"] for part in content)
