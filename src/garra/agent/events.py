"""What a turn tells whoever watches it, in order. The wire's own deltas pass through unchanged."""

from typing import TypeAlias

import msgspec

from garra.wire.events import ReasoningDelta, TextDelta, Usage
from garra.wire.messages import ToolCall, ToolResult


class Accepted(msgspec.Struct, frozen=True, tag="accepted"):
    """The message is stored: from here on it survives a crash."""

    session_key: str
    seq: int


class ToolStarted(msgspec.Struct, frozen=True, tag="tool_started"):
    """A call is about to be checked, approved and run."""

    call: ToolCall


class ToolProgress(msgspec.Struct, frozen=True, tag="tool_progress"):
    """A running tool printed something."""

    call_id: str
    text: str


class ToolFinished(msgspec.Struct, frozen=True, tag="tool_finished"):
    """A call has its one result, and the result is stored."""

    result: ToolResult


class Notice(msgspec.Struct, frozen=True, tag="notice"):
    """A word to the person about the turn itself: waiting, another way of calling tools, a cut file."""

    text: str


class Retrying(msgspec.Struct, frozen=True, tag="retrying"):
    """The reply is asked for again, after `wait_s`. What was shown of it so far is void."""

    text: str
    wait_s: float = 0.0


class TurnFinished(msgspec.Struct, frozen=True, tag="turn_finished"):
    """The turn is over and its reply stored. `usage` is the last step's, `finish_reason` the server's word."""

    text: str
    model: str
    steps: int
    usage: Usage | None
    finish_reason: str


TurnEvent: TypeAlias = (
    Accepted | TextDelta | ReasoningDelta | ToolStarted | ToolProgress | ToolFinished | Notice | Retrying | TurnFinished
)
