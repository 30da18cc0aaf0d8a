"""Tool calls on a server that takes no `tools`: the second rung of the ladder.

The tools are described in the system prompt. The model writes its call between `<tool_call>` tags, and a structural
tag (`structured_outputs` of vLLM, xgrammar's format) holds it to the tool's schema from the opening tag on, so that a
call that has begun always parses. Text around it stays text and streams as it comes.

The history goes back in the same form, byte for byte as the model wrote it. Only calls that the constraint made are
read here; other text forms are none of this module's business.
"""

import json
import secrets
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from garra.wire.events import CallDelta, Event, Finish, TextDelta
from garra.wire.messages import Assistant, Message, System, ToolCall, ToolResult, ToolSpec, User

OPEN, CLOSE = "<tool_call>", "</tool_call>"
END = "}\n" + CLOSE


def _begin(name: str) -> str:
    return f'{OPEN}\n{{"name": {json.dumps(name)}, "arguments": '


def description(specs: Sequence[ToolSpec]) -> str:
    """How to call the tools, as a part of the system prompt."""
    lines = [
        f"{json.dumps({'name': spec.name, 'description': spec.description, 'parameters': spec.parameters})}"
        for spec in specs
    ]
    form = _begin("NAME") + "{ARGUMENTS}" + END
    return "\n".join([f"Tools. To call one, end your message with:\n{form}", *lines])


def constraint(specs: Sequence[ToolSpec]) -> dict[str, Any]:
    """The body fields that hold a call to its schema, once it has begun. One call a reply."""
    tags = [
        {"begin": _begin(spec.name), "content": {"type": "json_schema", "json_schema": spec.parameters}, "end": END}
        for spec in specs
    ]
    form = {"type": "triggered_tags", "triggers": [OPEN], "tags": tags, "at_least_one": False, "stop_after_first": True}
    return {"structured_outputs": {"structural_tag": json.dumps({"type": "structural_tag", "format": form})}}


def as_text(messages: Sequence[Message]) -> list[Message]:
    """The history without the tool roles: calls as the text that they were written in, results as user messages."""
    return [_plain(message) for message in messages]


def _plain(message: Message) -> Message:
    match message:
        case Assistant(text, calls, reasoning, field) if calls:
            written = "".join(f"{_begin(call.name)}{call.arguments}{END}" for call in calls)
            return Assistant(text + written, (), reasoning, field)
        case ToolResult(_, _, text):
            return User(f"<tool_response>\n{text}\n</tool_response>")
        case System() | User() | Assistant():
            return message


async def read_calls(events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    """The same events, with a tagged call in the text turned into a call. What may become a tag is held back."""
    held, inside = "", False
    try:
        async for event in events:
            match event:
                case TextDelta(text):
                    held += text
                    if not inside:
                        shown, held, inside = _before_tag(held)
                        if shown:
                            yield TextDelta(shown)
                case Finish(reason):
                    shown, call = _split(held)
                    if shown:
                        yield TextDelta(shown)
                    if call:
                        yield CallDelta(0, call.id, call.name, call.arguments)
                    yield Finish("tool_calls" if call else reason)
                    held, inside = "", False
                case _:
                    yield event
    finally:
        await events.aclose()


def _before_tag(text: str) -> tuple[str, str, bool]:
    """What may be shown, what must wait, and whether the tag has begun."""
    at = text.find(OPEN)
    if at >= 0:
        return text[:at], text[at:], True
    for length in range(min(len(OPEN) - 1, len(text)), 0, -1):
        if text.endswith(OPEN[:length]):
            return text[:-length], text[-length:], False
    return text, "", False


def _split(held: str) -> tuple[str, ToolCall | None]:
    """What of the held text is text after all, and the call that it ends with."""
    at = held.find(OPEN)
    while at >= 0:
        if call := _call(held[at:]):
            return held[:at], call
        at = held.find(OPEN, at + 1)
    return held, None


def _call(written: str) -> ToolCall | None:
    """The call in `written`, or None where it is not whole (the reply was cut at its length limit)."""
    body = written.removeprefix(OPEN).strip().removesuffix(CLOSE).strip()
    try:
        value = json.loads(body)
        name, arguments = value["name"], value["arguments"]
    except (ValueError, TypeError, KeyError):
        return None
    begin, whole = _begin(name), written.strip()
    constrained = whole.startswith(begin) and whole.endswith(END)
    exact = whole[len(begin) : -len(END)] if constrained else json.dumps(arguments)
    return ToolCall(f"call_{secrets.token_hex(6)}", name, exact)
