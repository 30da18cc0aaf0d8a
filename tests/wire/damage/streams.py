"""Undamaged streams to begin from: two made here, and those recorded from vLLM. And what does not belong into them."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).parent.parent.parent / "recordings"
RECORDED = (
    "chat-stream-usage",
    "chat-stream-continuous-usage",
    "tools-auto-stream",
    "tools-required-stream",
    "tools-hermes-text-stream",
)
DONE = b"data: [DONE]\n\n"
JUNK: tuple[Any, ...] = (
    None,
    7,
    -1,
    10**30,
    10**400,
    1e308,
    "text",
    "",
    [],
    [1],
    ["x"],
    {},
    {"a": 1},
    True,
    False,
)
"""Values of every JSON type, for places where they are wrong."""

ABSENT = object()
Place = tuple[str | int, ...]


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """One chunk as vLLM sends it."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def usage_chunk(**usage: Any) -> dict[str, Any]:
    """The frame of the usage, which has no choices."""
    return {**chunk(), "choices": [], "usage": usage}


TEXT_STREAM: tuple[dict[str, Any], ...] = (
    chunk(role="assistant", content=""),
    chunk(content="Hello"),
    chunk(role="assistant", content=" there"),
    chunk("stop"),
    usage_chunk(prompt_tokens=5, completion_tokens=2, total_tokens=7),
)


def call_piece(index: Any, call_id: Any = ABSENT, name: Any = ABSENT, arguments: Any = ABSENT) -> dict[str, Any]:
    """One element of a delta's `tool_calls`."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not ABSENT}
    given = {"index": index, "id": call_id, "type": "function" if name is not ABSENT else ABSENT, "function": function}
    return {key: value for key, value in given.items() if value is not ABSENT}


CALL_STREAM: tuple[dict[str, Any], ...] = (
    chunk(role="assistant", content=""),
    chunk(tool_calls=[call_piece(0, "c1", "read", "")]),
    chunk(tool_calls=[call_piece(0, arguments='{"path": ')]),
    chunk(tool_calls=[call_piece(0, arguments='"a.txt"}')]),
    chunk("tool_calls"),
)


def sse(chunks: Sequence[Any], *, done: bool = True) -> bytes:
    """The chunks as server-sent events."""
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks) + (DONE if done else b"")


def changed(value: Any, place: Place, new: Any) -> Any:
    """A copy with another value at one place; `ABSENT` takes it out."""
    made = copy.deepcopy(value)
    spot = made
    for step in place[:-1]:
        spot = spot[step]
    if new is ABSENT and place[-1] in (spot if isinstance(spot, dict) else range(len(spot))):
        del spot[place[-1]]
    elif new is ABSENT:
        return made
    else:
        spot[place[-1]] = new
    return made


def recorded(name: str) -> bytes:
    """The body of a recorded stream."""
    body: str = json.loads((RECORDINGS / "tools" / f"{name}.json").read_text())["response"]["body"]
    return body.encode()


def short(value: Any) -> str:
    """A value in the name of a case."""
    text = "absent" if value is ABSENT else json.dumps(value)
    return text if len(text) <= 12 else f"{text[:9]}..."


def as_events(text: str) -> bytes:
    """One event whose data has several lines."""
    return b"".join(b"data: " + line.encode() + b"\n" for line in text.split("\n")) + b"\n"
