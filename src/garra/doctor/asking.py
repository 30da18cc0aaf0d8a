"""One small request to a model, streamed as a turn's is, and what was heard. Nothing is stored or retried."""

import time
from contextlib import aclosing
from typing import Any

import msgspec

from garra.doctor.subject import Subject
from garra.models.thinking import with_thinking
from garra.wire.chat import ChatCompletions
from garra.wire.events import Finish, Reply, Usage
from garra.wire.messages import Assistant, Message, ToolSpec
from garra.wire.request import ChatRequest


class Heard(msgspec.Struct, frozen=True):
    """A reply, its usage, and how long its first piece took."""

    reply: Assistant
    usage: Usage | None
    finish: str
    first_s: float

    @property
    def text(self) -> str:
        return self.reply.text


class Question(msgspec.Struct, frozen=True):
    """What is asked. `fields` go over the configured parameters."""

    messages: tuple[Message, ...]
    limit_tokens: int
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    fields: dict[str, Any] = {}


async def ask(subject: Subject, question: Question) -> Heard:
    """Ask, and hear the reply to its end. Raises what the wire raises."""
    chosen, reply, began = subject.chosen, Reply(), time.monotonic()
    first_s: float | None = None
    request = ChatRequest(
        chosen.ref.id,
        question.messages,
        question.tools,
        question.tool_choice,
        min(question.limit_tokens, chosen.max_tokens or question.limit_tokens),
        subject.params(**question.fields),
    )
    async with aclosing(ChatCompletions(subject.http, chosen.endpoint).stream(request)) as events:
        async for event in events:
            if first_s is None and not isinstance(event, Usage | Finish):
                first_s = time.monotonic() - began
            reply.add(event)
    spent_s = time.monotonic() - began
    return Heard(reply.message(), reply.usage, reply.finish_reason or "", spent_s if first_s is None else first_s)


def without_thinking(subject: Subject) -> dict[str, Any]:
    """Fields that ask a model that would think not to: what is tried here is the form of its answer."""
    off = with_thinking(subject.chosen, "off").params
    kwargs = {"enable_thinking": False} | (off.get("chat_template_kwargs") or {})
    return off | {"temperature": 0, "chat_template_kwargs": kwargs}


def flat(text: str, limit: int = 60) -> str:
    """Text in one short line, fit for a terminal."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def said(text: str) -> str:
    """Text as a short quotation in one line."""
    return f'"{flat(text)}"'
