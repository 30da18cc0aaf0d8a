"""What a scripted model can be told to do: answer well, answer slowly, answer wrongly, or not at all.

Values only. A step answers one chat request; text stands for an answer of text, a list for an answer of several parts.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

Ending: TypeAlias = Literal["whole", "no-done", "no-finish", "cut", "reset", "silence"]


class Call(msgspec.Struct, frozen=True):
    """The model calls a tool. `arguments` as text are sent as they are, valid JSON or not."""

    id: str
    name: str
    arguments: dict[str, Any] | str = {}

    @property
    def text(self) -> str:
        given = self.arguments
        return given if isinstance(given, str) else msgspec.json.encode(given).decode()


class Thought(msgspec.Struct, frozen=True):
    """The model thinks aloud, under the field name of some server."""

    text: str
    field: str = "reasoning"


Part: TypeAlias = str | Call | Thought


class Answer(msgspec.Struct, frozen=True):
    """A reply in parts, and how it is sent.

    `ending` is what happens after `stop_after` frames (after all of them by default): "whole" sends the finish, the
    usage and [DONE]; "no-done" leaves [DONE] out; "no-finish" sends only [DONE]; "cut" closes cleanly; "reset" drops
    the connection; "silence" sends nothing more and keeps it open.
    """

    parts: tuple[Part, ...]
    finish: str | None = None
    ending: Ending = "whole"
    stop_after: int | None = None
    delay_s: float = 0.0
    """Before every frame."""
    write_bytes: int | None = None
    """How many bytes go into one write, cutting lines and characters anywhere."""
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    """What the usage says; by default the words of the parts."""


class Failure(msgspec.Struct, frozen=True):
    """An HTTP error. A body of text is sent as it is, anything else as JSON."""

    status: int
    body: Any = ""
    headers: Mapping[str, str] = {}


class Raw(msgspec.Struct, frozen=True):
    """Exactly these bytes as the body of a 200: a web page, bad JSON, an endless line."""

    body: bytes
    content_type: str = "text/event-stream"
    ending: Ending = "whole"
    write_bytes: int | None = None


class Silence(msgspec.Struct, frozen=True):
    """Take the request and say nothing, not even a status."""


class HangUp(msgspec.Struct, frozen=True):
    """Take the request and drop the connection."""


Step: TypeAlias = Part | Sequence[Part] | Answer | Failure | Raw | Silence | HangUp


def answer_of(step: Part | Sequence[Part] | Answer) -> Answer:
    """An answer, from whatever stands for one."""
    if isinstance(step, Answer):
        return step
    return Answer((step,) if isinstance(step, str | Call | Thought) else tuple(step))


def text_of(step: Step) -> str:
    """The text that a step says, empty when it says none."""
    if isinstance(step, Failure | Raw | Silence | HangUp):
        return ""
    return "".join(part for part in answer_of(step).parts if isinstance(part, str))
