"""What a streamed reply is made of, and how the pieces become a message again."""

import os
from typing import TypeAlias

import msgspec

from garra.wire.messages import Assistant, ToolCall


class TextDelta(msgspec.Struct, frozen=True, tag="text"):
    """More of the answer."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, tag="reasoning"):
    """More of the model's thinking. `field` is the wire name it came under: `reasoning` or `reasoning_content`."""

    text: str
    field: str = "reasoning"


class ThoughtSoFar(msgspec.Struct, frozen=True, tag="thought_so_far"):
    """All the text so far was thinking, as only now shows: an end tag came that nothing had opened."""


class CallDelta(msgspec.Struct, frozen=True, tag="call"):
    """A piece of a tool call. Pieces belong together by `index`; `id` and `name` come with the first."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Usage(msgspec.Struct, frozen=True, tag="usage"):
    """Tokens, as the server counted them. `cached_tokens` is None where it does not tell."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = None


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """The reply is complete. `reason` is the server's word: stop, length, tool_calls, …"""

    reason: str


Event: TypeAlias = TextDelta | ReasoningDelta | ThoughtSoFar | CallDelta | Usage | Finish


class _Call:
    """A call while it arrives. Its arguments come in hundreds of pieces, so they are joined once, when asked for."""

    def __init__(self) -> None:
        self.id = self.name = ""
        self.arguments: list[str] = []

    def message(self) -> ToolCall:
        """The call. Where the server gives no id, it gets one that no other call has, in this reply or another."""
        self.id = self.id or f"call_{os.urandom(12).hex()}"
        return ToolCall(self.id, self.name, "".join(self.arguments))


class Reply:
    """A reply while it arrives: add every event, then ask for the message. Also right for one cut short."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._reasoning_field = ""
        self._calls: dict[int, _Call] = {}
        self.usage: Usage | None = None
        self.finish_reason: str | None = None

    def add(self, event: Event) -> None:
        """Take one event in."""
        match event:
            case TextDelta(text):
                self._text.append(text)
            case ReasoningDelta(text, field):
                self._reasoning.append(text)
                self._reasoning_field = self._reasoning_field or field
            case ThoughtSoFar():
                self._reasoning, self._text = [*self._reasoning, *self._text], []
            case CallDelta():
                self._add_call(event)
            case Usage():
                self.usage = event
            case Finish(reason):
                self.finish_reason = reason

    def _add_call(self, piece: CallDelta) -> None:
        call = self._calls.setdefault(piece.index, _Call())
        call.id = call.id or piece.id
        call.name = call.name or piece.name
        call.arguments.append(piece.arguments)

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._text)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls so far, in the order of their index."""
        return tuple(call.message() for _, call in sorted(self._calls.items()))

    def message(self) -> Assistant:
        """What arrived, as a message."""
        return Assistant(self.text, self.calls, "".join(self._reasoning), self._reasoning_field)
