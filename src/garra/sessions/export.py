"""A transcript in the shape of OpenClaw's: one JSON event a line, so that it can be imported there (openclaw.md 6.3).

Nothing is lost on the way but the unfinished calls of replies that were cut short: they were never run, and their
arguments may be no JSON. What OpenClaw has no event for goes into `custom` events, which it keeps and does not read.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from garra.sessions.entries import Compacted, Entry, Failed, Head, Said, SessionInfo, Setting, Unknown
from garra.sessions.transcript import as_sent
from garra.wire.events import Usage
from garra.wire.messages import Assistant, Image, Part, System, Text, ToolResult, User

FORMAT_VERSION = 4


def openclaw_lines(info: SessionInfo, entries: Sequence[Entry], *, folder: str) -> Iterator[bytes]:
    """The transcript, line by line: the header, then an event for each entry, each naming the one before it."""
    header = {"type": "session", "version": FORMAT_VERSION, "id": info.session_id}
    yield _line(header | {"timestamp": iso_time(info.started_at), "cwd": folder})
    parent: str | None = None
    model = ""
    for entry in entries:
        for suffix, event in _events(entry, model):
            own_id = f"{_id(entry.seq)}{suffix}"
            kind = {"type": event.pop("type"), "id": own_id, "parentId": parent, "timestamp": iso_time(entry.at)}
            yield _line(kind | event)
            parent = own_id
        model = _model_of(entry) or model


def iso_time(at: float) -> str:
    """Epoch seconds as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _id(seq: int) -> str:
    return f"{seq:08x}"


def _line(event: dict[str, Any]) -> bytes:
    return msgspec.json.encode(event) + b"\n"


def _model_of(entry: Entry) -> str:
    return entry.item.model if isinstance(entry.item, Said) else ""


def _events(entry: Entry, model_before: str) -> Iterator[tuple[str, dict[str, Any]]]:
    model = _model_of(entry)
    if model and model != model_before:
        yield "-model", {"type": "model_change"} | _model(model, "modelId")
    match entry.item:
        case Said() as said:
            yield "", _said(said, {"timestamp": int(entry.at * 1000)})
        case Head() as head:
            yield "", _custom("head", {"system": head.system, "tools": head.tools, "model": head.model})
        case Failed(error):
            yield "", _custom("failed", {"error": error})
        case Setting(name, value):
            yield "", _custom("setting", {"name": name, "value": value})
        case Compacted() as done:
            kept = {"firstKeptEntryId": _id(done.first_kept), "tokensBefore": done.tokens_before}
            yield "", {"type": "compaction", "summary": done.summary} | kept
        case Unknown(json):
            yield "", _custom("unknown", msgspec.Raw(json.encode()))


def _custom(name: str, data: object) -> dict[str, Any]:
    return {"type": "custom", "customType": f"garra.{name}", "data": data}


def _model(ref: str, name: str) -> dict[str, Any]:
    provider, _, model = ref.partition("/")
    return {"provider": provider, name: model} if model else {"provider": "", name: ref}


def _said(said: Said, time: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any]
    match said.message:
        case System(text):
            return {"type": "custom_message", "customType": "garra.system", "content": text, "display": False}
        case User(content):
            parts = (Text(content),) if isinstance(content, str) else content
            message = {"role": "user", "content": [_part(part) for part in parts]}
        case Assistant() as reply:
            message = _reply(as_sent(reply, said.status), said)
        case ToolResult(call_id, name, text, failed):
            message = {"role": "toolResult", "toolCallId": call_id, "toolName": name}
            message |= {"content": [{"type": "text", "text": text}], "isError": failed}
    return {"type": "message", "message": message | time}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    return _image(part)


def _image(image: Image) -> dict[str, Any]:
    head, comma, data = image.url.partition(",")
    if comma and head.startswith("data:") and head.endswith(";base64"):
        return {"type": "image", "data": data, "mimeType": head[len("data:") : -len(";base64")]}
    return {"type": "text", "text": f"[image: {image.url}]"}


def _reply(reply: Assistant, said: Said) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = []
    if reply.reasoning:
        blocks.append(
            {"type": "thinking", "thinking": reply.reasoning, "thinkingSignature": reply.reasoning_field or "reasoning"}
        )
    if reply.text:
        blocks.append({"type": "text", "text": reply.text})
    for call in reply.calls:
        arguments = msgspec.Raw(call.arguments.encode())
        blocks.append({"type": "toolCall", "id": call.id, "name": call.name, "arguments": arguments})
    message = {"role": "assistant", "content": blocks, "api": "openai-completions"}
    message |= _model(said.model, "model") | {"usage": _usage(said.usage), "stopReason": _stop_reason(reply, said)}
    return message | ({"errorMessage": said.note} if said.note and said.status != "done" else {})


def _stop_reason(reply: Assistant, said: Said) -> str:
    if said.status != "done":
        return "aborted" if said.status == "interrupted" else "error"
    return "toolUse" if reply.calls else "stop"


def _usage(usage: Usage | None) -> dict[str, Any]:
    prompt, output, cached = (
        (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens or 0) if usage else (0, 0, 0)
    )
    cost = dict.fromkeys(("input", "output", "cacheRead", "cacheWrite", "total"), 0)
    tokens = {"input": prompt - cached, "output": output, "cacheRead": cached, "cacheWrite": 0}
    return tokens | {"totalTokens": prompt + output, "cost": cost}
