"""The checks of tool calls, one for each rung of the ladder: native, described and constrained, text alone.

A turn takes the highest rung that works, so a lower one matters only where those above it fail, and what is broken is
that none works.
"""

from collections.abc import AsyncGenerator
from typing import TypeAlias

import msgspec

from garra.agent.calls.described import constraint, description
from garra.agent.calls.reading import read_calls
from garra.doctor.asking import Heard, Question, ask, flat, said, without_thinking
from garra.doctor.finding import Finding, hint, ok
from garra.doctor.subject import Subject
from garra.errors import RequestRefused, ServerBusy, ServerFailed
from garra.tools.schema import Mismatch, fit, parse_arguments
from garra.wire.events import Event, Finish, Reply, TextDelta
from garra.wire.messages import System, ToolCall, ToolSpec, User

NATIVE, DESCRIBED, TEXT = "native tools", "described tools", "text tools"
CALL_TOKENS, HELD_TOKENS = 128, 400
"""For a call that the model writes freely, and for one that is held to a schema: any that fits it must have room."""

_TOOL = ToolSpec(
    "weather",
    "Tells the weather in a city.",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
)
_QUESTION = User("What is the weather in Paris? Call the tool.")
_NOT_ANSWERED = (RequestRefused, ServerFailed, ServerBusy)

Tried: TypeAlias = tuple[Finding, bool]
"""A rung's finding, and whether a call came from it that fits its schema."""


async def try_native(subject: Subject) -> Tried:
    """`tools` in the request, the call structured in the reply; asked for freely first, then required."""
    if subject.chosen.no_tools:
        return ok(NATIVE, "not tried: compat.supportsTools is false for this model"), False
    free = Question((_QUESTION,), CALL_TOKENS, (_TOOL,), fields=without_thinking(subject))
    try:
        heard = await ask(subject, free)
        if _fits(heard.reply.calls):
            return ok(NATIVE, f"the server takes `tools`, and the model called one: {_shown(heard)}"), True
        if subject.able is not None and subject.able.template_has_tools is False:
            return _unseen(subject), False
        if heard.reply.calls:
            return _bad_call(subject, heard), False
        if _fits(await _written(heard.text)):
            return _unparsed(subject, heard), False
        heard = await ask(subject, msgspec.structs.replace(free, tool_choice="required"))
    except _NOT_ANSWERED as error:
        return _refused(subject, error), False
    if _fits(heard.reply.calls):
        return ok(NATIVE, f"the server takes `tools`; the model calls one when it has to: {_shown(heard)}"), True
    return _bad_call(subject, heard), False


def _refused(subject: Subject, error: Exception) -> Finding:
    head = str(error).splitlines()[0]
    if subject.is_ours:
        means = "`garra serve` takes none; they are described in the prompt instead, and calls held to their schemas."
        return ok(NATIVE, "the server takes no `tools`", means)
    means = "Garra describes its tools in the prompt instead. To have the server read calls itself, start it with:"
    return hint(NATIVE, head, means, subject.serve_tools())


def _unseen(subject: Subject) -> Finding:
    means = "Garra describes its tools in the prompt instead. vLLM's examples hold templates that show them."
    seen = "the server takes `tools`, but its chat template does not show them to the model"
    return hint(NATIVE, seen, means, subject.serve_tools("--chat-template", "FILE"))


def _unparsed(subject: Subject, heard: Heard) -> Finding:
    means = "Garra reads it all the same. The server's tool parser does not fit the model; start it with:"
    return hint(NATIVE, f"the call came as text: {said(heard.text)}", means, subject.serve_tools())


def _bad_call(subject: Subject, heard: Heard) -> Finding:
    means = "The server takes `tools`, but the model is too weak to fill in a call by itself."
    seen = f"the model wrote no call that fits: {_shown(heard)}"
    return hint(NATIVE, seen, means, _larger(subject))


async def try_described(subject: Subject) -> Tried:
    """The tool in the prompt, the reply held to a call of it."""
    fields = constraint((_TOOL,), must_call=True) | without_thinking(subject)
    try:
        heard = await ask(subject, Question(_described(), HELD_TOKENS, fields=fields))
    except _NOT_ANSWERED as error:
        return _unheld(subject, str(error).splitlines()[0]), False
    calls = heard.reply.calls or await _written(heard.text)
    if _fits(calls):
        return ok(DESCRIBED, f"a call was held to its schema: {flat(calls[0].arguments)}"), True
    return _unheld(subject, f"no call was written: {said(heard.text)}"), False


def _unheld(subject: Subject, seen: str) -> Finding:
    means = (
        "The server holds replies to no structure (`structured_outputs`); calls are read from the text as they come."
    )
    return hint(DESCRIBED, seen, means, "pip install --upgrade vllm", subject.serve())


async def try_text(subject: Subject) -> Tried:
    """The tool in the prompt, the reply free."""
    try:
        heard = await ask(subject, Question(_described(), CALL_TOKENS, fields=without_thinking(subject)))
    except _NOT_ANSWERED as error:
        return _unwritten(subject, str(error).splitlines()[0]), False
    calls = heard.reply.calls or await _written(heard.text)
    if _fits(calls):
        return ok(TEXT, f"the model wrote a call by itself: {flat(calls[0].arguments)}"), True
    return _unwritten(subject, f"the model wrote no call by itself: {said(heard.text)}"), False


def _unwritten(subject: Subject, seen: str) -> Finding:
    means = "Without help from the server, this model cannot be relied on to call tools."
    return hint(TEXT, seen, means, subject.serve_tools(), _larger(subject))


def weighed(found: Finding, *, above: bool, last: bool) -> Finding:
    """A rung that failed, in the light of those above it: not needed, or all that there was."""
    if found.state not in ("hint", "broken"):
        return found
    if above:
        means = "Not needed: a way above it works."
        return Finding(found.check, "ok", found.seen, means)
    if last:
        means = "No way of calling tools works: the model can talk, and do nothing."
        return msgspec.structs.replace(found, state="broken", means=means)
    return found


def _described() -> tuple[System, User]:
    return System(description((_TOOL,))), _QUESTION


async def _written(text: str) -> tuple[ToolCall, ...]:
    """The calls in a text."""
    reply = Reply()
    async for event in read_calls(_events(text), (_TOOL,)):
        reply.add(event)
    return reply.calls


async def _events(text: str) -> AsyncGenerator[Event]:
    yield TextDelta(text)
    yield Finish("stop")


def _fits(calls: tuple[ToolCall, ...]) -> bool:
    """Whether the first call is one of the tool, with arguments that its schema takes."""
    if not calls or calls[0].name != _TOOL.name:
        return False
    try:
        fit(parse_arguments(calls[0].arguments), _TOOL.parameters)
    except Mismatch:
        return False
    return True


def _larger(subject: Subject) -> str:
    return subject.garra("models", "set", "PROVIDER/LARGER-MODEL")


def _shown(heard: Heard) -> str:
    call = next(iter(heard.reply.calls), None)
    return f"{call.name} {flat(call.arguments)}" if call else said(heard.text)
